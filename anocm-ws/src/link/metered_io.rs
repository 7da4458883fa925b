//! The connection under a WebSocket, with what the link needs to know about it.

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

/// What is read at first of what comes after a rest. Small entries fit.
const LITTLE: usize = 2 * 1_024;

/// Any two-way byte stream.
pub(crate) trait Io: AsyncRead + AsyncWrite + Send + Unpin + 'static {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin + 'static> Io for T {}

/// A byte stream that knows when it last read something and how much it has written.
///
/// Bytes count as life, not whole frames: a large frame over a slow circuit takes longer than
/// the time in which a dead peer should be noticed.
pub(crate) struct MeteredIo {
    io: Box<dyn Io>,
    /// Read together with the HTTP head, and to be read again first.
    ahead: Bytes,
    heard: Instant,
    written: u64,
    boundary: FrameScanner,
    intake: IngressBudget,
    /// Since when the message has been coming in that is not whole.
    began: Option<Instant>,
}

impl MeteredIo {
    pub(crate) fn new(io: impl Io, ahead: Bytes, intake: IngressBudget) -> Self {
        Self {
            io: Box::new(io),
            ahead,
            heard: Instant::now(),
            written: 0,
            boundary: FrameScanner::default(),
            intake,
            began: None,
        }
    }

    /// Since when a message has been coming in that is not whole yet, and how long it is.
    pub(super) fn coming(&self) -> Option<(Instant, u64)> {
        self.began.map(|began| (began, self.boundary.size()))
    }

    /// What is held for the message that has just come in.
    pub(super) fn release(&mut self) -> Option<OwnedSemaphorePermit> {
        self.intake.release()
    }

    fn pass(&mut self, bytes: &[u8]) {
        let whole = self.boundary.complete_messages();
        self.boundary.advance(bytes);
        if self.boundary.is_at_boundary() {
            self.began = None;
        } else if self.began.is_none() || self.boundary.complete_messages() != whole {
            self.began = Some(self.heard);
        }
    }

    /// Reads a little and keeps it for whoever reads next: ready when there is something, or the
    /// end. For while nobody has a buffer to read into.
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

    /// When something was last read; at first, when the connection was made.
    pub(super) fn heard(&self) -> Instant {
        self.heard
    }

    /// How many bytes the layer below has taken.
    pub(super) fn written(&self) -> u64 {
        self.written
    }

    /// Whether what was read so far ends where a message does.
    pub(super) fn is_between_messages(&self) -> bool {
        self.ahead.is_empty() && self.boundary.is_at_boundary()
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
        if !self.boundary.is_at_boundary() {
            let (size, whole) = (self.boundary.size(), self.boundary.complete_messages());
            let more = self.intake.poll_more(cx, size, whole);
            if more.is_pending() {
                // That nothing is heard is not the other side's doing.
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
