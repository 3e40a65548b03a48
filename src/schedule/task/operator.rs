//! What operators ask for: skip, queue, and what plays when.

use super::{Keeper, Open, RACES};
use crate::render::{Shelved, State};
use crate::schedule::command::{self, Command, Plan, Queued, Refusal};
use crate::schedule::{Entry, Reason, plan};
use crate::store::Store;
use crate::telemetry::messages;

/// Tracks that may wait to be rendered and then played.
const WAITING: usize = 100;

/// Tracks that are forecast at the most.
const FORECASTS: usize = 100;

impl<S: Store, O: Open> Keeper<S, O> {
    pub(super) async fn obey(&mut self, command: Command) {
        match command {
            Command::Skip { reply } => drop(reply.send(self.skip().await)),
            Command::Queue { track, reply } => drop(reply.send(self.queue(&track).await)),
            Command::Reorder(order) => self.settings.rules.order = order,
            Command::Plan { count, reply } => drop(reply.send(self.plan(count))),
        }
    }

    async fn skip(&mut self) -> Result<Entry, Refusal> {
        for _ in 0..RACES {
            let entries = plan::skip(&self.aired, &self.shelf, self.now(), &self.settings.rules);
            let first = entries.first().cloned().ok_or(Refusal::NothingReady)?;
            if self.write(Reason::Skip, entries).await {
                tracing::info!(message_id = messages::SKIPPING, next = %first.credits, "skipping");
                return Ok(first);
            }
            self.look_at_store().await;
        }
        Err(Refusal::Starting)
    }

    async fn queue(&mut self, asked: &str) -> Result<Queued, Refusal> {
        let shelf = self.shelf.clone();
        let track = command::find(asked, &shelf.tracks, |track| (&track.source, &track.credits))?;
        match track.state {
            State::Quarantined => {
                let reason = shelf.quarantined.iter().find(|q| q.source == track.source);
                let reason = reason.map_or_else(String::new, |q| q.reason.clone());
                Err(Refusal::Quarantined { track: track.source.clone(), reason })
            }
            State::Pending if self.waiting.len() >= WAITING => Err(Refusal::QueueFull(WAITING)),
            State::Pending => {
                self.waiting.push_back(track.hash.clone());
                Ok(Queued::Rendering { source: track.source.clone(), credits: track.credits.clone() })
            }
            State::Ready { .. } => self.enqueue(track).await.map(Queued::Scheduled),
        }
    }

    async fn enqueue(&mut self, track: &Shelved) -> Result<Entry, Refusal> {
        for _ in 0..RACES {
            let entries = plan::queue(&self.aired, track, self.now(), &self.settings.rules);
            let entries = entries.ok_or(Refusal::NothingReady)?;
            let first = entries[0].clone();
            if self.write(Reason::Queue, entries).await {
                tracing::info!(message_id = messages::QUEUED, track = %first.credits, "queued");
                return Ok(first);
            }
            self.look_at_store().await;
        }
        Err(Refusal::Starting)
    }

    pub(super) async fn queue_what_became_ready(&mut self) {
        let shelf = self.shelf.clone();
        while let Some(hash) = self.waiting.front() {
            let track = shelf.tracks.iter().find(|track| track.hash == *hash);
            if track.is_some_and(|track| track.state == State::Pending) {
                return;
            }
            if let Some(track) = track
                && let Err(error) = self.enqueue(track).await
            {
                tracing::warn!(message_id = messages::QUEUED_UNPLAYABLE, track = %track.credits, %error, "a queued track does not play");
            }
            self.waiting.pop_front();
        }
    }

    fn plan(&self, count: usize) -> Plan {
        let scheduled: Vec<_> = self.aired.from(self.now()).take(count).collect();
        // Each forecast looks at the whole library, and nothing else happens meanwhile.
        let rest = (count - scheduled.len()).min(FORECASTS);
        let forecast = plan::forecast(&self.aired, &self.shelf, &[], &self.settings.rules, rest);
        Plan {
            forecast: forecast.map(|track| (track.source.clone(), track.credits.clone())).collect(),
            scheduled: scheduled.iter().map(|airing| Entry::clone(&airing.entry)).collect(),
        }
    }
}
