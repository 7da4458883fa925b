//! The byte stream under a WebSocket, with the activity data that the link needs.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll, ready},
};

use anocm_core::Payload;
use bytes::{Buf, Bytes};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    sync::OwnedSemaphorePermit,
    time::Instant,
};

use zeroize::Zeroize;

use super::{frame_scanner::FrameScanner, ingress_budget::IngressBudget};

/// The size of the first read after hibernation. Small entries fit.
const LITTLE: usize = 2 * 1_024;

/// Any bidirectional byte stream.
pub(crate) trait Io: AsyncRead + AsyncWrite + Send + Unpin + 'static {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin + 'static> Io for T {}

/// A byte stream that records when it last read something and how much it has written.
///
/// Liveness is measured in bytes, not in whole frames: a large frame over a slow circuit takes
/// longer than the time in which a dead peer should be detected.
pub(crate) struct MeteredIo {
    io: Box<dyn Io>,
    /// Bytes already read, together with the HTTP head or during hibernation. They are returned by
    /// the next read.
    ahead: Bytes,
    heard: Instant,
    written: u64,
    scanner: FrameScanner,
    budget: IngressBudget,
    /// When the incomplete message began to arrive.
    began: Option<Instant>,
}

impl MeteredIo {
    pub(crate) fn new(io: impl Io, ahead: Bytes, budget: IngressBudget) -> Self {
        Self {
            io: Box::new(io),
            ahead,
            heard: Instant::now(),
            written: 0,
            scanner: FrameScanner::default(),
            budget,
            began: None,
        }
    }

    /// Returns when the incomplete message began to arrive, and its declared length so far.
    pub(super) fn coming(&self) -> Option<(Instant, u64)> {
        self.began.map(|began| (began, self.scanner.size()))
    }

    /// Takes the memory permit for the message that has just been received.
    pub(super) fn release(&mut self) -> Option<OwnedSemaphorePermit> {
        self.budget.release()
    }

    fn pass(&mut self, bytes: &[u8]) {
        let whole = self.scanner.complete_messages();
        self.scanner.advance(bytes);
        if self.scanner.is_at_boundary() {
            self.began = None;
        } else if self.began.is_none() || self.scanner.complete_messages() != whole {
            self.began = Some(self.heard);
        }
    }

    /// Reads a few bytes and buffers them for the next `poll_read`: ready when there is data, or at
    /// the end of the stream. Used during hibernation, when there is no read buffer.
    pub(super) fn poll_ahead(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if !self.ahead.is_empty() {
            return Poll::Ready(Ok(()));
        }
        let mut little = [0; LITTLE];
        let mut buf = ReadBuf::new(&mut little);
        ready!(Pin::new(&mut self.io).poll_read(cx, &mut buf))?;
        self.heard = Instant::now();
        self.ahead = Payload::copy_from_slice(buf.filled()).into_bytes();
        little.zeroize();
        Poll::Ready(Ok(()))
    }

    /// Returns when data was last read; at first, when the connection was made.
    pub(super) fn last_received(&self) -> Instant {
        self.heard
    }

    /// Returns how many bytes the layer below has accepted.
    pub(super) fn written(&self) -> u64 {
        self.written
    }

    /// Returns true when the data read so far ends at a message boundary.
    pub(super) fn is_between_messages(&self) -> bool {
        self.ahead.is_empty() && self.scanner.is_at_boundary()
    }

    fn count(&mut self, written: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        if let Poll::Ready(Ok(bytes)) = written {
            self.written = self.written.wrapping_add(bytes as u64);
        }
        written
    }
}

impl AsyncRead for MeteredIo {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if !self.ahead.is_empty() {
            let some = self.ahead.len().min(buf.remaining());
            let bytes = self.ahead.copy_to_bytes(some);
            self.pass(&bytes);
            buf.put_slice(&bytes);
            return Poll::Ready(Ok(()));
        }
        if !self.scanner.is_at_boundary() {
            let (size, whole) = (self.scanner.size(), self.scanner.complete_messages());
            let more = self.budget.poll_more(cx, size, whole);
            if more.is_pending() {
                // The pause is caused by our own memory limit, so it does not count as silence of
                // the peer.
                self.heard = Instant::now();
            }
            ready!(more)?;
        }
        let before = buf.filled().len();
        let result = Pin::new(&mut self.io).poll_read(cx, buf);
        if let Some(bytes) = buf.filled().get(before..).filter(|bytes| !bytes.is_empty()) {
            self.heard = Instant::now();
            self.pass(bytes);
        }
        result
    }
}

impl AsyncWrite for MeteredIo {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.io).poll_write(cx, buf);
        self.count(written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.io).poll_write_vectored(cx, bufs);
        self.count(written)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}
