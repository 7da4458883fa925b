//! The transport within one process: bounded channels instead of a network.

use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use tokio::sync::mpsc;

use super::{Closing, Link, Transport, TransportError, TrySend};
use crate::{invite::RelayUrl, secret::Payload, wire::MAX_FRAME};

/// Frames queued in each direction before `send` waits.
const WAITING: usize = 64;

/// Returns the two ends of one link within this process.
#[must_use]
pub fn pair() -> (impl Link, impl Link) {
    let (to_b, from_a) = mpsc::channel(WAITING);
    let (to_a, from_b) = mpsc::channel(WAITING);
    (End::new(to_b, from_b), End::new(to_a, from_a))
}

struct End {
    // Locked only to clone, use or drop the sender, never across an await.
    to: Mutex<Option<mpsc::Sender<Payload>>>,
    /// `None` after a frame that was too long.
    from: tokio::sync::Mutex<Option<mpsc::Receiver<Payload>>>,
}

impl End {
    fn new(to: mpsc::Sender<Payload>, from: mpsc::Receiver<Payload>) -> Self {
        Self { to: Mutex::new(Some(to)), from: tokio::sync::Mutex::new(Some(from)) }
    }

    /// Closes the direction to the other side, after the frames already sent.
    fn cut(&self) {
        self.to.lock().unwrap_or_else(PoisonError::into_inner).take();
    }
}

#[cfg_attr(not(target_arch = "wasm32"), async_trait)]
#[cfg_attr(target_arch = "wasm32", async_trait(?Send))]
impl Link for End {
    async fn send(&self, frames: &[Payload]) -> Result<(), TransportError> {
        let to = self.to.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let to = to.ok_or(TransportError::Cut)?;
        for frame in frames {
            to.send(frame.clone()).await.map_err(|_| TransportError::Cut)?;
        }
        Ok(())
    }

    fn try_send(&self, frames: &[Payload]) -> TrySend {
        let to = self.to.lock().unwrap_or_else(PoisonError::into_inner);
        let goes = |frame: &&Payload| {
            to.as_ref().is_some_and(|to| to.try_send(Payload::clone(frame)).is_ok())
        };
        TrySend { accepted: frames.iter().take_while(goes).count(), pending: false }
    }

    async fn recv(&self) -> Result<Option<Payload>, TransportError> {
        let mut from = self.from.lock().await;
        let Some(frames) = &mut *from else { return Err(TransportError::TooLong) };
        let frame = frames.recv().await;
        if frame.as_ref().is_some_and(|frame| frame.len() > MAX_FRAME) {
            // Closes both directions and drops the frames still queued.
            *from = None;
            self.cut();
            return Err(TransportError::TooLong);
        }
        Ok(frame)
    }

    async fn close(&self, _why: Closing) {
        self.cut();
    }
}

/// A [`Transport`] to a server of links within this process. Its relay is `http://localhost/`
/// unless [`known_as`](Self::known_as) sets the URL under which guests elsewhere reach it.
pub struct InProcess {
    relay: RelayUrl,
    accept: Arc<dyn Fn(Box<dyn Link>) + Send + Sync>,
}

impl InProcess {
    /// Creates a transport that passes the far end of each new link to `accept`. `accept` must not
    /// block; it usually spawns a task, as `Relay::transport` does.
    #[must_use]
    pub fn new(accept: impl Fn(Box<dyn Link>) + Send + Sync + 'static) -> Self {
        Self { relay: RelayUrl::localhost(), accept: Arc::new(accept) }
    }

    /// Sets the URL under which guests elsewhere know the relay.
    #[must_use]
    pub fn known_as(self, relay: RelayUrl) -> Self {
        Self { relay, ..self }
    }
}

#[cfg_attr(not(target_arch = "wasm32"), async_trait)]
#[cfg_attr(target_arch = "wasm32", async_trait(?Send))]
impl Transport for InProcess {
    fn relay(&self) -> &RelayUrl {
        &self.relay
    }

    async fn connect(&self) -> Result<Box<dyn Link>, TransportError> {
        let (near, far) = pair();
        (self.accept)(Box::new(far));
        Ok(Box::new(near))
    }
}

impl std::fmt::Debug for InProcess {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("InProcess(..)")
    }
}
