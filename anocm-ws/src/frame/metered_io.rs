//! The byte stream under a WebSocket, with the activity data that the link needs.

use std::{
    io::{self, IoSlice},
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::{BufMut, Bytes};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::Instant,
};
use tokio_util::io::poll_read_buf;

use super::ingress_budget::IngressBudget;

/// Any bidirectional byte stream.
pub(crate) trait Io: AsyncRead + AsyncWrite + Send + Unpin + 'static {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin + 'static> Io for T {}

/// A byte stream that records when it last read something and how much it has written.
///
/// Liveness is measured in bytes, not in whole frames: a large frame over a slow circuit takes
/// longer than the time in which a dead peer should be detected.
pub(crate) struct MeteredIo {
    io: Box<dyn Io>,
    /// Bytes read together with the HTTP head.
    pub(crate) ahead: Bytes,
    pub(crate) budget: IngressBudget,
    /// When data was last read; at first, when the connection was made.
    pub(crate) heard: Instant,
    /// How many bytes the layer below has accepted.
    pub(crate) written: u64,
}

impl MeteredIo {
    pub(crate) fn new(io: impl Io, ahead: Bytes, budget: IngressBudget) -> Self {
        Self { io: Box::new(io), ahead, budget, heard: Instant::now(), written: 0 }
    }

    /// Reads into `buf`; at the end of the stream, nothing.
    pub(crate) fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        ready!(Pin::new(&mut self.io).poll_read(cx, buf))?;
        self.heard = Instant::now();
        Poll::Ready(Ok(()))
    }

    /// Appends to `buf`, up to its limit, and returns how much; 0 at the end of the stream.
    pub(crate) fn poll_append(
        &mut self,
        cx: &mut Context<'_>,
        buf: &mut impl BufMut,
    ) -> Poll<io::Result<usize>> {
        let read = ready!(poll_read_buf(Pin::new(&mut self.io), cx, buf))?;
        self.heard = Instant::now();
        Poll::Ready(Ok(read))
    }

    /// Writes some of `bufs`. An error when the connection accepts no more bytes.
    pub(crate) fn poll_write(
        &mut self,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = ready!(Pin::new(&mut self.io).poll_write_vectored(cx, bufs))?;
        if written == 0 {
            return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
        }
        self.written = self.written.wrapping_add(written as u64);
        Poll::Ready(Ok(written))
    }

    pub(crate) fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    pub(crate) fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}
