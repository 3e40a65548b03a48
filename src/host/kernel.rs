//! The few calls to the kernel and to libc that std has no safe form for, and nothing else.
//! Each is safe to call at any time; what they are for is decided elsewhere.
#![allow(unsafe_code)]

use std::ffi::CString;
use std::fs::File;
use std::io::{self, Write};
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

fn checked(result: libc::c_int) -> io::Result<()> {
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Makes this process undumpable: no core, no `ptrace` and no `/proc/self/mem` for other
/// processes of the same user.
pub fn forbid_dumps() -> io::Result<()> {
    let zero: libc::c_ulong = 0;
    // SAFETY: takes integers only.
    checked(unsafe { libc::prctl(libc::PR_SET_DUMPABLE, zero, zero, zero, zero) })
}

/// Sets the soft and the hard limit of a core dump's size to zero, here and in children. Where they
/// are so already (`LimitCORE=0`), a filter of system calls may forbid to set any limit.
pub fn forbid_cores() -> io::Result<()> {
    let mut limit = libc::rlimit { rlim_cur: 1, rlim_max: 1 };
    // SAFETY: `limit` outlives the call, which only writes it.
    checked(unsafe { libc::getrlimit(libc::RLIMIT_CORE, &mut limit) })?;
    if (limit.rlim_cur, limit.rlim_max) == (0, 0) {
        return Ok(());
    }
    let none = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: `none` outlives the call, which only reads it.
    checked(unsafe { libc::setrlimit(libc::RLIMIT_CORE, &none) })
}

/// Sets the permission bits that new files do not get, and gives back the former ones.
pub fn umask(mask: libc::mode_t) -> libc::mode_t {
    // SAFETY: takes and gives an integer, and cannot fail.
    unsafe { libc::umask(mask) }
}

/// The machine's name.
pub fn hostname() -> io::Result<String> {
    // HOST_NAME_MAX is 64 on Linux, to which comes a zero.
    let mut name = [0_u8; 65];
    // SAFETY: the pointer and the length are those of one array, the last byte of which is kept.
    checked(unsafe { libc::gethostname(name.as_mut_ptr().cast(), name.len() - 1) })?;
    let end = name.iter().position(|&b| b == 0).unwrap_or(name.len());
    Ok(String::from_utf8_lossy(&name[..end]).into_owned())
}

/// How long ago the machine was booted; time that it was suspended counts. Nobody can set it.
pub fn since_boot() -> io::Result<Duration> {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `time` outlives the call, which only writes it.
    checked(unsafe { libc::clock_gettime(libc::CLOCK_BOOTTIME, &mut time) })?;
    // Neither is below zero, and the second is below a thousand million.
    Ok(Duration::new(time.tv_sec.unsigned_abs(), time.tv_nsec.unsigned_abs() as u32))
}

/// Bytes that an ordinary user can still write to the file system of `path`.
pub fn free_space(path: &Path) -> io::Result<u64> {
    let path = CString::new(path.as_os_str().as_bytes())?;
    let mut stat = MaybeUninit::<libc::statvfs>::uninit();
    // SAFETY: the path ends in a zero, and `stat` has room for what is written.
    checked(unsafe { libc::statvfs(path.as_ptr(), stat.as_mut_ptr()) })?;
    // SAFETY: the call succeeded, so all of it was written.
    let stat = unsafe { stat.assume_init() };
    Ok(stat.f_bavail.saturating_mul(stat.f_frsize))
}

/// Makes the process that `command` will start a background one: it is killed when the thread that
/// started it ends, however that comes about, and it gives way to everything else for processor
/// and disk. It leads a process group of its own, for [`kill_group`].
pub fn leash(command: &mut Command) {
    command.process_group(0);
    // SAFETY: what runs between fork and exec is system calls on integers, no allocation and no
    // lock. Their failure changes nothing but how politely the child behaves.
    unsafe {
        command.pre_exec(|| {
            libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL as libc::c_ulong);
            libc::setpriority(libc::PRIO_PROCESS, 0, 19);
            // IOPRIO_WHO_PROCESS, this one, IOPRIO_CLASS_IDLE: glibc has no name for these.
            libc::syscall(libc::SYS_ioprio_set, 1, 0, 3 << 13);
            Ok(())
        });
    }
}

/// Kills every process of the group that `leader` leads. The leader must not have been waited for,
/// or its number may be another's by now.
pub fn kill_group(leader: u32) {
    if let Some(group) = libc::pid_t::try_from(leader).ok().filter(|pid| *pid > 1) {
        // SAFETY: takes integers only.
        unsafe { libc::kill(-group, libc::SIGKILL) };
    }
}

/// Memory that keeps its content, whoever holds it: nobody can write, grow or shrink it again.
const SEALS: libc::c_int = libc::F_SEAL_SEAL | libc::F_SEAL_SHRINK | libc::F_SEAL_GROW | libc::F_SEAL_WRITE;

/// Puts `content` into memory that is a file without a name in any folder, and seals it.
pub fn seal(content: &[u8]) -> io::Result<OwnedFd> {
    let create = |flags: libc::c_uint| {
        // SAFETY: the name ends in a zero and is only read.
        unsafe {
            libc::memfd_create(c"nonstop".as_ptr(), libc::MFD_CLOEXEC | libc::MFD_ALLOW_SEALING | flags)
        }
    };
    let mut fd = create(libc::MFD_NOEXEC_SEAL);
    if fd < 0 && io::Error::last_os_error().raw_os_error() == Some(libc::EINVAL) {
        // Linux before 6.3 does not know that flag.
        fd = create(0);
    }
    checked(if fd < 0 { -1 } else { 0 })?;
    // SAFETY: the call gave a new descriptor, which nobody else knows.
    let mut file = File::from(unsafe { OwnedFd::from_raw_fd(fd) });
    file.write_all(content)?;
    // SAFETY: takes integers only.
    checked(unsafe { libc::fcntl(file.as_raw_fd(), libc::F_ADD_SEALS, SEALS) })?;
    Ok(file.into())
}

/// Whether that is memory from [`seal`], or as good as that: no file on a disk can be sealed so.
fn is_sealed(fd: libc::c_int) -> bool {
    // SAFETY: takes integers only.
    let seals = unsafe { libc::fcntl(fd, libc::F_GET_SEALS) };
    seals >= 0 && seals & SEALS == SEALS
}

/// What whoever started this process may have passed to it.
#[derive(Debug)]
pub enum Passed {
    /// A connection.
    Socket(OwnedFd),
    /// What was put away with [`seal`].
    Sealed(OwnedFd),
}

/// What whoever started this process has passed to it: `count` descriptors from 3 on. `None` for
/// one that is neither a socket nor sealed memory. Only the first call gets any.
pub fn passed(count: usize) -> Vec<Option<Passed>> {
    static TAKEN: AtomicBool = AtomicBool::new(false);
    if TAKEN.swap(true, Ordering::SeqCst) {
        return Vec::new();
    }
    let take = |fd: libc::c_int| {
        let mut stat = MaybeUninit::<libc::stat>::uninit();
        // SAFETY: `stat` has room for what is written; a descriptor that is not open is an error.
        checked(unsafe { libc::fstat(fd, stat.as_mut_ptr()) }).ok()?;
        // SAFETY: the call succeeded, so all of it was written.
        let mode = unsafe { stat.assume_init() }.st_mode;
        // SAFETY: takes integers only.
        checked(unsafe { libc::fcntl(fd, libc::F_SETFD, libc::FD_CLOEXEC) }).ok()?;
        let kind: fn(OwnedFd) -> Passed = match mode & libc::S_IFMT {
            libc::S_IFSOCK => Passed::Socket,
            libc::S_IFREG if is_sealed(fd) => Passed::Sealed,
            _ => return None,
        };
        // SAFETY: by the protocol it is ours, and by the flag above it is given out once.
        Some(kind(unsafe { OwnedFd::from_raw_fd(fd) }))
    };
    // More than systemd holds for us is a number that means something else.
    (3..).take(count.min(64)).map(take).collect()
}

/// A timer on the monotonic clock that is readable once it has expired. Not set yet.
///
/// # Panics
///
/// Outside of a runtime.
pub fn timer() -> io::Result<AsyncFd<OwnedFd>> {
    // SAFETY: takes integers only.
    let fd = unsafe { libc::timerfd_create(libc::CLOCK_MONOTONIC, libc::TFD_CLOEXEC | libc::TFD_NONBLOCK) };
    checked(if fd < 0 { -1 } else { 0 })?;
    // SAFETY: the call gave a new descriptor, which nobody else knows.
    let fd = unsafe { OwnedFd::from_raw_fd(fd) };
    // SAFETY: an `OwnedFd` always names the same descriptor, and keeps it open until it is dropped.
    Ok(unsafe { AsyncFd::register_with_interest(fd, Interest::READABLE) }?)
}

/// Has a [`timer`] expire once, so long from now, whatever it was set to before.
pub fn set_timer(timer: &OwnedFd, after: Duration) -> io::Result<()> {
    // Zero would disarm it.
    let after = after.max(Duration::from_nanos(1));
    let value = libc::timespec {
        tv_sec: libc::time_t::try_from(after.as_secs()).unwrap_or(libc::time_t::MAX),
        tv_nsec: after.subsec_nanos().into(),
    };
    let never = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    let spec = libc::itimerspec { it_interval: never, it_value: value };
    // SAFETY: `spec` outlives the call, which only reads it; no old value is asked for.
    checked(unsafe { libc::timerfd_settime(timer.as_raw_fd(), 0, &raw const spec, std::ptr::null_mut()) })
}

/// Seconds by which this machine's local time is ahead of UTC at `unix`; 0 if that is unknown.
pub fn utc_offset(unix: i64) -> i64 {
    let mut tm = MaybeUninit::<libc::tm>::uninit();
    // SAFETY: reads `unix` and writes `tm`, both alive. It also reads TZ, which nothing in this
    // program ever sets.
    let done = unsafe { libc::localtime_r(&unix, tm.as_mut_ptr()) };
    // SAFETY: a pointer back means that all of `tm` was written.
    if done.is_null() { 0 } else { unsafe { tm.assume_init() }.tm_gmtoff }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_machine_has_a_name_and_room() {
        assert!(!hostname().unwrap().is_empty());
        assert!(free_space(Path::new("/")).unwrap() > 0);
        assert_eq!(free_space(Path::new("/nonexistent")).unwrap_err().kind(), io::ErrorKind::NotFound);
    }

    #[test]
    fn what_is_sealed_reads_the_same_for_ever() {
        use std::os::unix::fs::FileExt;
        let file = File::from(seal(b"abcd").unwrap());
        assert!(is_sealed(file.as_raw_fd()));
        let mut content = [0; 8];
        assert_eq!(file.read_at(&mut content, 0).unwrap(), 4);
        assert_eq!(&content[..4], b"abcd");
        for refused in [file.write_at(b"x", 0).map(drop), file.set_len(0), file.set_len(9)] {
            assert_eq!(refused.unwrap_err().kind(), io::ErrorKind::PermissionDenied);
        }
        assert!(!is_sealed(tempfile::tempfile().unwrap().as_raw_fd()));
        let (socket, _other) = std::os::unix::net::UnixStream::pair().unwrap();
        assert!(!is_sealed(socket.as_raw_fd()));
    }

    #[test]
    fn the_time_since_the_boot_grows() {
        let before = since_boot().unwrap();
        assert!(before > Duration::ZERO && since_boot().unwrap() >= before);
    }

    #[test]
    fn no_place_is_more_than_a_day_from_greenwich() {
        assert!(utc_offset(1_795_367_765).abs() < 86_400);
    }
}
