//! What both conformance suites use to run things at the same time, or not to their end.

#![expect(clippy::panic, reason = "a case reports by panicking")]

use std::{
    future::{Future, poll_fn},
    panic::resume_unwind,
    pin::pin,
    sync::{Arc, Barrier},
    task::Poll,
};

use tokio::{runtime::Handle, task::spawn_blocking};

/// Runs every task on a thread of its own, all started at the same moment, and gives what they
/// return, in order.
///
/// Real threads whatever the runtime of the test: a single-threaded one switches between tasks
/// only where they wait, and so hides every race in code that does not.
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
            // The case fails with what the thread said.
            Err(error) => match error.try_into_panic() {
                Ok(panic) => resume_unwind(panic),
                Err(_) => panic!("a thread was cancelled"),
            },
        }
    }
    results
}

/// Polls a future so many times, with a turn for all other tasks after each, and drops it.
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
