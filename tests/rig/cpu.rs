//! The CPU time of another process, to the nanosecond. `/proc/PID/stat` shows ticks of 10 ms, which
//! is as much as the daemon uses in half a minute.

// The only way to this clock, and all that this file does.
#![allow(unsafe_code)]

/// CPU seconds of a process in user and kernel mode, with those of its threads that have ended.
pub fn seconds(pid: u32) -> f64 {
    let mut clock: libc::clockid_t = 0;
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: both calls write through the one pointer that they are given, which is to a live and
    // exclusive local of the right type.
    let failed = unsafe {
        libc::clock_getcpuclockid(pid.cast_signed(), &raw mut clock) != 0
            || libc::clock_gettime(clock, &raw mut time) != 0
    };
    assert!(!failed, "process {pid} is alive");
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}

#[test]
fn it_counts_what_this_process_uses() {
    let me = std::process::id();
    let before = seconds(me);
    let started = std::time::Instant::now();
    let mut sum = 0u64;
    while started.elapsed() < std::time::Duration::from_millis(30) {
        sum = std::hint::black_box(sum + 1);
    }
    assert!(seconds(me) > before);
}
