//! The runtime that the async bodies run on: one thread, time that moves by itself when nothing
//! else does.

use std::time::Duration;

use tokio::runtime::{Builder, Handle};

/// Runs `body` to its end. What it spawned ends with it.
pub(crate) fn run(body: impl Future<Output = ()>) {
    let runtime = Builder::new_current_thread().enable_time().start_paused(true).build();
    runtime.expect("no resources are needed").block_on(body);
}

/// Returns when every task waits: only then does time move on.
pub(crate) async fn settle() {
    tokio::time::sleep(Duration::from_millis(1)).await;
}

/// How many tasks there are, this one not counted.
pub(crate) fn tasks() -> usize {
    Handle::current().metrics().num_alive_tasks()
}
