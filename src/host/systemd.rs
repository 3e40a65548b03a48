//! What the service manager is told: ready, stopping, one line of status, and that we live.
//!
//! Without `NOTIFY_SOCKET` every call does nothing, so nobody has to ask whether systemd is there.
//! Nothing here can fail or hold up the caller: a message that cannot be sent is a line in the log.

use super::kernel::{self, Passed};
use crate::telemetry::messages;
use sd_notify::NotifyState;
use std::convert::Infallible;
use std::ffi::{OsStr, OsString};
use std::os::fd::{AsFd, OwnedFd};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::time::MissedTickBehavior;

/// Speaks to the service manager. Clones share what has been said.
#[derive(Clone, Debug)]
pub struct Notifier {
    // Not connected: systemd may replace its socket under us when it re-executes itself.
    socket: Option<Arc<(UnixDatagram, SocketAddr)>>,
    said: Arc<Mutex<Said>>,
}

#[derive(Debug, Default)]
struct Said {
    status: String,
    stopping: bool,
}

impl Notifier {
    /// To `NOTIFY_SOCKET`, as `env` knows it: a path, or `@` and an abstract name. One that cannot
    /// be used is a warning in the log, and then as good as none.
    pub fn from_env(env: &dyn Fn(&str) -> Option<OsString>) -> Self {
        let socket = env("NOTIFY_SOCKET").filter(|name| !name.is_empty()).and_then(|name| {
            open(&name)
                .inspect_err(|error| tracing::warn!(message_id = messages::SYSTEMD_UNREACHED, %error, ?name, "systemd cannot be told anything"))
                .ok()
        });
        Self { socket: socket.map(Arc::new), said: Arc::default() }
    }

    /// The service is up; what was ordered after it may start.
    pub fn ready(&self) {
        self.send(&[NotifyState::Ready]);
    }

    /// The configuration is being read again. [`Notifier::ready`] says that this is over, also when
    /// nothing came of it.
    pub fn reloading(&self) {
        // Without the time systemd would wait for a service of another kind.
        if let Ok(now) = NotifyState::monotonic_usec_now() {
            self.send(&[NotifyState::Reloading, now]);
        }
    }

    /// The service is on its way out. Said once, however often it is called.
    pub fn stopping(&self) {
        let mut said = self.said.lock().expect("nothing panics while it holds this lock");
        if !std::mem::replace(&mut said.stopping, true) {
            self.send(&[NotifyState::Stopping]);
        }
    }

    /// One line for `systemctl status`. Said only when it differs from the last.
    pub fn status(&self, line: &str) {
        // A line break would begin another message.
        let line: String = line.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        let mut said = self.said.lock().expect("nothing panics while it holds this lock");
        if said.status != line {
            self.send(&[NotifyState::Status(&line)]);
            said.status = line;
        }
    }

    /// Starting or stopping takes longer: give it `time` from now.
    pub fn extend(&self, time: Duration) {
        self.send(&[NotifyState::ExtendTimeoutUsec(u32::try_from(time.as_micros()).unwrap_or(u32::MAX))]);
    }

    /// Says that we live, at half of `interval`, whenever `progress` is real at that moment; when
    /// it is not, systemd restarts the service after the interval. Never ends.
    pub async fn watchdog(&self, interval: Duration, mut progress: impl FnMut() -> bool) {
        let mut ticks = tokio::time::interval((interval / 2).max(Duration::from_millis(1)));
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            if progress() {
                self.send(&[NotifyState::Watchdog]);
            }
        }
    }

    /// Says that we live while something goes on that has no loops to watch, for at most `most`: what
    /// takes longer is stuck. Never ends, so that it can be run beside that.
    pub async fn busy(&self, interval: Option<Duration>, most: Duration) -> Infallible {
        if let Some(interval) = interval {
            let _ = tokio::time::timeout(most, self.watchdog(interval, || true)).await;
        }
        std::future::pending().await
    }

    /// Has the service manager keep a second handle on `what` (a connection, or sealed memory), for the next process of this
    /// service. Whether that was said; one that keeps none closes it.
    pub fn hold(&self, name: &str, what: &OwnedFd) -> bool {
        if self.socket.is_none() {
            return false;
        }
        let said =
            sd_notify::notify_with_fds(&[NotifyState::FdStore, NotifyState::FdName(name)], &[what.as_fd()]);
        said.inspect_err(|error| tracing::warn!(message_id = messages::SYSTEMD_DEAF, %error, said = "FDSTORE=1", "systemd did not take a message")).is_ok()
    }

    /// Has the service manager drop what it keeps under that name.
    pub fn release(&self, name: &str) {
        self.send(&[NotifyState::FdStoreRemove, NotifyState::FdName(name)]);
    }

    fn send(&self, states: &[NotifyState]) {
        let Some((socket, address)) = self.socket.as_deref() else { return };
        let message = states.iter().map(|state| format!("{state}\n")).collect::<String>();
        if let Err(error) = socket.send_to_addr(message.as_bytes(), address) {
            tracing::warn!(message_id = messages::SYSTEMD_DEAF, %error, said = message.trim_end(), "systemd did not take a message");
        }
    }
}

/// What the service manager kept for this process, by name.
#[derive(Debug, Default)]
pub struct Held {
    /// Connections.
    pub sockets: Vec<(String, OwnedFd)>,
    /// Memory that nobody can have changed.
    pub sealed: Vec<(String, OwnedFd)>,
}

/// What the service manager kept for this process. Only the first call gets any.
pub fn held(env: &dyn Fn(&str) -> Option<OsString>) -> Held {
    let text = |name: &str| env(name).and_then(|value| value.into_string().ok());
    let number = |name: &str| text(name)?.parse::<usize>().ok();
    let mut held = Held::default();
    if number("LISTEN_PID") != usize::try_from(std::process::id()).ok() {
        return held;
    }
    let names = text("LISTEN_FDNAMES").unwrap_or_default();
    for (name, passed) in names.split(':').zip(kernel::passed(number("LISTEN_FDS").unwrap_or(0))) {
        match passed {
            Some(Passed::Socket(socket)) => held.sockets.push((name.to_owned(), socket)),
            Some(Passed::Sealed(memory)) => held.sealed.push((name.to_owned(), memory)),
            None => {}
        }
    }
    held
}

/// How often systemd wants to hear from this process, if at all (`WatchdogSec=`).
pub fn watchdog_interval(env: &dyn Fn(&str) -> Option<OsString>) -> Option<Duration> {
    let number = |name: &str| env(name)?.to_str()?.parse::<u64>().ok();
    let for_another =
        env("WATCHDOG_PID").is_some() && number("WATCHDOG_PID") != Some(u64::from(std::process::id()));
    let interval = number("WATCHDOG_USEC").filter(|&usec| usec > 0 && !for_another)?;
    Some(Duration::from_micros(interval))
}

fn open(name: &OsStr) -> std::io::Result<(UnixDatagram, SocketAddr)> {
    let address = match name.as_bytes().strip_prefix(b"@") {
        Some(name) => SocketAddr::from_abstract_name(name)?,
        None => SocketAddr::from_pathname(name)?,
    };
    let socket = UnixDatagram::unbound()?;
    // A service manager that does not read must not stop the stream.
    socket.set_nonblocking(true)?;
    Ok((socket, address))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicBool, Ordering};

    /// A service manager that listens on `name`, and a notifier that speaks to it.
    fn manager(address: &SocketAddr, name: OsString) -> (UnixDatagram, Notifier) {
        let manager = UnixDatagram::bind_addr(address).unwrap();
        manager.set_nonblocking(true).unwrap();
        (manager, Notifier::from_env(&move |key| (key == "NOTIFY_SOCKET").then(|| name.clone())))
    }

    fn heard(manager: &UnixDatagram) -> Vec<String> {
        let mut buffer = [0; 512];
        std::iter::from_fn(|| {
            let n = manager.recv(&mut buffer).ok()?;
            Some(String::from_utf8_lossy(&buffer[..n]).into_owned())
        })
        .collect()
    }

    #[test]
    fn the_manager_hears_each_thing_once() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notify");
        let (manager, notifier) = manager(&SocketAddr::from_pathname(&path).unwrap(), path.into());
        notifier.extend(Duration::from_secs(90));
        notifier.ready();
        notifier.status("on air: a");
        notifier.clone().status("on air: a");
        notifier.status("on air: b\nWATCHDOG=trigger");
        notifier.stopping();
        notifier.clone().stopping();
        assert_eq!(
            heard(&manager),
            [
                "EXTEND_TIMEOUT_USEC=90000000\n",
                "READY=1\n",
                "STATUS=on air: a\n",
                "STATUS=on air: b WATCHDOG=trigger\n",
                "STOPPING=1\n",
            ]
        );
    }

    #[test]
    fn a_reload_is_told_with_its_time_in_one_message() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notify");
        let (manager, notifier) = manager(&SocketAddr::from_pathname(&path).unwrap(), path.into());
        notifier.reloading();
        notifier.ready();
        let heard = heard(&manager);
        let time = heard[0].strip_prefix("RELOADING=1\nMONOTONIC_USEC=").expect("both, in this order");
        assert!(time.trim_end().parse::<u64>().is_ok_and(|usec| usec > 0), "{time}");
        assert_eq!(heard[1..], ["READY=1\n"]);
    }

    #[test]
    fn abstract_names_and_a_replaced_socket_are_reached() {
        let name = format!("nonstop-test-{}", std::process::id());
        let address = SocketAddr::from_abstract_name(&name).unwrap();
        let (first, notifier) = manager(&address, format!("@{name}").into());
        notifier.ready();
        assert_eq!(heard(&first), ["READY=1\n"]);
        drop(first);
        notifier.ready();
        let again = UnixDatagram::bind_addr(&address).unwrap();
        notifier.status("back");
        again.set_nonblocking(true).unwrap();
        assert_eq!(heard(&again), ["STATUS=back\n"]);
    }

    #[test]
    fn without_a_manager_nothing_happens() {
        let notifier = Notifier::from_env(&|_| None);
        notifier.ready();
        notifier.stopping();
        Notifier::from_env(&|_| Some("not/absolute/\0".into())).ready();
    }

    #[tokio::test(start_paused = true)]
    async fn the_watchdog_is_fed_at_half_its_interval_and_only_on_progress() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notify");
        let (manager, notifier) = manager(&SocketAddr::from_pathname(&path).unwrap(), path.into());
        let progress = Arc::new(AtomicBool::new(true));
        let seen = progress.clone();
        let watchdog = async move {
            notifier.watchdog(Duration::from_secs(20), move || seen.load(Ordering::Relaxed)).await;
        };
        let mut watchdog = std::pin::pin!(watchdog);
        let mut run_for = async |seconds| {
            let time = Duration::from_secs(seconds);
            assert!(tokio::time::timeout(time, watchdog.as_mut()).await.is_err());
            heard(&manager).len()
        };
        // At 0, 10, 20 and 30 s.
        assert_eq!(run_for(35).await, 4);
        progress.store(false, Ordering::Relaxed);
        assert_eq!(run_for(100).await, 0);
        progress.store(true, Ordering::Relaxed);
        assert_eq!(run_for(10).await, 1);
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_is_busy_lives_for_as_long_as_that_may_take() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notify");
        let (manager, notifier) = manager(&SocketAddr::from_pathname(&path).unwrap(), path.into());
        let second = Duration::from_secs(1);
        let mut busy = std::pin::pin!(notifier.busy(Some(second * 15), second * 100));
        // As often as ever, beginning with now: at 0, 7.5, …, 97.5 s.
        for _ in 0..2 {
            assert!(tokio::time::timeout(second * 50, busy.as_mut()).await.is_err());
            assert_eq!(heard(&manager).len(), 7);
        }
        assert!(tokio::time::timeout(second * 1000, busy.as_mut()).await.is_err());
        assert!(heard(&manager).is_empty(), "what takes longer is stuck");
        let nobody_asks = notifier.busy(None, second * 100);
        assert!(tokio::time::timeout(second * 1000, nobody_asks).await.is_err());
        assert!(heard(&manager).is_empty());
    }

    #[test]
    fn the_interval_is_ours_or_none() {
        let with = |pid: Option<u32>, usec: &'static str| {
            watchdog_interval(&move |name| match name {
                "WATCHDOG_PID" => pid.map(|pid| pid.to_string().into()),
                "WATCHDOG_USEC" => Some(usec.into()),
                _ => None,
            })
        };
        assert_eq!(with(Some(std::process::id()), "30000000"), Some(Duration::from_secs(30)));
        assert_eq!(with(None, "30000000"), Some(Duration::from_secs(30)));
        assert_eq!(with(Some(1), "30000000"), None);
        assert_eq!(with(None, "0"), None);
        assert_eq!(with(None, "soon"), None);
    }
}
