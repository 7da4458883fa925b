//! A running relay, until it is told to end or fails.

use std::time::Duration;

use anocm_guard::signals::{Signal, Signals};
use anocm_ws::server::Serving;
use tokio::task::JoinHandle;

use crate::{Failure, certificate, tls::Certificates};

/// A running relay and the tasks it depends on.
pub(crate) struct Running {
    pub(crate) serving: Serving,
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
                    Signal::HangUp => self.reload(),
                    _ => return Ok(()),
                },
                error = self.serving.failed() => return Err(error.into()),
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
        tokio::select! {
            ended = self.serving.shutdown(self.rooms_end, self.shutdown_within) => {
                if let Err(late) = ended {
                    tracing::warn!("{late}");
                }
            }
            () = signals.terminated() => tracing::warn!("told twice to end: not waiting"),
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
    use std::{future::Ready, io, sync::Arc};

    use anocm_core::{
        TokioClock,
        relay::{Relay, RelayConfig},
        store::{MemoryLimits, MemoryStore},
    };
    use anocm_ws::server::{Connection, ListenOptions, ServeError, Server};
    use axum::Router;
    use tokio::net::TcpStream;

    use super::*;

    #[tokio::test]
    async fn a_relay_that_no_longer_listens_ends_with_an_error() {
        let clock = Arc::new(TokioClock::new());
        let store = MemoryStore::new(clock.clone(), MemoryLimits::default()).unwrap();
        let relay = Relay::new(store, clock, RelayConfig::default()).unwrap();
        let server = Server::bind("127.0.0.1:0", relay, ListenOptions::default()).await.unwrap();
        let _alice = TcpStream::connect(server.local_addr()).await.unwrap();
        let wrap = |_| -> Ready<io::Result<Connection>> { panic!("nothing is accepted any more") };
        let running = Running {
            serving: server.serve_wrapped(wrap, Router::new()),
            certificates: None,
            metrics: Some(tokio::spawn(async {})),
            rooms_end: true,
            shutdown_within: Duration::from_secs(10),
        };
        let mut signals = Signals::listen().unwrap();
        let ended = running.until_told(&mut signals).await;
        assert!(matches!(ended, Err(Failure::Stopped(ServeError::Listener))));
    }
}
