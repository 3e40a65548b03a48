//! Which background is shown: steady while a new one is being copied over it.
//!
//! Every rendition holds the background, so each change of it renders the whole library anew, and
//! a moment without it must not count as a change.

use super::{Picture, Problem};
use std::time::Duration;

/// What the best candidate is worth.
pub enum Best {
    Known(Picture),
    /// Being written, or not read yet.
    Awaited,
    Unreadable,
}

/// See the file's head.
pub struct Background {
    configured: Option<String>,
    shown: Option<Picture>,
    awaited: bool,
    /// Since when there is no candidate.
    gone: Option<Duration>,
}

impl Background {
    pub fn new(configured: Option<String>) -> Self {
        Self { configured, shown: None, awaited: false, gone: None }
    }

    /// Takes in the best candidate there is. What is shown changes when another one is known, and
    /// when there has been none for the settle time.
    pub fn on_best(&mut self, best: Option<Best>, now: Duration, settle: Duration) {
        self.awaited = matches!(best, Some(Best::Awaited));
        self.gone = if best.is_none() { self.gone.or(Some(now)) } else { None };
        match best {
            Some(Best::Known(picture)) => self.shown = Some(picture),
            Some(Best::Unreadable) => self.shown = None,
            Some(Best::Awaited) => {}
            None if self.gone.is_some_and(|gone| now >= gone + settle) => self.shown = None,
            None => {}
        }
    }

    /// The configured one, if there is one.
    pub fn configured(&self) -> Option<&str> {
        self.configured.as_deref()
    }

    /// What is shown.
    pub fn shown(&self) -> Option<&Picture> {
        self.shown.as_ref()
    }

    /// Whether there will be one soon and is none yet.
    pub fn is_awaited(&self) -> bool {
        self.awaited && self.shown.is_none()
    }

    /// When what is shown is to be given up.
    pub fn deadline(&self, settle: Duration) -> Option<Duration> {
        self.gone.filter(|_| self.shown.is_some()).map(|gone| gone + settle)
    }

    /// A configured background that is not there.
    pub fn problem(&self) -> Option<Problem> {
        let source = self.configured.clone().filter(|_| self.gone.is_some())?;
        Some(Problem { source, reason: "the background is not there; a built-in card is shown".to_owned() })
    }
}
