//! Tests the conformance suites: deliberately faulty back ends, each caught by a named case.
//!
//! `stores` and `transports` each have a plain back end that implements every fault, and a table
//! that names for every fault the case that must fail. A case that no fault fails proves nothing,
//! so every case must be in its table.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod stores;
mod transports;

use std::{
    collections::BTreeSet,
    fmt::Debug,
    future::Future,
    panic::{AssertUnwindSafe, catch_unwind},
};

use tokio::runtime::Builder;

/// The number of runs in which a fault must show. One would do except for races between threads: on
/// a machine with a single core a race may not occur in a single run.
const RUNS: usize = 10;

/// Whether a case fails. Time is paused: a wait that cannot succeed times out at once, unless a
/// thread of the case waits as well. So a fault that keeps a thread from ending belongs to a case
/// without threads.
fn fails<F: Future<Output = ()>>(case: impl FnOnce() -> F) -> bool {
    let runtime = Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    let outcome = catch_unwind(AssertUnwindSafe(|| runtime.block_on(async { case().await })));
    // A thread of a failed case may still be waiting.
    runtime.shutdown_background();
    outcome.is_err()
}

/// Asserts that every fault of a table fails the case that is named next to it, as determined by
/// `fails`, and that every case of the suite is named.
fn assert_all_caught<Fault: Copy + Debug>(
    table: &[(Fault, &'static str)],
    cases: impl Iterator<Item = &'static str>,
    fails: impl Fn(Fault, &str) -> bool,
) {
    let is_caught = |fault, case| (0..RUNS).any(|_| fails(fault, case));
    let survivors: Vec<_> =
        table.iter().filter(|&&(fault, case)| !is_caught(fault, case)).collect();
    assert!(survivors.is_empty(), "wrong back ends pass: {survivors:#?}");
    let named: BTreeSet<_> = table.iter().map(|&(_, case)| case).collect();
    let unproven: Vec<_> = cases.filter(|case| !named.contains(case)).collect();
    assert!(unproven.is_empty(), "cases that no wrong back end fails: {unproven:#?}");
}

/// Yields to other threads, where a faulty back end has released its lock too early.
fn others_run() {
    for _ in 0..20 {
        std::thread::yield_now();
    }
}
