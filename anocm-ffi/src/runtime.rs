//! The threads that everything runs on: there while any client is, and joined when the last one
//! is shut down. Only the two that OpenMLS has for large groups stay, idle.
//!
//! Of our own, and not the one that UniFFI would start: that one has one thread for everything,
//! and never ends, which some hosts do not survive at their exit.

use std::{
    process,
    sync::{Mutex, MutexGuard, PoisonError},
    thread,
    time::Duration,
};

use rayon_core::ThreadPoolBuilder;
use tokio::{
    runtime::{Builder, Handle, Runtime},
    sync::oneshot,
};

use crate::AnocmError;

/// For what OpenMLS does for many members at a time. It takes one for each core unless told, and
/// keeps them, idle, for as long as the process is there.
const MLS_THREADS: usize = 2;
/// So that one room that works for long does not hold up those of other clients.
const THREADS: usize = 2;
/// How long threads may take to end that look up a name, say.
const PATIENCE: Duration = Duration::from_secs(1);

static SHARED: Mutex<Shared> = Mutex::new(Shared { runtime: None, leases: 0, process: 0 });

struct Shared {
    runtime: Option<Runtime>,
    leases: usize,
    /// Whose threads they are: a child that was forked has none.
    process: u32,
}

/// The right to have threads.
#[derive(Debug)]
pub(crate) struct Lease {
    handle: Handle,
    process: u32,
    /// Gives nothing back when it is dropped.
    returned: bool,
}

impl Lease {
    /// Starts the threads if there are none.
    pub(crate) fn new() -> Result<Self, AnocmError> {
        let mut shared = lock();
        let process = process::id();
        if shared.process != process {
            // To end threads that are not there would wait for ever.
            if let Some(runtime) = shared.runtime.take() {
                Box::leak(Box::new(runtime));
            }
            (shared.leases, shared.process) = (0, process);
        }
        let handle = match &shared.runtime {
            Some(runtime) => runtime.handle().clone(),
            None => {
                limit_mls();
                let runtime = Builder::new_multi_thread()
                    .worker_threads(THREADS)
                    .thread_name("anocm")
                    .enable_all()
                    .build()
                    .map_err(|_| AnocmError::System)?;
                shared.runtime.insert(runtime).handle().clone()
            }
        };
        shared.leases += 1;
        Ok(Self { handle, process, returned: false })
    }

    pub(crate) const fn handle(&self) -> &Handle {
        &self.handle
    }

    /// Gives the right back; with the last one, waits until the threads have ended.
    pub(crate) async fn end(mut self) {
        self.returned = true;
        let Some(runtime) = give_back(self.process) else {
            return;
        };
        // Not here: whoever polls this must not wait, and may be a thread of the runtime itself.
        let (done, ended) = oneshot::channel();
        let waiting = thread::Builder::new().name("anocm-end".to_owned()).spawn(move || {
            runtime.shutdown_timeout(PATIENCE);
            let _ = done.send(());
        });
        if let Ok(thread) = waiting {
            let _ = ended.await;
            // Some hosts go on, on the very thread that wakes them.
            if thread.thread().id() != thread::current().id() {
                // It does nothing any more but end.
                let _ = thread.join();
            }
        }
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        if !self.returned
            && let Some(runtime) = give_back(self.process)
        {
            runtime.shutdown_background();
        }
    }
}

/// Has an effect once.
fn limit_mls() {
    let _ = ThreadPoolBuilder::new()
        .num_threads(MLS_THREADS)
        .thread_name(|_| "anocm-mls".to_owned())
        .build_global();
}

/// Ends whatever the library does, and its threads: before the host's language ends, which may not
/// survive to be called by them then. New clients have new threads.
#[uniffi::export]
pub fn end_threads() {
    let mut shared = lock();
    // Those of another process are not there.
    if shared.process == process::id()
        && let Some(runtime) = shared.runtime.take()
    {
        // What ends with it gives its rights back.
        drop(shared);
        runtime.shutdown_timeout(PATIENCE);
    }
}

/// One right less; the runtime when it was the last.
fn give_back(process: u32) -> Option<Runtime> {
    let mut shared = lock();
    if shared.process != process {
        return None;
    }
    shared.leases = shared.leases.saturating_sub(1);
    if shared.leases == 0 { shared.runtime.take() } else { None }
}

fn lock() -> MutexGuard<'static, Shared> {
    SHARED.lock().unwrap_or_else(PoisonError::into_inner)
}
