//! What this process uses of the machine: memory and CPU time, as `/proc` tells it.

use std::fs;

/// Clock ticks a second in `/proc/self/stat`: the kernel's interface has had 100 on every machine
/// since it was written, whatever the kernel itself counts in.
const TICKS: f64 = 100.0;

/// Bytes of memory in use.
pub fn resident() -> Option<u64> {
    resident_in(&fs::read_to_string("/proc/self/status").ok()?)
}

/// Seconds of CPU time used since the start, all threads together.
pub fn cpu() -> Option<f64> {
    cpu_in(&fs::read_to_string("/proc/self/stat").ok()?)
}

fn resident_in(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    Some(line.trim().strip_suffix(" kB")?.parse::<u64>().ok()? * 1024)
}

fn cpu_in(stat: &str) -> Option<f64> {
    // The program's name is in brackets and may hold anything, so what follows counts from its end.
    let mut words = stat.rsplit_once(") ")?.1.split_ascii_whitespace().skip(11);
    let mut ticks = || words.next()?.parse::<u64>().ok();
    Some((ticks()? + ticks()?) as f64 / TICKS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernel_s_words_are_read() {
        assert_eq!(resident_in("VmHWM:\t 9 kB\nVmRSS:\t   18432 kB\nThreads:\t2\n"), Some(18432 * 1024));
        let stat = "7 (a) b) S 1 7 7 0 -1 4194304 100 0 0 0 250 50 9 9 20 0 1 0 1 1 1";
        assert_eq!(cpu_in(stat), Some(3.0));
        assert_eq!((resident_in(""), cpu_in("7 (a) S 1")), (None, None));
    }

    #[test]
    fn this_process_uses_something() {
        assert!(resident().is_some_and(|bytes| bytes > 1 << 20));
        assert!(cpu().is_some_and(|seconds| seconds < 3600.0));
    }
}
