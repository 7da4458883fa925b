//! The threads of the library: they run while there is a client, and are joined when the last one
//! is shut down. Only the two threads that OpenMLS uses for large groups remain, idle.
//!
//! The library uses its own runtime instead of the one that UniFFI would start: that one has a
//! single thread for everything and never ends, which makes some hosts crash at exit.

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

/// The threads with which OpenMLS processes many members in parallel. By default it starts one for
/// each core. They stay, idle, for the life of the process.
const MLS_THREADS: usize = 2;
/// More than one, so that a room with a long computation does not delay the rooms of other clients.
const THREADS: usize = 2;
/// The timeout for the end of the threads, which may be blocked in a name lookup, for example.
const PATIENCE: Duration = Duration::from_secs(1);

static SHARED: Mutex<Shared> = Mutex::new(Shared { runtime: None, leases: 0, process: 0 });

struct Shared {
    runtime: Option<Runtime>,
    leases: usize,
    /// The process that owns the threads: a forked child has none.
    process: u32,
}

/// A lease on the shared threads, which run while there is at least one.
#[derive(Debug)]
pub(crate) struct Lease {
    handle: Handle,
    process: u32,
    /// Set when the lease was returned, so that dropping it has no effect.
    returned: bool,
}

impl Lease {
    /// Takes a lease and starts the threads if there are none.
    pub(crate) fn new() -> Result<Self, AnocmError> {
        let mut shared = lock();
        let process = process::id();
        if shared.process != process {
            // After a fork the threads do not exist in this process. Joining them would wait for
            // ever, so the runtime is leaked.
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

    /// Returns the lease; with the last one, waits until the threads have ended.
    pub(crate) async fn end(mut self) {
        self.returned = true;
        let Some(runtime) = give_back(self.process) else {
            return;
        };
        // In a separate thread: the task that polls this must not block, and may run on a thread of
        // the runtime itself.
        let (done, ended) = oneshot::channel();
        let waiting = thread::Builder::new().name("anocm-end".to_owned()).spawn(move || {
            runtime.shutdown_timeout(PATIENCE);
            let _ = done.send(());
        });
        if let Ok(thread) = waiting {
            let _ = ended.await;
            // Some hosts continue on the very thread that wakes them.
            if thread.thread().id() != thread::current().id() {
                // The thread has nothing left to do but to exit.
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

/// Has an effect only the first time.
fn limit_mls() {
    let _ = ThreadPoolBuilder::new()
        .num_threads(MLS_THREADS)
        .thread_name(|_| "anocm-mls".to_owned())
        .build_global();
}

/// Ends all work of the library and its threads. To be called before the host's language runtime
/// ends, since calls from these threads could crash it then. New clients start new threads.
#[uniffi::export]
pub fn end_threads() {
    let mut shared = lock();
    // The threads of another process do not exist here.
    if shared.process == process::id()
        && let Some(runtime) = shared.runtime.take()
    {
        // The tasks that end with the runtime return their leases, which takes the lock.
        drop(shared);
        runtime.shutdown_timeout(PATIENCE);
    }
}

/// Returns one lease. Returns the runtime when it was the last.
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
