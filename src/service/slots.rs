//! The channel's slots, if it shares its ingests with other nodes: a gate for every destination, and
//! the way out when a signal or a notice asks for it.

use super::hooks::Charge;
use super::stages::Stages;
use crate::handover::record::Identity;
use crate::handover::task::{Memory, Settings};
use crate::handover::{self, Phase, Rules, View};
use crate::host::folders::Folders;
use crate::host::{Clock, Drain};
use crate::publish::DestinationStatus;
use crate::publish::task::Gate;
use crate::store::{Error, Store};
use crate::telemetry::health::Health;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// How often it is looked whether another node is on air, where there is no hurry.
const LOOK: Duration = Duration::from_secs(1);

/// See the module's head. Clones see the same slots.
#[derive(Clone)]
pub(super) struct Slots {
    drain: Arc<watch::Sender<Option<Drain>>>,
    /// With the names of their destinations.
    views: Vec<(String, watch::Receiver<View>)>,
    /// Whether this node can publish.
    ready: CancellationToken,
}

/// This node as one of several: where the slots are, and who it is to the others.
pub(super) struct Member<S> {
    store: Arc<S>,
    me: Identity,
    memory: Memory,
}

impl<S: Store> Member<S> {
    /// Begins this process's life on this machine.
    pub(super) async fn begin(store: S, node: &str, folders: &Folders) -> Self {
        let memory = Memory::new(&folders.state, node);
        let begin = {
            let memory = memory.clone();
            tokio::task::spawn_blocking(move || memory.begin())
        };
        let me = begin.await.expect("it does not panic, and is waited for");
        Self { store: Arc::new(store), me, memory }
    }
}

impl Slots {
    /// For a channel whose destinations are still to come.
    pub(super) fn new() -> Self {
        Self { drain: Arc::new(watch::channel(None).0), views: Vec::new(), ready: CancellationToken::new() }
    }

    /// From now on this node can publish, and takes what it finds.
    pub(super) fn open(&self) {
        self.ready.cancel();
    }

    /// The gate of a destination. Where nothing is shared it is open.
    pub(super) fn gate<S: Store>(
        &mut self,
        member: Option<&Member<S>>,
        status: &watch::Receiver<DestinationStatus>,
        clock: &Clock,
        (stages, health): (&mut Stages, &mut Health),
        stop: &CancellationToken,
    ) -> Gate {
        let Some(member) = member else { return Gate::open() };
        let (gate, keeper) = Gate::kept();
        let (destination, redundancy) = {
            let status = status.borrow();
            (status.name.clone(), status.redundancy)
        };
        let stage = format!("slots {destination}");
        let pulse = health.watch(&stage, Instant::now());
        let settings = Settings {
            destination: destination.clone(),
            me: member.me.clone(),
            rules: Rules::new(redundancy),
            store: member.store.clone(),
            clock: clock.clone(),
            memory: member.memory.clone(),
            ready: self.ready.clone(),
            beat: Box::new(move || pulse.beat()),
        };
        let (show, view) = watch::channel(View::default());
        let run =
            handover::task::run(settings, status.clone(), keeper, self.drain.subscribe(), show, stop.clone());
        // Without it nobody renews what this node holds, or hears that another has it.
        stages.carry(stage, run);
        self.views.push((destination, view));
        gate
    }

    /// Whether this node shares its ingests with others.
    pub(super) fn are_shared(&self) -> bool {
        !self.views.is_empty()
    }

    /// Gives everything back when a notice asks for it; gives the notice's drain when that is done,
    /// or when there is no more time for it. Cancel-safe.
    pub(super) async fn leave_for(&mut self, notices: &mut watch::Receiver<Option<Drain>>) -> Drain {
        loop {
            let drain = notices.borrow_and_update().clone();
            let over = async {
                match drain {
                    Some(drain) if drain.patient => {
                        self.make_way(&drain).await;
                        drain
                    }
                    Some(drain) => {
                        self.drain(Some(drain.clone()));
                        tokio::select! {
                            () = self.released() => {}
                            () = tokio::time::sleep_until(drain.deadline) => {}
                        }
                        drain
                    }
                    None => {
                        self.drain(None);
                        std::future::pending().await
                    }
                }
            };
            tokio::select! {
                drain = over => return drain,
                changed = notices.changed() => {
                    if changed.is_err() {
                        std::future::pending::<()>().await;
                    }
                }
            }
        }
    }

    /// Gives everything back while another node is on air, and takes it up again should that one fail
    /// before it is done. Cancel-safe.
    async fn make_way(&mut self, drain: &Drain) {
        loop {
            let relieved = self.views.iter().all(|(_, view)| {
                let view = view.borrow();
                view.relieved || view.phase == Phase::Released
            });
            self.drain(relieved.then(|| drain.clone()));
            tokio::select! {
                biased;
                () = self.released(), if relieved => return,
                () = tokio::time::sleep(LOOK) => {}
            }
        }
    }

    /// Gives everything back as `drain` says; `None` takes that back.
    pub(super) fn drain(&self, drain: Option<Drain>) {
        self.drain.send_if_modified(|before| {
            let changed = *before != drain;
            *before = drain;
            changed
        });
    }

    /// Waits until everything is given back. Cancel-safe.
    pub(super) async fn released(&mut self) {
        for (_, view) in &mut self.views {
            // A task that is gone has nothing to give back any more.
            let _ = view.wait_for(|view| view.phase == Phase::Released).await;
        }
    }

    /// Whether other nodes have all ingests of every destination.
    pub(super) fn stand_by(&self) -> bool {
        self.are_shared() && self.views.iter().all(|(_, view)| view.borrow().phase == Phase::StandingBy)
    }

    /// Whether other nodes have all ingests of this destination.
    pub(super) fn elsewhere(&self, destination: &str) -> bool {
        let stands_by = |view: &watch::Receiver<View>| view.borrow().phase == Phase::StandingBy;
        self.are_shared() && self.view(destination).is_some_and(stands_by)
    }

    fn view(&self, destination: &str) -> Option<&watch::Receiver<View>> {
        self.views.iter().find(|(name, _)| name == destination).map(|(_, view)| view)
    }

    /// Each of `destinations` with where this node is with it.
    pub(super) fn charges(&self, destinations: &[watch::Receiver<DestinationStatus>]) -> Vec<Charge> {
        let charge = |status: &watch::Receiver<DestinationStatus>| {
            let view = self.view(&status.borrow().name).cloned();
            Charge { status: status.clone(), view }
        };
        destinations.iter().map(charge).collect()
    }

    /// Whether this node is giving them back.
    pub(super) fn leave(&self) -> bool {
        self.views.iter().any(|(_, view)| matches!(view.borrow().phase, Phase::Leaving | Phase::Released))
    }

    /// Which destinations' slots cannot be read or written, and why.
    pub(super) fn troubles(&self) -> Vec<(String, Error)> {
        let trouble = |(name, view): &(String, watch::Receiver<View>)| {
            Some((name.clone(), view.borrow().trouble.clone()?))
        };
        self.views.iter().filter_map(trouble).collect()
    }
}

#[cfg(test)]
mod tests;
