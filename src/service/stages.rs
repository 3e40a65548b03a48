//! The running stages by name: every task of the daemon is in here, and its end is noticed.

use crate::telemetry::messages;
use std::collections::HashMap;
use std::convert::Infallible;
use std::fmt::Display;
use tokio::task::{Id, JoinError, JoinSet};
use tracing::Instrument;

/// See the module's head.
#[derive(Default)]
pub(super) struct Stages {
    tasks: JoinSet<()>,
    stages: HashMap<Id, Stage>,
}

struct Stage {
    name: String,
    role: Role,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Role {
    /// The channel lives without it.
    Feeds,
    /// The channel is this.
    Carries,
    /// The same, and it has sessions to close.
    Publishes,
}

impl Stages {
    /// Starts a stage that the channel can go on without.
    pub(super) fn feed<E: Display>(
        &mut self,
        name: &'static str,
        work: impl Future<Output = Result<(), E>> + Send + 'static,
    ) {
        let work = async move {
            if let Err(error) = work.await {
                tracing::error!(message_id = messages::STAGE_FAILED, stage = name, %error, "a stage has failed; what is ready stays on air");
            }
        };
        self.spawn(name.to_owned(), Role::Feeds, work);
    }

    /// Starts a stage without which there is no channel.
    pub(super) fn carry(&mut self, name: impl Into<String>, work: impl Future<Output = ()> + Send + 'static) {
        self.spawn(name.into(), Role::Carries, work);
    }

    /// Starts a publisher.
    pub(super) fn publish(
        &mut self,
        name: String,
        work: impl Future<Output = Result<(), Infallible>> + Send + 'static,
    ) {
        self.spawn(name, Role::Publishes, async { work.await.unwrap_or_else(|never| match never {}) });
    }

    fn spawn(&mut self, name: String, role: Role, work: impl Future<Output = ()> + Send + 'static) {
        // At debug: what an operator reads names the destination or the file anyway.
        let span = tracing::debug_span!("stage", name);
        let id = self.tasks.spawn(work.instrument(span)).id();
        self.stages.insert(id, Stage { name, role });
    }

    /// Waits until a stage ends without which there is no channel; gives its name. Cancel-safe.
    pub(super) async fn first_loss(&mut self) -> String {
        loop {
            match self.next().await {
                Some(stage) if stage.role != Role::Feeds => return stage.name,
                Some(_) => {}
                None => std::future::pending().await,
            }
        }
    }

    /// Waits until every publisher has ended. Cancel-safe.
    pub(super) async fn published(&mut self) {
        while self.stages.values().any(|stage| stage.role == Role::Publishes) {
            self.next().await;
        }
    }

    /// Waits until everything has ended. Cancel-safe.
    pub(super) async fn all(&mut self) {
        while self.next().await.is_some() {}
    }

    async fn next(&mut self) -> Option<Stage> {
        let ended = self.tasks.join_next_with_id().await?;
        let id = ended.as_ref().map_or_else(JoinError::id, |(id, ())| *id);
        let stage = self.stages.remove(&id)?;
        if let Err(error) = ended
            && error.is_panic()
        {
            tracing::error!(message_id = messages::STAGE_PANICKED, stage = stage.name, %error, "a stage has panicked");
        }
        Some(stage)
    }
}
