//! A transport whose connections can be cut.

use std::sync::Arc;

use anocm_core::{
    Payload, RelayUrl,
    transport::{Closing, Link, Transport, TransportError, TrySend},
};
use tokio::sync::watch;

/// Cuts the open connection abruptly, without a close to either side. Later connections are
/// unaffected.
#[derive(Debug)]
pub(crate) struct CutHandle(watch::Sender<()>);

impl CutHandle {
    pub(crate) fn cut(&self) {
        self.0.send_replace(());
    }
}

/// Connects like `inner`, until cut.
pub(crate) struct Cuttable {
    inner: Arc<dyn Transport>,
    cuts: watch::Receiver<()>,
}

impl Cuttable {
    pub(crate) fn new(inner: Arc<dyn Transport>) -> (Self, CutHandle) {
        let (sender, cuts) = watch::channel(());
        (Self { inner, cuts }, CutHandle(sender))
    }
}

#[async_trait::async_trait]
impl Transport for Cuttable {
    fn relay(&self) -> &RelayUrl {
        self.inner.relay()
    }

    async fn connect(&self) -> Result<Box<dyn Link>, TransportError> {
        let mut cuts = self.cuts.clone();
        let inner = self.inner.connect().await?;
        // Only cuts from here on affect this connection.
        cuts.mark_unchanged();
        Ok(Box::new(CuttableLink { inner, cuts }))
    }
}

struct CuttableLink {
    inner: Box<dyn Link>,
    cuts: watch::Receiver<()>,
}

#[async_trait::async_trait]
impl Link for CuttableLink {
    async fn send(&self, frames: &[Payload]) -> Result<(), TransportError> {
        if self.cuts.has_changed().unwrap_or(false) {
            return Err(TransportError::Cut);
        }
        self.inner.send(frames).await
    }

    fn try_send(&self, frames: &[Payload]) -> TrySend {
        let is_cut = self.cuts.has_changed().unwrap_or(false);
        if is_cut { TrySend::default() } else { self.inner.try_send(frames) }
    }

    async fn recv(&self) -> Result<Option<Payload>, TransportError> {
        let mut cuts = self.cuts.clone();
        let cut = async {
            // Without a handle there are no more cuts.
            if cuts.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
        };
        tokio::select! {
            biased;
            () = cut => Err(TransportError::Cut),
            received = self.inner.recv() => received,
        }
    }

    async fn close(&self, why: Closing) {
        self.inner.close(why).await;
    }
}

#[cfg(test)]
mod tests {
    use anocm_core::transport::InProcess;

    use super::*;

    #[tokio::test]
    async fn a_cut_ends_what_is_open_and_nothing_later() {
        let (told, mut others) = tokio::sync::mpsc::unbounded_channel();
        let inner = InProcess::new(move |link| told.send(link).unwrap());
        let (transport, cut_handle) = Cuttable::new(Arc::new(inner));
        let first = transport.connect().await.unwrap();
        let theirs = others.recv().await.unwrap();
        cut_handle.cut();
        assert_eq!(first.recv().await, Err(TransportError::Cut));
        assert_eq!(first.send(&[]).await, Err(TransportError::Cut));
        drop(first);
        assert_eq!(theirs.recv().await, Ok(None));

        let second = transport.connect().await.unwrap();
        let theirs = others.recv().await.unwrap();
        theirs.send(&[Payload::from(vec![7])]).await.unwrap();
        assert_eq!(second.recv().await, Ok(Some(Payload::from(vec![7]))));
    }
}
