//! What is left in memory when a process ends.

use std::time::{Duration, Instant};

use anocm_guard::testing::{AtExit, occurrences};

use super::PATIENCE;

/// Far longer than it takes: a machine may be busy, and this is no benchmark.
const SOON: Duration = Duration::from_secs(2);

/// Waits until the process is about to exit and searches its memory then. Prints the time since the
/// end was triggered.
pub(crate) fn assert_clean_at_exit(exit: AtExit, pid: u32, markers: &[Vec<u8>], since: Instant) {
    exit.wait(PATIENCE);
    let took = since.elapsed();
    println!("ended after {took:?}");
    assert_eq!(occurrences(pid, markers).unwrap(), []);
    assert!(took < SOON, "{took:?}");
    // The process is stopped until here.
    drop(exit);
}
