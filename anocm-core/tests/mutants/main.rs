//! Proves the conformance suites: back ends that are wrong on purpose, each caught by name.
//!
//! `stores` and `transports` have each a plain back end with one place for every fault, and a table
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

/// In how many runs a fault has to show. One, but for races between threads: on a machine that has
/// a single core for them they may well not happen in one run.
const RUNS: usize = 10;

/// Whether a case fails. Time is paused: what waits in vain gives up at once, unless a thread of the
/// case waits as well. So a fault that keeps a thread from ending belongs to a case without threads.
fn fails<F: Future<Output = ()>>(case: impl FnOnce() -> F) -> bool {
    let runtime = Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    let outcome = catch_unwind(AssertUnwindSafe(|| runtime.block_on(async { case().await })));
    // A thread of a case that has failed may still wait.
    runtime.shutdown_background();
    outcome.is_err()
}

/// Asserts that every fault of a table fails the case that is named beside it, as `fails` finds
/// out, and that every case of the suite is named.
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

/// Lets other threads run, where a wrong back end has given up its lock too early.
fn others_run() {
    for _ in 0..20 {
        std::thread::yield_now();
    }
}
