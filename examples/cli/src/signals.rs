//! Requests to stop the program: signals, and a hang-up of its standard streams.

use anocm_guard::signals::{Signal, Signals};
use tokio::sync::{mpsc, watch};

/// The reason to stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stop {
    /// An interrupt or termination signal.
    Requested,
    /// SIGHUP, or the terminal or the reader of the output is gone.
    HungUp,
}

/// A channel with one item for each request to stop.
pub(crate) type Stops = mpsc::Receiver<Stop>;

/// Whether there was a hang-up.
#[derive(Clone, Debug)]
pub(crate) struct HungUp(watch::Receiver<bool>);

impl HungUp {
    /// Waits for a hang-up. Cancel-safe.
    pub(crate) async fn wait(&mut self) {
        if self.0.wait_for(|hung_up| *hung_up).await.is_err() {
            std::future::pending().await
        }
    }
}

/// Starts to listen for signals and hang-ups.
///
/// # Errors
/// When the system does not let signals be caught.
pub(crate) fn stops() -> std::io::Result<(Stops, HungUp)> {
    let (to, stops) = mpsc::channel(4);
    let (set, hung_up) = watch::channel(false);
    let mut signals = Signals::listen()?;
    let mut ends = hangup::watch();
    tokio::spawn(async move {
        loop {
            let stop = tokio::select! {
                signal = signals.next() => match signal {
                    Signal::HangUp => Stop::HungUp,
                    _ => Stop::Requested,
                },
                Some(()) = ends.recv() => Stop::HungUp,
            };
            if stop == Stop::HungUp {
                set.send_replace(true);
            }
            // The conversation may be over; what runs after it watches for a hang-up only.
            let _ = to.send(stop).await;
        }
    });
    Ok((stops, HungUp(hung_up)))
}

/// Detects a hang-up of the standard streams.
#[cfg(unix)]
mod hangup {
    use std::{
        io::{self, IsTerminal as _},
        thread,
        time::Duration,
    };

    use rustix::event::{PollFd, PollFlags, Timespec, poll};
    use tokio::sync::mpsc;

    /// How often to poll. On Linux, polling for no events wakes up when a pipe or the other side of
    /// a terminal is closed, but not when a session loses its terminal.
    const AGAIN: Duration = Duration::from_millis(250);

    /// Sends one item when the terminal or the reader of the output is gone.
    ///
    /// The end of input that is no terminal does not count: that is an ordinary end of input. Polls
    /// on a separate thread, so that a hang-up is detected whatever reads and writes these streams.
    pub(super) fn watch() -> mpsc::Receiver<()> {
        let (to, ends) = mpsc::channel(1);
        // Checked now: a terminal that has hung up is no longer recognised as one.
        let reads_terminal = io::stdin().is_terminal();
        thread::spawn(move || {
            while !to.is_closed() {
                if has_ended(reads_terminal) {
                    // The program may be ending already.
                    let _ = to.blocking_send(());
                    return;
                }
            }
        });
        ends
    }

    /// Polls once, for [`AGAIN`] at most.
    fn has_ended(reads_terminal: bool) -> bool {
        let (input, output) = (io::stdin(), io::stdout());
        let mut outputs = vec![PollFd::new(&output, PollFlags::empty())];
        if reads_terminal {
            outputs.push(PollFd::new(&input, PollFlags::empty()));
        }
        let wait = Timespec { tv_sec: 0, tv_nsec: AGAIN.subsec_nanos().into() };
        let found = poll(&mut outputs, Some(&wait));
        if found == Ok(0) {
            return false;
        }
        let ended = PollFlags::HUP | PollFlags::ERR;
        let has_ended = outputs.iter().any(|stream| stream.revents().intersects(ended));
        if !has_ended {
            // Interrupted, or these streams cannot be polled on this system.
            thread::sleep(AGAIN);
        }
        has_ended
    }
}

#[cfg(not(unix))]
mod hangup {
    use tokio::sync::mpsc;

    /// Reports nothing: closing a console ends the process.
    pub(super) fn watch() -> mpsc::Receiver<()> {
        mpsc::channel(1).1
    }
}
