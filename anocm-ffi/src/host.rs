//! A transport implemented in the host's language.
//!
//! The library does not call the program: the program polls for requests and reports the results.
//! So the program's code runs on its own threads, and errors or blocking in it do not affect the
//! library.

#[cfg(test)]
mod tests;

use std::sync::Arc;

use anocm_core::{
    Payload, RelayUrl,
    transport::{Closing, Link, Transport, TransportError},
    wire::MAX_FRAME,
};
use async_trait::async_trait;
use tokio::sync::{Mutex, mpsc, oneshot, watch};

use crate::TransportFailure;

/// The maximum number of received frames in the queue. Further frames wait in the program.
const INCOMING: usize = 8;

/// The interface for a program with its own transport: it waits for a `dial`, connects, and
/// forwards frames both ways between its connection and a `pipe`. The packages do this for any
/// transport written to their interface.
#[derive(uniffi::Object)]
pub struct HostTransport {
    /// Present until a client takes it: when that client ends, so do the dials.
    dialer: std::sync::Mutex<Option<mpsc::Sender<Arc<Dial>>>>,
    dials: Mutex<mpsc::Receiver<Arc<Dial>>>,
}

/// A connection that the library requests.
#[derive(uniffi::Object)]
pub struct Dial {
    answer: std::sync::Mutex<Option<oneshot::Sender<Result<HostLink, TransportError>>>>,
    /// Its sender exists as long as a task waits for the result.
    waits: watch::Receiver<()>,
}

/// One open connection, as the program sees it. Dropping it cuts the connection.
#[derive(uniffi::Object)]
pub struct Pipe {
    outgoing: Mutex<mpsc::Receiver<Vec<Payload>>>,
    incoming: std::sync::Mutex<Option<mpsc::Sender<Payload>>>,
    /// How the connection ended, set before `incoming` is dropped.
    end: watch::Sender<End>,
}

/// How the program's side of a connection ended: `Ok` is a clean close.
type End = Result<(), TransportError>;

/// A transport to the relay of this URL.
struct Dialer(RelayUrl, mpsc::Sender<Arc<Dial>>);

struct HostLink {
    outgoing: std::sync::Mutex<Option<mpsc::Sender<Vec<Payload>>>>,
    incoming: Mutex<mpsc::Receiver<Payload>>,
    end: watch::Receiver<End>,
}

#[uniffi::export]
impl HostTransport {
    /// Creates a transport for one client.
    #[uniffi::constructor]
    pub fn new() -> Arc<Self> {
        let (dialer, dials) = mpsc::channel(1);
        Arc::new(Self { dialer: std::sync::Mutex::new(Some(dialer)), dials: Mutex::new(dials) })
    }

    /// Waits until the library requests a connection; returns nothing when the client has ended.
    pub async fn dial(&self) -> Option<Arc<Dial>> {
        self.dials.lock().await.recv().await
    }
}

#[uniffi::export]
impl Dial {
    /// Reports that the connection is open.
    pub fn connected(&self) -> Arc<Pipe> {
        let (to_host, outgoing) = mpsc::channel(1);
        let (to_room, incoming) = mpsc::channel(INCOMING);
        let (end, ended) = watch::channel(Err(TransportError::Cut));
        let link = HostLink {
            outgoing: std::sync::Mutex::new(Some(to_host)),
            incoming: Mutex::new(incoming),
            end: ended,
        };
        self.answer(Ok(link));
        Arc::new(Pipe {
            outgoing: Mutex::new(outgoing),
            incoming: std::sync::Mutex::new(Some(to_room)),
            end,
        })
    }

    /// Returns when the library does not wait for this connection any more: it took too long, or is
    /// no longer needed.
    pub async fn given_up(&self) {
        // No value is ever sent.
        let _ = self.waits.clone().changed().await;
    }

    /// Reports that the connection failed.
    pub fn failed(&self, why: TransportFailure) {
        self.answer(Err(why.into()));
    }
}

#[uniffi::export]
impl Pipe {
    /// Waits for frames to send, whole and in this order; returns nothing when the connection is to
    /// be closed, or is. Calling it again confirms that the previous frames were sent.
    pub async fn outgoing(&self) -> Option<Vec<Vec<u8>>> {
        let frames = self.outgoing.lock().await.recv().await?;
        Some(frames.iter().map(|frame| frame.to_vec()).collect())
    }

    /// Passes on a whole received frame. Waits while the library does not keep up; false when it
    /// accepts no more frames.
    pub async fn incoming(&self, frame: Vec<u8>) -> bool {
        if frame.len() > MAX_FRAME {
            self.end(Err(TransportError::TooLong));
            return false;
        }
        let to_room = lock(&self.incoming).clone();
        match to_room {
            Some(to_room) => to_room.send(Payload::from(frame)).await.is_ok(),
            None => false,
        }
    }

    /// Reports that the connection has ended: closed cleanly by the relay, or for the reason `why`.
    pub fn ended(&self, why: Option<TransportFailure>) {
        self.end(why.map_or(Ok(()), |why| Err(why.into())));
    }
}

impl Pipe {
    /// Ends the incoming direction. Only the first end counts, and frames received before are still
    /// delivered.
    fn end(&self, end: End) {
        if let Some(to_room) = lock(&self.incoming).take() {
            let _ = self.end.send_replace(end);
            drop(to_room);
        }
    }
}

impl HostTransport {
    /// Returns the transport for the one client; `None` if it has been taken.
    pub(crate) fn dialer(&self, relay: RelayUrl) -> Option<Arc<dyn Transport>> {
        Some(Arc::new(self.take(relay)?))
    }

    fn take(&self, relay: RelayUrl) -> Option<Dialer> {
        lock(&self.dialer).take().map(|dials| Dialer(relay, dials))
    }
}

impl Dial {
    fn answer(&self, result: Result<HostLink, TransportError>) {
        // If the library waits no longer, or a result was reported before, the link is dropped.
        if let Some(answer) = lock(&self.answer).take() {
            let _ = answer.send(result);
        }
    }
}

#[async_trait]
impl Transport for Dialer {
    fn relay(&self) -> &RelayUrl {
        &self.0
    }

    async fn connect(&self) -> Result<Box<dyn Link>, TransportError> {
        let (answer, answered) = oneshot::channel();
        let (_waiting, waits) = watch::channel(());
        let dial = Arc::new(Dial { answer: std::sync::Mutex::new(Some(answer)), waits });
        self.1.send(dial).await.map_err(|_| TransportError::Unreachable)?;
        // Dropped without a result: the program cannot connect, or has ended.
        let link = answered.await.map_err(|_| TransportError::Unreachable)??;
        Ok(Box::new(link))
    }
}

#[async_trait]
impl Link for HostLink {
    async fn send(&self, frames: &[Payload]) -> Result<(), TransportError> {
        let to_host = lock(&self.outgoing).clone().ok_or(TransportError::Cut)?;
        to_host.send(frames.to_vec()).await.map_err(|_| TransportError::Cut)
    }

    async fn recv(&self) -> Result<Option<Payload>, TransportError> {
        match self.incoming.lock().await.recv().await {
            Some(frame) => Ok(Some(frame)),
            None => {
                let end = *self.end.borrow();
                if end.is_err() {
                    // The other direction is dead as well.
                    *lock(&self.outgoing) = None;
                }
                end.map(|()| None)
            }
        }
    }

    async fn close(&self, _: Closing) {
        // The program sees the close after the frames sent before.
        *lock(&self.outgoing) = None;
    }
}

fn lock<T>(mutex: &std::sync::Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

shown_as_name!(HostTransport, Dial, Pipe);
