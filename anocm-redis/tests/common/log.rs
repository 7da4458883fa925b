//! Captures the store's log on one thread.

use std::{
    cell::RefCell,
    io,
    sync::{Arc, Mutex, Once},
};

use tracing::Level;

thread_local! {
    /// The log that receives this thread's lines.
    static HERE: RefCell<Option<Log>> = const { RefCell::new(None) };
}

/// Lines that were logged by tasks of this thread since this was made.
#[derive(Clone, Default)]
pub(crate) struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    /// Captures the log of this thread from now on.
    ///
    /// One subscriber serves all threads: a call site first reached without a subscriber would be
    /// cached as disabled.
    pub(crate) fn listen() -> Self {
        static BEGIN: Once = Once::new();
        BEGIN.call_once(|| {
            let lines = tracing_subscriber::fmt().with_max_level(Level::TRACE).with_ansi(false);
            let lines = lines.with_writer(|| Here).finish();
            tracing::subscriber::set_global_default(lines).unwrap();
        });
        let log = Self::default();
        HERE.set(Some(log.clone()));
        log
    }

    /// Returns the lines of this crate that contain `word`.
    pub(crate) fn lines(&self, word: &str) -> Vec<String> {
        let text = String::from_utf8(self.0.lock().unwrap().clone()).unwrap();
        let ours = text.lines().filter(|line| line.contains("anocm_redis"));
        ours.filter(|line| line.contains(word)).map(str::to_owned).collect()
    }
}

/// Writes to the log of the thread.
struct Here;

impl io::Write for Here {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        HERE.with_borrow(|log| {
            if let Some(Log(lines)) = log {
                lines.lock().unwrap().extend_from_slice(bytes);
            }
        });
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
