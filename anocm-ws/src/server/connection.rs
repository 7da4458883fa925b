//! An accepted connection, which holds a connection permit until it is dropped.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use socket2::SockRef;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
    sync::OwnedSemaphorePermit,
};

/// The kernel's send buffer for one connection, in bytes. The default takes megabytes for each peer
/// that does not read; this limit has no measurable effect on throughput.
const SEND_BUFFER: usize = 64 * 1_024;

/// An accepted TCP connection and its permit.
///
/// An upgraded connection leaves the HTTP server and the task that accepted it, and takes its
/// permit along: whatever this is wrapped in, the permit is released when it is dropped.
#[derive(Debug)]
pub struct Connection {
    tcp: TcpStream,
    _place: OwnedSemaphorePermit,
}

impl Connection {
    pub(super) fn new(tcp: TcpStream, place: OwnedSemaphorePermit, taken_within: Duration) -> Self {
        // Errors are ignored: none of these calls fails for a reason that serving would survive. No
        // delay, since frames are small and the peer waits for each.
        let _ = tcp.set_nodelay(true);
        let _ = SockRef::from(&tcp).set_send_buffer_size(SEND_BUFFER);
        bound_unacknowledged(&tcp, taken_within);
        Self { tcp, _place: place }
    }
}

/// Limits how long sent data may remain unacknowledged. Otherwise the kernel would retransmit for a
/// quarter of an hour to a peer that has vanished, and for ever to one that is alive and does not
/// read.
#[cfg(any(target_os = "android", target_os = "linux"))]
fn bound_unacknowledged(tcp: &TcpStream, taken_within: Duration) {
    let _ = SockRef::from(tcp).set_tcp_user_timeout(Some(taken_within));
}

#[cfg(not(any(target_os = "android", target_os = "linux")))]
fn bound_unacknowledged(_: &TcpStream, _: Duration) {}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tcp).poll_read(cx, buf)
    }
}

impl AsyncWrite for Connection {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.tcp).poll_write(cx, buf)
    }

    // Forwarded, or queued frames would no longer go in one write.
    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.tcp).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.tcp.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tcp).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tcp).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use tokio::{net::TcpListener, sync::Semaphore};

    use super::*;

    #[tokio::test]
    async fn the_kernel_waits_for_no_peer_for_long_and_keeps_little_for_it() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let _peer = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (tcp, _) = listener.accept().await.unwrap();
        let place = Arc::new(Semaphore::new(1)).acquire_owned().await.unwrap();
        let connection = Connection::new(tcp, place, Duration::from_secs(20));
        assert!(connection.tcp.nodelay().unwrap());
        let socket = SockRef::from(&connection.tcp);
        // Linux doubles the value for its own bookkeeping.
        assert!(socket.send_buffer_size().unwrap() <= 2 * SEND_BUFFER);
        #[cfg(any(target_os = "android", target_os = "linux"))]
        assert_eq!(socket.tcp_user_timeout().unwrap(), Some(Duration::from_secs(20)));
    }
}
