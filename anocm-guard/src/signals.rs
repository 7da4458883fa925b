//! Signals that tell a program to end.
//!
//! Their default action ends the process at once, without dropping, and so wiping, what it holds. A
//! program that catches them ends in its own order.

use std::io;

/// What a signal tells a program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Signal {
    /// To end: SIGINT or SIGTERM, Ctrl-C.
    Terminate,
    /// SIGHUP: the terminal is gone, or a daemon is to read its files again.
    HangUp,
}

/// SIGINT, SIGTERM and SIGHUP, or Ctrl-C on systems without them. Caught from the construction on
/// until the process ends, also when this is dropped.
///
/// # Examples
/// ```no_run
/// use anocm_guard::signals::{Signal, Signals};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> std::io::Result<()> {
/// let mut signals = Signals::listen()?;
/// while signals.next().await == Signal::HangUp {
///     println!("reading the files again");
/// }
/// println!("ending");
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Signals(Sources);

impl Signals {
    /// Catches the signals. SIGHUP is caught also if it was ignored, as under `nohup`. Must be
    /// called within a tokio runtime with I/O.
    ///
    /// # Errors
    /// The system's error when a signal cannot be caught.
    pub fn listen() -> io::Result<Self> {
        Sources::new().map(Self)
    }

    /// Waits for the next signal. Cancel safe.
    pub async fn next(&mut self) -> Signal {
        self.0.next().await
    }

    /// Waits until the program is told to end. Drops other signals. Cancel safe.
    pub async fn terminated(&mut self) {
        while self.next().await != Signal::Terminate {}
    }
}

#[cfg(unix)]
#[derive(Debug)]
struct Sources {
    interrupt: tokio::signal::unix::Signal,
    terminate: tokio::signal::unix::Signal,
    hang_up: tokio::signal::unix::Signal,
}

#[cfg(unix)]
impl Sources {
    fn new() -> io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};

        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            hang_up: signal(SignalKind::hangup())?,
        })
    }

    async fn next(&mut self) -> Signal {
        tokio::select! {
            _ = self.interrupt.recv() => Signal::Terminate,
            _ = self.terminate.recv() => Signal::Terminate,
            _ = self.hang_up.recv() => Signal::HangUp,
        }
    }
}

#[cfg(not(unix))]
#[derive(Debug)]
struct Sources;

#[cfg(not(unix))]
impl Sources {
    #[expect(clippy::unnecessary_wraps, reason = "it can fail on other systems")]
    const fn new() -> io::Result<Self> {
        Ok(Self)
    }

    async fn next(&mut self) -> Signal {
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
        Signal::Terminate
    }
}

#[cfg(all(test, unix))]
mod tests {
    use rustix::process::{Signal as Raised, getpid, kill_process};

    use super::*;

    // One test, since a signal reaches all tests of this process.
    #[tokio::test]
    async fn each_signal_is_told_by_what_it_asks_for() {
        let mut signals = Signals::listen().unwrap();
        for (raised, told) in [
            (Raised::HUP, Signal::HangUp),
            (Raised::INT, Signal::Terminate),
            (Raised::TERM, Signal::Terminate),
        ] {
            kill_process(getpid(), raised).unwrap();
            assert_eq!(signals.next().await, told);
        }
        // A hang-up is no request to end, and one that came before is not forgotten.
        kill_process(getpid(), Raised::HUP).unwrap();
        let mut ended = Box::pin(signals.terminated());
        assert!(
            std::future::poll_fn(|cx| std::task::Poll::Ready(ended.as_mut().poll(cx).is_pending()))
                .await
        );
        kill_process(getpid(), Raised::TERM).unwrap();
        ended.await;
    }
}
