//! A session's leave to send: asked for at its beginning, and again after it has stood still.

use super::gate::{BOUND, Gate, STILL};
use super::session::Error;
use crate::publish::status::Role;
use tokio::time::Instant;

pub(super) struct Pass {
    gate: Gate,
    role: Role,
    /// When it was last looked at.
    seen: Instant,
    /// It does not hold, and by when it does unless somebody objects. Kept, so that who asks again
    /// and again does not wait for ever.
    asking: Option<Instant>,
}

impl Pass {
    pub(super) fn new(gate: Gate, role: Role) -> Self {
        Self { gate, role, seen: Instant::now(), asking: None }
    }

    /// Asks for the first time.
    pub(super) async fn enter(&mut self) -> Result<(), Error> {
        self.asking = Some(Instant::now() + BOUND);
        self.renew().await
    }

    /// Whether bytes may be sent now; to be called whenever some are about to be.
    pub(super) fn holds(&mut self) -> bool {
        let now = Instant::now();
        if now.duration_since(self.seen) > STILL {
            self.asking.get_or_insert(now + BOUND);
        }
        self.seen = now;
        self.asking.is_none()
    }

    /// Asks if it does not hold. Can be dropped and called again.
    pub(super) async fn renew(&mut self) -> Result<(), Error> {
        if let Some(until) = self.asking {
            if !self.gate.ask(self.role, until).await {
                return Err(Error::Lost);
            }
            (self.asking, self.seen) = (None, Instant::now());
        }
        Ok(())
    }
}
