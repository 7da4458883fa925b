//! Helpers of both conformance suites: run tasks in parallel, and cancel futures midway.

#![expect(clippy::panic, reason = "a case reports by panicking")]

use std::{
    future::{Future, poll_fn},
    panic::resume_unwind,
    pin::pin,
    sync::{Arc, Barrier},
    task::Poll,
};

use tokio::{runtime::Handle, task::spawn_blocking};

/// Runs every task on its own thread, all started at the same moment, and returns their results in
/// order.
///
/// Uses OS threads regardless of the test's runtime: a single-threaded runtime switches tasks only
/// at await points, and so hides every race in code between them.
pub(super) async fn on_threads<T, F>(tasks: impl IntoIterator<Item = F>) -> Vec<T>
where
    T: Send + 'static,
    F: Future<Output = T> + Send + 'static,
{
    let tasks: Vec<F> = tasks.into_iter().collect();
    let start = Arc::new(Barrier::new(tasks.len()));
    let runtime = Handle::current();
    let threads: Vec<_> = tasks
        .into_iter()
        .map(|task| {
            let (start, runtime) = (Arc::clone(&start), runtime.clone());
            spawn_blocking(move || {
                start.wait();
                runtime.block_on(task)
            })
        })
        .collect();
    let mut results = Vec::new();
    for thread in threads {
        match thread.await {
            Ok(result) => results.push(result),
            // Fails the case with the panic message of the thread.
            Err(error) => match error.try_into_panic() {
                Ok(panic) => resume_unwind(panic),
                Err(_) => panic!("a thread was cancelled"),
            },
        }
    }
    results
}

/// Polls a future `times` times, yields to all other tasks after each poll, and drops it.
pub(super) async fn poll_and_drop<F: Future>(future: F, times: usize) -> Option<F::Output> {
    let mut future = pin!(future);
    for _ in 0..times {
        let polled = poll_fn(|cx| Poll::Ready(future.as_mut().poll(cx))).await;
        if let Poll::Ready(output) = polled {
            return Some(output);
        }
        tokio::task::yield_now().await;
    }
    None
}
