//! The sessions of a destination that are open, at most one for each ingest.
//!
//! One that was dropped is forgotten at once: nothing that it had still to say is heard.

use super::bequest::{self, Bequest, Deed};
use super::keys::Keys;
use super::session::{self, Error, Gauge, Grave, Orders, Report, Source, Ties};
use super::transport::Dialer;
use crate::config::IngestUrl;
use crate::media::MediaTime;
use crate::publish::rtmp::Target;
use crate::publish::status::Role;
use std::future::poll_fn;
use std::io;
use std::sync::{Arc, PoisonError};
use std::task::{Context, Poll};
use tokio::sync::{mpsc, watch};
use tokio::task::{AbortHandle, JoinSet};

const ROLES: [Role; 2] = [Role::Primary, Role::Backup];

/// What sessions have to say.
pub(super) enum Told {
    /// Nothing that still matters.
    Nothing,
    /// While it lives.
    Report(Role, Report),
    /// It ended as it was told to; all media before this was acknowledged.
    Ended(Role, MediaTime),
    /// It failed.
    Failed {
        role: Role,
        /// All media before this was delivered for certain.
        sure: Option<MediaTime>,
        reason: String,
        /// Whether trying again will hardly help.
        lasting: bool,
    },
}

pub(super) struct Sessions<D: Dialer> {
    urls: Vec<IngestUrl>,
    keys: Keys,
    source: Source<D>,
    tasks: JoinSet<Result<MediaTime, Error>>,
    running: [Option<Running>; 2],
    graves: [Grave<D::Link>; 2],
    /// Bytes that sessions which are gone had sent.
    sent: [u64; 2],
}

struct Running {
    task: AbortHandle,
    orders: watch::Sender<Orders>,
    reports: mpsc::Receiver<Report>,
    gauge: Arc<Gauge>,
}

impl<D: Dialer> Sessions<D> {
    /// For a primary and, if there are two addresses, a backup.
    pub(super) fn new(urls: Vec<IngestUrl>, keys: Keys, source: Source<D>) -> Self {
        Self {
            urls,
            keys,
            source,
            tasks: JoinSet::new(),
            running: [None, None],
            graves: Default::default(),
            sent: [0; 2],
        }
    }

    pub(super) fn open(&mut self, role: Role) {
        self.abort(role);
        let (orders, told) = watch::channel(Orders::default());
        let (report, reports) = mpsc::channel(2);
        let gauge = Arc::new(Gauge::default());
        let target = Target { url: self.urls[role as usize].clone(), key: self.keys.latest() };
        let grave = self.graves[role as usize].clone();
        let ties = Ties { orders: told, reports: report, gauge: gauge.clone(), grave };
        let session = session::run(self.source.clone(), target, role, ties);
        let task = self.tasks.spawn(session);
        self.running[role as usize] = Some(Running { task, orders, reports, gauge });
    }

    /// Goes on with a session that another process had: gives from when it has been live, and what
    /// it has delivered for certain. Fails if its connection is none any more.
    pub(super) fn inherit(&mut self, bequest: Bequest) -> io::Result<(Role, MediaTime, MediaTime)> {
        let (given, deed) = bequest.split();
        let (role, base, sure) = (deed.ingest, deed.base, deed.sure);
        let link = self.source.dialer.take(given)?;
        let (orders, told) = watch::channel(Orders { start: Some(deed.position()), end: None });
        let (report, reports) = mpsc::channel(2);
        let gauge = Arc::new(Gauge::default());
        let target = Target { url: self.urls[role as usize].clone(), key: self.keys.latest() };
        let grave = self.graves[role as usize].clone();
        let ties = Ties { orders: told, reports: report, gauge: gauge.clone(), grave };
        let session = session::inherit(self.source.clone(), link, deed, target, ties);
        let task = self.tasks.spawn(session);
        self.running[role as usize] = Some(Running { task, orders, reports, gauge });
        Ok((role, base, sure))
    }

    /// Whether a session that was left leads where one of ours would, under the key that we have and
    /// with the codec headers of our media.
    pub(super) fn is_for(&self, deed: &Deed) -> bool {
        let key = bequest::mark(&self.keys.latest(), &deed.url, deed.base);
        let headers = bequest::seal(&self.source.reader.headers());
        deed.key == key
            && deed.headers == headers
            && self.urls.get(deed.ingest as usize).is_some_and(|url| url.to_string() == deed.url)
    }

    pub(super) fn start(&self, role: Role, from: MediaTime) {
        self.order(role, |orders| orders.start = Some(from));
    }

    pub(super) fn close(&self, role: Role, at: MediaTime) {
        self.order(role, |orders| orders.end = Some(orders.end.map_or(at, |end| end.min(at))));
    }

    fn order(&self, role: Role, change: impl FnOnce(&mut Orders)) {
        if let Some(running) = &self.running[role as usize] {
            running.orders.send_modify(change);
        }
    }

    pub(super) fn abort(&mut self, role: Role) {
        if let Some(running) = self.forget(role) {
            running.task.abort();
        }
    }

    /// Drops what is kept of a session that was given up: the ingest may be another's from now on.
    pub(super) fn bury(&self, role: Role) {
        drop(self.graves[role as usize].lock().unwrap_or_else(PoisonError::into_inner).take());
    }

    fn forget(&mut self, role: Role) -> Option<Running> {
        let running = self.running[role as usize].take()?;
        self.sent[role as usize] += running.gauge.sent();
        Some(running)
    }

    /// Whether none is left, not even one that has yet to notice that it was dropped.
    pub(super) fn is_empty(&self) -> bool {
        self.tasks.is_empty()
    }

    /// Whether any has media to send.
    pub(super) fn any_started(&self) -> bool {
        self.running.iter().flatten().any(|running| running.orders.borrow().start.is_some())
    }

    /// How far each has delivered for certain.
    pub(super) fn progress(&self) -> Vec<(Role, MediaTime)> {
        ROLES.into_iter().filter_map(|role| Some((role, self.sure(role)?))).collect()
    }

    fn sure(&self, role: Role) -> Option<MediaTime> {
        self.running[role as usize].as_ref()?.gauge.sure()
    }

    /// All media before this was acknowledged on the session that is open there.
    pub(super) fn through(&self, role: Role) -> Option<MediaTime> {
        self.running[role as usize].as_ref()?.gauge.through()
    }

    /// Bytes sent there by all sessions.
    pub(super) fn sent(&self, role: Role) -> u64 {
        let running = self.running[role as usize].as_ref();
        self.sent[role as usize] + running.map_or(0, |running| running.gauge.sent())
    }

    /// What comes next. Can be dropped and called again; pending while there are no sessions.
    pub(super) async fn next(&mut self) -> Told {
        poll_fn(|cx| self.poll(cx)).await
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Told> {
        // What a session said comes before its end.
        for role in ROLES {
            if let Some(running) = &mut self.running[role as usize]
                && let Poll::Ready(Some(report)) = running.reports.poll_recv(cx)
            {
                return Poll::Ready(Told::Report(role, report));
            }
        }
        match self.tasks.poll_join_next_with_id(cx) {
            Poll::Ready(Some(Ok((id, result)))) => Poll::Ready(self.ended(id, Ok(result))),
            Poll::Ready(Some(Err(error))) => Poll::Ready(self.ended(error.id(), Err(error.is_panic()))),
            Poll::Ready(None) | Poll::Pending => Poll::Pending,
        }
    }

    /// `Err` says whether it panicked, or was merely cancelled.
    fn ended(&mut self, id: tokio::task::Id, result: Result<Result<MediaTime, Error>, bool>) -> Told {
        let is = |role: &Role| {
            self.running[*role as usize].as_ref().is_some_and(|running| running.task.id() == id)
        };
        let Some(role) = ROLES.into_iter().find(is) else { return Told::Nothing };
        let sure = self.sure(role);
        self.forget(role);
        match result {
            Ok(Ok(through)) => Told::Ended(role, through),
            Ok(Err(error)) => {
                if error.may_be_the_key() {
                    self.keys.doubt();
                }
                Told::Failed { role, sure, reason: error.to_string(), lasting: !error.retryable() }
            }
            // A panic was printed by its hook. It is a bug, but the stream goes on.
            Err(_) => {
                Told::Failed { role, sure, reason: "the session stopped by a bug".into(), lasting: false }
            }
        }
    }
}
