//! What a process has used when it has ended, told apart from its brothers.

// The only way to this account, and all that this file does.
#![allow(unsafe_code)]

use std::process::Child;

/// CPU seconds in user and kernel mode, with those of its own children that it waited for, and the
/// most memory that it had resident, in bytes.
#[derive(Clone, Copy, Debug)]
pub struct Usage {
    pub cpu: f64,
    pub peak: u64,
    pub succeeded: bool,
}

/// Waits for a child to end.
pub fn of(child: Child) -> Usage {
    let mut status = 0;
    // SAFETY: an all-zero rusage is a valid one, of numbers only.
    let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
    // SAFETY: both pointers are to live and exclusive locals of the right types.
    let ended = unsafe { libc::wait4(child.id().cast_signed(), &raw mut status, 0, &raw mut usage) };
    assert_eq!(ended, child.id().cast_signed(), "it is our child, and nobody else waited for it");
    let seconds = |time: libc::timeval| time.tv_sec as f64 + time.tv_usec as f64 / 1e6;
    Usage {
        cpu: seconds(usage.ru_utime) + seconds(usage.ru_stime),
        peak: usage.ru_maxrss as u64 * 1024,
        succeeded: status == 0,
    }
}
