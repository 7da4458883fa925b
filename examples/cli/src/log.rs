//! The log, on standard error.

use std::{
    io::{self, Write as _},
    sync::mpsc::{SyncSender, sync_channel},
    thread,
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

/// Enables the log of our own crates. Other crates may log what ours never do, such as addresses.
pub(crate) fn start(verbose: u8) {
    let level = match verbose {
        0 => return,
        1 => Level::INFO,
        2 => Level::DEBUG,
        _ => Level::TRACE,
    };
    let ours =
        Targets::new().with_targets(["anocm", "anocm_core", "anocm_ws"].map(|name| (name, level)));
    let lines = fmt::layer()
        .with_writer(Log::start())
        // They would be reported on standard error, and panic when that cannot be written.
        .log_internal_errors(false);
    tracing_subscriber::registry().with(lines.with_filter(ours)).init();
}

/// Hands events to a thread that writes them, so that a stalled reader of standard error blocks no
/// task.
#[derive(Clone)]
struct Log(SyncSender<Vec<u8>>);

impl Log {
    fn start() -> Self {
        let (to, events) = sync_channel::<Vec<u8>>(WAITING);
        thread::spawn(move || {
            for event in events {
                // Standard error may be closed.
                let _ = io::stderr().write_all(&event);
            }
        });
        Self(to)
    }
}

impl io::Write for Log {
    fn write(&mut self, event: &[u8]) -> io::Result<usize> {
        // A full channel drops the event.
        let _ = self.0.try_send(event.to_vec());
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
