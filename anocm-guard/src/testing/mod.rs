//! Reads the memory of running processes and traces their system calls. For tests.

#![expect(clippy::panic, clippy::missing_panics_doc, reason = "a test fails by panicking")]

mod calls;
mod exit;
mod memory;

use std::{fs::read_to_string, process::Command};

pub use calls::{Trace, lasting};
pub use exit::AtExit;
pub use memory::{memory, occurrences};

/// Marks the second run of a test.
const AGAIN: &str = "ANOCM_TEST_AGAIN";

/// Reading the memory of a process that is not dumpable requires root's rights, at least in a user
/// namespace of its own. A test that needs them calls this first, with its own name. Returns true
/// when the test was run again with these rights and succeeded.
#[must_use]
pub fn was_run_as_root(test: &str) -> bool {
    let status = read_to_string("/proc/self/status").unwrap_or_default();
    let is_root = status.lines().any(|line| line.starts_with("Uid:\t0\t"));
    if is_root || std::env::var_os(AGAIN).is_some() {
        return false;
    }
    let again = std::env::current_exe().and_then(|program| {
        let mut unshare = Command::new("unshare");
        unshare.args(["--user", "--map-root-user", "--"]).arg(program);
        unshare.args(["--exact", test, "--nocapture"]).env(AGAIN, "1").status()
    });
    match again {
        Ok(status) if status.success() => true,
        Ok(status) => panic!("run as root in a namespace of its own, the test failed: {status}"),
        Err(error) => panic!("neither root nor able to be (unshare): {error}"),
    }
}
