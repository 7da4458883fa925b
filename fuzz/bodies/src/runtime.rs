//! The runtime of the async bodies: one thread, and paused time that advances when all tasks are
//! idle.

use std::time::Duration;

use tokio::runtime::{Builder, Handle};

/// Runs `body` to its end. Tasks that it spawned end with it.
pub(crate) fn run(body: impl Future<Output = ()>) {
    let runtime = Builder::new_current_thread().enable_time().start_paused(true).build();
    runtime.expect("no resources are needed").block_on(body);
}

/// Returns when every task is idle: only then does time advance.
pub(crate) async fn settle() {
    tokio::time::sleep(Duration::from_millis(1)).await;
}

/// Returns the number of other live tasks.
pub(crate) fn tasks() -> usize {
    Handle::current().metrics().num_alive_tasks()
}
