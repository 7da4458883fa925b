//! The log, on standard error.

use std::{
    io::{self, Write},
    sync::mpsc::{SyncSender, sync_channel},
    thread,
    time::Duration,
};

use tracing::Level;
use tracing_subscriber::{
    Layer as _,
    filter::Targets,
    fmt::{self, MakeWriter},
    layer::SubscriberExt as _,
    util::SubscriberInitExt as _,
};

/// The maximum number of events queued for writing; further ones are dropped.
const WAITING: usize = 1_024;

/// Enables the log of our own crates, unless `verbose` is 0. Other crates may log what ours never
/// do, such as addresses.
pub(crate) fn start(verbose: u8) -> Option<Log> {
    let level = match verbose {
        0 => return None,
        1 => Level::INFO,
        2 => Level::DEBUG,
        _ => Level::TRACE,
    };
    let ours =
        Targets::new().with_targets(["anocm", "anocm_core", "anocm_ws"].map(|name| (name, level)));
    let log = Log::to(io::stderr());
    let lines = fmt::layer()
        .with_writer(log.clone())
        // They would be reported on standard error, and panic when that cannot be written.
        .log_internal_errors(false);
    tracing_subscriber::registry().with(lines.with_filter(ours)).init();
    Some(log)
}

/// Hands events to a thread that writes them, so that a stalled reader of standard error blocks no
/// task.
#[derive(Clone)]
pub(crate) struct Log(SyncSender<Item>);

enum Item {
    Event(Vec<u8>),
    /// Nothing needs to be written after it. Sends when everything before it is written.
    Last(SyncSender<()>),
}

impl Log {
    fn to(mut writer: impl Write + Send + 'static) -> Self {
        let (to, items) = sync_channel(WAITING);
        thread::spawn(move || {
            for item in items {
                // Standard error may be closed, and the caller of `finish` may have given up.
                let _ = match item {
                    Item::Event(event) => writer.write_all(&event).is_ok(),
                    Item::Last(written) => written.send(()).is_ok(),
                };
            }
        });
        Self(to)
    }

    /// Waits until everything so far is written, since the process may end then, and the last events
    /// tell why; for `patience` at most.
    pub(crate) fn finish(&self, patience: Duration) {
        let (written, all) = sync_channel(1);
        // A full channel has a stalled reader, whom nothing reaches.
        if self.0.try_send(Item::Last(written)).is_ok() {
            let _ = all.recv_timeout(patience);
        }
    }
}

impl Write for Log {
    fn write(&mut self, event: &[u8]) -> io::Result<usize> {
        // A full channel drops the event.
        let _ = self.0.try_send(Item::Event(event.to_vec()));
        Ok(event.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Log {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        self.clone()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{
        Arc, Mutex,
        mpsc::{Receiver, channel},
    };

    use super::*;

    /// Writes once for each message that it gets.
    struct Slow {
        go: Receiver<()>,
        written: Arc<Mutex<Vec<u8>>>,
    }

    impl Write for Slow {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.go.recv().map_err(io::Error::other)?;
            self.written.lock().unwrap().extend(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn the_end_waits_for_what_is_still_to_be_written() {
        let (to, go) = channel();
        let written = Arc::new(Mutex::new(Vec::new()));
        let mut log = Log::to(Slow { go, written: written.clone() });
        log.write_all(b"connected\n").unwrap();
        log.write_all(b"refused\n").unwrap();
        let finishing = thread::spawn(move || log.finish(Duration::MAX));
        assert!(written.lock().unwrap().is_empty());
        to.send(()).unwrap();
        to.send(()).unwrap();
        finishing.join().unwrap();
        assert_eq!(*written.lock().unwrap(), b"connected\nrefused\n");
    }

    #[test]
    fn the_end_does_not_wait_for_a_stalled_reader() {
        let (_to, go) = channel();
        let mut log = Log::to(Slow { go, written: Arc::default() });
        log.write_all(b"connected\n").unwrap();
        log.finish(Duration::ZERO);
        (0..2 * WAITING).for_each(|_| log.write_all(b"more\n").unwrap());
        // Not even for the channel.
        log.finish(Duration::MAX);
    }
}
