//! A [`Transport`] over two queues in this process, in place of a network.

use std::sync::{Mutex as StdMutex, PoisonError};

use anocm_core::{
    Payload, RelayUrl,
    transport::{Closing, Link, Transport, TransportError},
    wire::MAX_FRAME,
};
use async_trait::async_trait;
use tokio::sync::{Mutex, mpsc};

/// Passes the far end of each new link to `accept`.
pub(crate) struct Queues<F> {
    pub(crate) relay: RelayUrl,
    pub(crate) accept: F,
}

#[async_trait]
impl<F: Fn(Box<dyn Link>) + Send + Sync + 'static> Transport for Queues<F> {
    fn relay(&self) -> &RelayUrl {
        &self.relay
    }

    async fn connect(&self) -> Result<Box<dyn Link>, TransportError> {
        let ((to_far, from_near), (to_near, from_far)) = (mpsc::channel(8), mpsc::channel(8));
        (self.accept)(Box::new(End::new(to_near, from_near)));
        Ok(Box::new(End::new(to_far, from_far)))
    }
}

/// One end. The queues are bounded: a sender waits for a receiver that does not keep up.
struct End {
    // Locked only to clone or drop the sender, never across an await.
    to: StdMutex<Option<mpsc::Sender<Payload>>>,
    // Held across an await: one task receives at a time. `None` after a frame that was too long.
    from: Mutex<Option<mpsc::Receiver<Payload>>>,
}

impl End {
    fn new(to: mpsc::Sender<Payload>, from: mpsc::Receiver<Payload>) -> Self {
        Self { to: StdMutex::new(Some(to)), from: Mutex::new(Some(from)) }
    }
}

#[async_trait]
impl Link for End {
    async fn send(&self, frames: &[Payload]) -> Result<(), TransportError> {
        let to = self.to.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let to = to.ok_or(TransportError::Cut)?;
        for frame in frames {
            to.send(frame.clone()).await.map_err(|_| TransportError::Cut)?;
        }
        Ok(())
    }

    async fn recv(&self) -> Result<Option<Payload>, TransportError> {
        let mut from = self.from.lock().await;
        let frame = from.as_mut().ok_or(TransportError::TooLong)?.recv().await;
        if frame.as_ref().is_some_and(|frame| frame.len() > MAX_FRAME) {
            *from = None;
            self.close(Closing::TooLong).await;
            return Err(TransportError::TooLong);
        }
        Ok(frame)
    }

    async fn close(&self, _: Closing) {
        self.to.lock().unwrap_or_else(PoisonError::into_inner).take();
    }
}
