//! Writes lines of output on a separate thread, so that a stalled reader blocks only that thread.
//!
//! ```text
//! front ── Printer ──▶ lines ──▶ thread ──▶ standard output
//!                        │
//! talk ◀── Outlet ───────┘ backpressure
//! ```

use std::{
    fmt,
    io::{self, Write},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
};

use tokio::sync::Notify;
use zeroize::{Zeroize as _, Zeroizing};

/// Bytes buffered at which no further event is accepted.
const FULL: usize = 64 * 1024;

/// Accepts lines and never blocks. See [`Outlet::is_free`] for when not to write more.
pub(crate) struct Printer {
    line: Zeroizing<Vec<u8>>,
    shared: Arc<Shared>,
}

/// The state of the buffered output: backpressure, completion and failure.
pub(crate) struct Outlet(Arc<Shared>);

#[derive(Default)]
struct Shared {
    sheet: Mutex<Sheet>,
    /// There are lines to write, or there will be no more.
    more: Condvar,
    /// Something was written, or writing failed.
    done: Notify,
}

#[derive(Default)]
struct Sheet {
    lines: Zeroizing<Vec<u8>>,
    writing: bool,
    over: bool,
    failed: Option<io::ErrorKind>,
}

/// Starts a thread that writes to `to`.
pub(crate) fn start(to: impl Write + Send + 'static) -> (Printer, Outlet) {
    let shared = Arc::new(Shared::default());
    let writes = shared.clone();
    // The thread may have to end with the process: a blocking write cannot be cancelled.
    std::thread::spawn(move || write(to, &writes));
    (Printer { line: Zeroizing::default(), shared: shared.clone() }, Outlet(shared))
}

fn write(mut to: impl Write, shared: &Shared) {
    while let Some(lines) = shared.next() {
        let result = to.write_all(&lines).and_then(|()| to.flush());
        drop(lines);
        let mut sheet = shared.sheet();
        sheet.writing = false;
        sheet.failed = result.err().map(|error| error.kind());
        let failed = sheet.failed.is_some();
        drop(sheet);
        shared.done.notify_one();
        if failed {
            return;
        }
    }
}

impl Shared {
    /// Waits for lines to write; returns `None` when there will be no more.
    fn next(&self) -> Option<Zeroizing<Vec<u8>>> {
        let idle = |sheet: &mut Sheet| sheet.lines.is_empty() && !sheet.over;
        let waited = self.more.wait_while(self.sheet(), idle);
        let mut sheet = waited.unwrap_or_else(PoisonError::into_inner);
        sheet.writing = !sheet.lines.is_empty();
        sheet.writing.then(|| std::mem::take(&mut sheet.lines))
    }

    fn sheet(&self) -> MutexGuard<'_, Sheet> {
        self.sheet.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Write for Printer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.line.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    /// Hands the line over; fails if an earlier one could not be written.
    fn flush(&mut self) -> io::Result<()> {
        let mut sheet = self.shared.sheet();
        if let Some(kind) = sheet.failed {
            return Err(kind.into());
        }
        sheet.lines.extend_from_slice(&self.line);
        drop(sheet);
        self.line.zeroize();
        self.shared.more.notify_one();
        Ok(())
    }
}

impl Drop for Printer {
    fn drop(&mut self) {
        self.shared.sheet().over = true;
        self.shared.more.notify_one();
    }
}

impl Outlet {
    /// Returns an outlet that never fills.
    #[cfg(test)]
    pub(crate) fn wide() -> Self {
        Self(Arc::default())
    }

    /// Whether there is space for another event.
    pub(crate) fn is_free(&self) -> bool {
        self.0.sheet().lines.len() < FULL
    }

    /// Waits until there is space again, unless it `was_free`, and returns on a failure in any
    /// case. Cancel-safe.
    pub(crate) async fn changes(&self, was_free: bool) -> io::Result<()> {
        self.until(|sheet| !was_free && sheet.lines.len() < FULL).await
    }

    /// Waits until everything is written. Cancel-safe.
    pub(crate) async fn empties(&self) -> io::Result<()> {
        self.until(|sheet| sheet.lines.is_empty() && !sheet.writing).await
    }

    /// Returns why writing failed, if it did.
    pub(crate) fn failure(&self) -> Option<io::ErrorKind> {
        self.0.sheet().failed
    }

    /// Wipes what was not written.
    pub(crate) fn wipe(&self) {
        self.0.sheet().lines.zeroize();
    }

    async fn until(&self, holds: impl Fn(&Sheet) -> bool) -> io::Result<()> {
        loop {
            {
                let sheet = self.0.sheet();
                if let Some(kind) = sheet.failed {
                    return Err(kind.into());
                }
                if holds(&sheet) {
                    return Ok(());
                }
            }
            // A notification in between is stored.
            self.0.done.notified().await;
        }
    }
}

impl fmt::Debug for Printer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Printer(..)")
    }
}

impl fmt::Debug for Outlet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Outlet(..)")
    }
}
