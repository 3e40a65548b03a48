//! What a daemon gives up before it reads a secret, so that a crash or a neighbour cannot get at it.

use super::kernel;
use std::io;

/// Group may read what we write, others may not.
const UMASK: u32 = 0o027;

/// No core dumps (they would hold the stream key), no tracing by processes of the same user, and
/// no files for everybody. To be called before any key is read. An error means that the kernel
/// refused, and that a dump could hold the key.
pub fn harden() -> io::Result<()> {
    kernel::umask(UMASK);
    kernel::forbid_cores()?;
    kernel::forbid_dumps()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;
    use std::process::Command;

    /// Set in the child, in which the test below runs alone: hardening cannot be taken back.
    const CHILD: &str = "NONSTOP_TEST_HARDEN";

    #[test]
    fn a_hardened_process_leaves_no_core_and_no_open_file() {
        if std::env::var_os(CHILD).is_none() {
            let name = "host::harden::tests::a_hardened_process_leaves_no_core_and_no_open_file";
            let child = Command::new(std::env::current_exe().unwrap())
                .args([name, "--exact", "--nocapture"])
                .env(CHILD, "1")
                .output()
                .unwrap();
            let said = String::from_utf8_lossy(&child.stdout);
            assert!(child.status.success() && said.contains("1 passed"), "{said}");
            return;
        }
        harden().unwrap();
        let limits = std::fs::read_to_string("/proc/self/limits").unwrap();
        let core = limits.lines().find(|line| line.starts_with("Max core file size")).unwrap();
        assert_eq!(core.split_whitespace().skip(4).take(2).collect::<Vec<_>>(), ["0", "0"]);
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        std::fs::write(&file, "").unwrap();
        assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o640);
        // An undumpable process's files in /proc belong to root, and to no one else; under root
        // itself there is only the flag to look at.
        let owner = std::os::unix::fs::MetadataExt::uid(&std::fs::metadata("/proc/self/environ").unwrap());
        assert_eq!(owner, 0);
    }
}
