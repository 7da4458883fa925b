//! An accepted connection, which holds its place among the connections until it is dropped.

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

/// Bytes that the kernel may hold back for one connection. By itself it would take megabytes
/// for each one that does not read; this costs no throughput that could be measured.
const SEND_BUFFER: usize = 64 * 1_024;

/// An accepted TCP connection and its place.
///
/// An upgraded connection leaves the HTTP server and the task that accepted it, and takes its
/// place along: in whatever this is wrapped, the place is free when it is dropped.
#[derive(Debug)]
pub struct Connection {
    tcp: TcpStream,
    _place: OwnedSemaphorePermit,
}

impl Connection {
    pub(super) fn new(tcp: TcpStream, place: OwnedSemaphorePermit, taken_within: Duration) -> Self {
        // None can fail for a reason that serving would survive. Frames are small, and each is
        // waited for.
        let _ = tcp.set_nodelay(true);
        let _ = SockRef::from(&tcp).set_send_buffer_size(SEND_BUFFER);
        bound_unacknowledged(&tcp, taken_within);
        Self { tcp, _place: place }
    }
}

/// Or the kernel would go on for a quarter of an hour about a peer that has vanished, and for
/// good about one that lives and takes nothing.
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

    // Forwarded, or frames that wait would no longer go in one write.
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
        // Linux reserves as much again for itself.
        assert!(socket.send_buffer_size().unwrap() <= 2 * SEND_BUFFER);
        #[cfg(any(target_os = "android", target_os = "linux"))]
        assert_eq!(socket.tcp_user_timeout().unwrap(), Some(Duration::from_secs(20)));
    }
}
