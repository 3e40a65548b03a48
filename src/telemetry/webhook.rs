//! Alerts on their way to a webhook: what is posted, and when it is tried again. Pure; [`task`] posts.
//!
//! Each target has its own short queue, so that one that is slow or gone holds up no other. In it a
//! notice about the machine goes before all else, and what is being sent is put off for it: the
//! machine has two minutes. When the queue is full, the oldest alert that is no notice is given up.
//!
//! What is answered with 2xx has been taken. A connection that fails, 408, 429 and 5xx are tried again
//! after 1, 2, 4 … 30 s, or when the answer says, and so is all while the address is not known. 401,
//! 403, 404 and 410 may mean that the address was changed where it is kept: it is read anew, and if it
//! is another, the alert goes there. Anything else never will be taken and is given up, as is what has
//! waited for [`LASTS`]. A redirect is among that: it would carry the alert to a place
//! that nobody configured.

mod payload;
pub mod task;

pub use payload::{Post, body};

use super::alert::Alert;
use std::collections::VecDeque;
use std::time::Duration;
use tokio::time::Instant;

/// Alerts that wait for one target.
const MOST: usize = 16;
/// An alert is worth telling for this long.
pub const LASTS: Duration = Duration::from_secs(600);
const SHORTEST: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_secs(30);

/// What became of an attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It was taken.
    Taken,
    /// It may be taken later, not before the given time if there is one.
    Later(String, Option<Duration>),
    /// It never will be at this address.
    NotHere(String),
    /// It never will be.
    Never(String),
}

/// Judges an HTTP status, with what `Retry-After` said in seconds.
pub fn judge(status: u16, retry_after: Option<u64>) -> Outcome {
    let reason = format!("it answered with status {status}");
    match status {
        200..=299 => Outcome::Taken,
        408 | 429 | 500..=599 => Outcome::Later(reason, retry_after.map(Duration::from_secs)),
        401 | 403 | 404 | 410 => Outcome::NotHere(reason),
        300..=399 => Outcome::Never(format!("{reason}, a redirect, which is not followed")),
        _ => Outcome::Never(reason),
    }
}

/// An alert that is given up, with why.
#[derive(Debug, PartialEq, Eq)]
pub struct Lost {
    /// What it was about.
    pub event: &'static str,
    /// A clause.
    pub reason: String,
}

/// One target's queue.
#[derive(Debug, Default)]
pub struct Queue {
    posts: VecDeque<(Post, Instant)>,
    failures: u32,
    next: Option<Instant>,
}

impl Queue {
    /// Adds an alert. Gives the one that had to go for it, if one had to.
    pub fn put(&mut self, post: Post, now: Instant) -> Option<Lost> {
        let urgent = is_urgent(&post);
        let place = self.posts.iter().position(|(other, _)| urgent && !is_urgent(other));
        self.posts.insert(place.unwrap_or(self.posts.len()), (post, now));
        if urgent {
            // It is tried at once, whatever came before.
            (self.failures, self.next) = (0, None);
        }
        if self.posts.len() <= MOST {
            return None;
        }
        let oldest = self.posts.iter().position(|(post, _)| !is_urgent(post)).unwrap_or(0);
        let (post, _) = self.posts.remove(oldest)?;
        Some(Lost { event: post.event, reason: "too many alerts wait".to_owned() })
    }

    /// What to send now, if anything is due.
    pub fn due(&self, now: Instant) -> Option<&Post> {
        let (post, _) = self.posts.front()?;
        self.next.is_none_or(|next| next <= now).then_some(post)
    }

    /// When there is something to send.
    pub fn deadline(&self, now: Instant) -> Option<Instant> {
        self.posts.front()?;
        Some(self.next.unwrap_or(now))
    }

    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.posts.is_empty()
    }

    /// Whether what is to be sent next cannot wait.
    pub fn urgent(&self) -> bool {
        self.posts.front().is_some_and(|(post, _)| is_urgent(post))
    }

    /// What became of sending the one with this id. Gives it back if it is given up.
    pub fn on(&mut self, id: &str, outcome: Outcome, now: Instant) -> Option<Lost> {
        let index = self.posts.iter().position(|(post, _)| post.id == id)?;
        let (event, since) = (self.posts[index].0.event, self.posts[index].1);
        match outcome {
            Outcome::Taken => {
                self.done(index);
                None
            }
            Outcome::Never(reason) | Outcome::NotHere(reason) => {
                self.done(index);
                Some(Lost { event, reason })
            }
            Outcome::Later(reason, after) => {
                let wait = SHORTEST.saturating_mul(1 << self.failures.min(10)).min(LONGEST);
                let wait = after.map_or(wait, |after| after.clamp(SHORTEST, LONGEST * 2));
                if now + wait > since + LASTS {
                    self.done(index);
                    return Some(Lost { event, reason });
                }
                self.failures += 1;
                self.next = Some(now + wait);
                None
            }
        }
    }

    fn done(&mut self, index: usize) {
        self.posts.remove(index);
        (self.failures, self.next) = (0, None);
    }
}

fn is_urgent(post: &Post) -> bool {
    matches!(post.alert, Alert::Notice { .. })
}

#[cfg(test)]
mod tests;
