//! A running relay, until it is told to end or fails.

use std::{sync::Arc, time::Duration};

use anocm_core::relay::Relay;
use tokio::{sync::oneshot, task::JoinHandle, time::timeout};

use crate::{
    Failure, certificate,
    signals::{Signal, Signals},
    tls::Certificates,
};

/// A running relay and the tasks it depends on.
pub(crate) struct Running {
    pub(crate) relay: Arc<Relay>,
    /// Accepts connections; ends after `stop` is dropped.
    pub(crate) listener: JoinHandle<()>,
    pub(crate) stop: oneshot::Sender<()>,
    pub(crate) certificates: Option<Certificates>,
    /// Serves metrics.
    pub(crate) metrics: Option<JoinHandle<()>>,
    /// Whether the rooms are kept in this process.
    pub(crate) rooms_end: bool,
    pub(crate) shutdown_within: Duration,
}

impl Running {
    /// Serves until told to end, then shuts down. Returns an error when an essential task ended.
    pub(crate) async fn until_told(mut self, signals: &mut Signals) -> Result<(), Failure> {
        let ended = self.wait(signals).await;
        match &ended {
            Ok(()) => tracing::info!("told to end"),
            Err(failure) => tracing::error!("{failure}: ending"),
        }
        self.end(signals).await;
        tracing::info!("ended");
        ended
    }

    async fn wait(&mut self, signals: &mut Signals) -> Result<(), Failure> {
        loop {
            tokio::select! {
                told = signals.next() => match told {
                    Signal::End => return Ok(()),
                    Signal::Reload => self.reload(),
                },
                // It runs until `stop` is dropped, so it has failed.
                _ = &mut self.listener => return Err(Failure::Stopped("accepts connections")),
                () = self.relay.failed() => {
                    return Err(Failure::Stopped("looks after the rooms"));
                }
                () = ended(&mut self.metrics) => {
                    // The rooms matter more than metrics: continue without them.
                    tracing::error!("metrics are no longer shown");
                    self.metrics = None;
                }
            }
        }
    }

    fn reload(&self) {
        match &self.certificates {
            None => tracing::info!("SIGHUP: there are no certificates to read again"),
            Some(certificates) => match certificates.reload() {
                Ok(()) => {
                    tracing::info!("SIGHUP: new connections get the certificate read now");
                    if let Some(concern) = certificate::concern(certificates.chain(), crate::now())
                    {
                        tracing::warn!("{concern}");
                    }
                }
                Err(error) => {
                    let why = crate::in_one_line(&error);
                    tracing::warn!("SIGHUP: the certificate stays as it was: {why}");
                }
            },
        }
    }

    /// Notifies all clients, and waits until that is done.
    async fn end(self, signals: &mut Signals) {
        let Self { relay, listener, stop, rooms_end, shutdown_within, .. } = self;
        drop(stop);
        let ending = async {
            relay.shutdown(rooms_end).await;
            if !listener.is_finished() {
                let _ = listener.await;
            }
        };
        tokio::select! {
            ended = timeout(shutdown_within, ending) => if ended.is_err() {
                tracing::warn!("some connections did not end in time");
            },
            () = signals.end() => tracing::warn!("told twice to end: not waiting"),
        }
    }
}

/// Returns when the task ends; never if there is none.
async fn ended(task: &mut Option<JoinHandle<()>>) {
    match task {
        Some(task) => drop(task.await),
        None => std::future::pending().await,
    }
}

#[cfg(all(test, unix))]
mod tests {
    use anocm_core::{
        TokioClock,
        relay::RelayConfig,
        store::{MemoryLimits, MemoryStore},
    };

    use super::*;

    #[tokio::test]
    async fn a_relay_that_no_longer_listens_ends_with_an_error() {
        let clock = Arc::new(TokioClock::new());
        let store = MemoryStore::new(clock.clone(), MemoryLimits::default()).unwrap();
        let (stop, _stopped) = oneshot::channel();
        let running = Running {
            relay: Relay::new(store, clock, RelayConfig::default()).unwrap(),
            listener: tokio::spawn(async { panic!("nothing is accepted any more") }),
            stop,
            certificates: None,
            metrics: Some(tokio::spawn(async {})),
            rooms_end: true,
            shutdown_within: Duration::from_secs(10),
        };
        let mut signals = Signals::listen().unwrap();
        let ended = running.until_told(&mut signals).await;
        assert!(matches!(ended, Err(Failure::Stopped("accepts connections"))));
    }
}
