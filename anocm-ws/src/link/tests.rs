//! Tests of links over simulated streams.

use std::{io, sync::atomic::AtomicUsize, sync::atomic::Ordering};

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::*;
use crate::frame::IngressBudget;

/// Accepts all data and counts the writes.
struct Counting(Arc<AtomicUsize>);

impl AsyncRead for Counting {
    fn poll_read(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        _: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Poll::Pending
    }
}

impl AsyncWrite for Counting {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(cx, &[io::IoSlice::new(buf)])
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.0.fetch_add(1, Ordering::Relaxed);
        Poll::Ready(Ok(bufs.iter().map(|buf| buf.len()).sum()))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

#[cfg(all(feature = "client", feature = "server"))]
#[tokio::test(start_paused = true)]
async fn a_quiet_link_lives_while_both_sides_receive() {
    use futures_util::{SinkExt, StreamExt};
    use tokio_websockets::{ClientBuilder, Message};

    for ping_after in [25, 60].map(Duration::from_secs) {
        let timing = Timing { ping_after, ..Timing::default() };
        let (here, there) = tokio::io::duplex(4_096);
        let link = WsLink::new(
            MeteredIo::new(here, Bytes::new(), IngressBudget::default()),
            Side::Server,
            timing,
        );
        let mut alice = ClientBuilder::new().take_over(there);
        let began = Instant::now();
        let answer = async {
            for _ in 0..60 {
                assert!(alice.next().await.unwrap().unwrap().is_ping());
            }
            alice.send(Message::binary(vec![7])).await.unwrap();
        };
        let (received, ()) = tokio::join!(link.recv(), answer);
        assert_eq!(received, Ok(Some(Payload::from(vec![7]))), "{ping_after:?}");
        assert!(began.elapsed() > 20 * timing.dead_after);
    }
}

#[cfg(feature = "server")]
#[tokio::test(start_paused = true)]
async fn half_a_frame_is_not_waited_for_for_ever() {
    use tokio::io::AsyncWriteExt;

    let (mut alice, there) = tokio::io::duplex(64);
    let timing = Timing::default();
    let link = WsLink::new(
        MeteredIo::new(there, Bytes::new(), IngressBudget::default()),
        Side::Server,
        timing,
    );
    let began = Instant::now();
    let sending = async {
        // A binary message of 1,000 bytes, masked with zeros, ten seconds for each byte.
        alice.write_all(&[0x82, 0xfe, 0x03, 0xe8, 0, 0, 0, 0]).await.unwrap();
        loop {
            sleep(Duration::from_secs(10)).await;
            alice.write_u8(7).await.unwrap();
        }
    };
    tokio::select! {
        () = sending => {}
        received = link.recv() => assert_eq!(received, Err(TransportError::Cut)),
    }
    assert!(began.elapsed() < 2 * timing.dead_after);
}

#[cfg(all(feature = "client", feature = "server"))]
#[tokio::test(start_paused = true)]
async fn a_silent_link_keeps_no_buffers_and_wakes_for_either_side() {
    use futures_util::{SinkExt, StreamExt};
    use tokio_websockets::{ClientBuilder, Message};

    let (here, there) = tokio::io::duplex(4_096);
    let meter = MeteredIo::new(here, Bytes::new(), IngressBudget::default());
    let link = Arc::new(WsLink::new(meter, Side::Server, Timing::default()));
    let (give, mut received) = tokio::sync::mpsc::unbounded_channel();
    let receiving = Arc::clone(&link);
    tokio::spawn(async move {
        while let Ok(Some(frame)) = receiving.recv().await {
            give.send(frame).unwrap();
        }
    });
    // Shorter than any timeout, and enough for everything that can happen.
    let silence = || sleep(Duration::from_secs(1));
    let mut alice = ClientBuilder::new().take_over(there);
    silence().await;
    assert!(link.0.state().is_idle());
    for length in [1, 1_000, 100_000] {
        let said = vec![7; length];
        alice.send(Message::binary(said.clone())).await.unwrap();
        assert_eq!(received.recv().await, Some(Payload::from(said)));
        silence().await;
        assert!(link.0.state().is_idle());
    }
    let sending = Arc::clone(&link);
    tokio::spawn(async move { sending.send(&[Payload::from(vec![8; 50_000])]).await });
    assert_eq!(alice.next().await.unwrap().unwrap().as_payload().len(), 50_000);
    sleep(Duration::from_secs(3)).await;
    assert!(link.0.state().is_idle());
    let answering = tokio::spawn(async move { while alice.next().await.is_some() {} });
    sleep(Timing::default().ping_after).await;
    assert!(link.0.state().is_idle());
    answering.abort();
}

#[cfg(feature = "server")]
#[tokio::test]
async fn what_waits_goes_in_one_write() {
    let writes = Arc::new(AtomicUsize::new(0));
    let io = MeteredIo::new(Counting(Arc::clone(&writes)), Bytes::new(), IngressBudget::default());
    let link = WsLink::new(io, Side::Server, Timing::default());
    let frames = vec![Payload::from(vec![1; 1_000]); 32];
    link.send(&frames).await.unwrap();
    assert_eq!(writes.load(Ordering::Relaxed), 1);
    assert_eq!(link.try_send(&frames), TrySend { accepted: 32, pending: false });
    assert_eq!(writes.load(Ordering::Relaxed), 2);
}

/// Accepts all data, and delivers it at the second flush: a TLS stream holds data back in the same
/// way while the connection is blocked.
#[cfg(feature = "server")]
struct HoldsBack(Arc<AtomicUsize>);

#[cfg(feature = "server")]
impl AsyncRead for HoldsBack {
    fn poll_read(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        _: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Poll::Pending
    }
}

#[cfg(feature = "server")]
impl AsyncWrite for HoldsBack {
    fn poll_write(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Poll::Ready(Ok(buf.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.0.fetch_add(1, Ordering::Relaxed) {
            0 => Poll::Pending,
            _ => Poll::Ready(Ok(())),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

#[cfg(feature = "server")]
#[tokio::test]
async fn what_the_layer_below_holds_back_is_flushed_by_the_receiver() {
    use futures_util::FutureExt;

    let flushes = Arc::new(AtomicUsize::new(0));
    let io = HoldsBack(Arc::clone(&flushes));
    let io = MeteredIo::new(io, Bytes::new(), IngressBudget::default());
    let link = WsLink::new(io, Side::Server, Timing::default());
    let frames = [Payload::from(vec![1; 1_000])];
    assert_eq!(link.try_send(&frames), TrySend { accepted: 1, pending: true });
    assert!(link.recv().now_or_never().is_none());
    assert_eq!(flushes.load(Ordering::Relaxed), 2);
    assert_eq!(link.try_send(&frames), TrySend { accepted: 1, pending: false });
}

#[cfg(feature = "server")]
#[tokio::test(start_paused = true)]
async fn a_waiting_sender_is_woken_when_the_receiver_finds_the_peer_dead() {
    let (_eve, there) = tokio::io::duplex(64);
    let meter = MeteredIo::new(there, Bytes::new(), IngressBudget::default());
    let link = WsLink::new(meter, Side::Server, Timing::default());
    let sending = async {
        // Its own timeout is later than that of the receiver.
        sleep(Timing::default().dead_after / 2).await;
        assert_eq!(link.send(&[Payload::from(vec![1; 1_000])]).await, Err(TransportError::Cut));
        Instant::now()
    };
    let receiving = async {
        assert_eq!(link.recv().await, Err(TransportError::Cut));
        Instant::now()
    };
    let (sent, received) = tokio::join!(sending, receiving);
    assert_eq!(sent, received);
}

/// The write timeout is the same for data left by `try_send` and by `send`.
#[cfg(feature = "server")]
#[tokio::test(start_paused = true)]
async fn a_peer_that_sends_and_does_not_read_is_given_up() {
    use tokio::io::AsyncWriteExt;

    for at_once in [false, true] {
        let (mut eve, there) = tokio::io::duplex(64);
        let timing = Timing::default();
        let meter = MeteredIo::new(there, Bytes::new(), IngressBudget::default());
        let link = WsLink::new(meter, Side::Server, timing);
        let frames = vec![Payload::from(vec![1; 1_000]); 30];
        let began = Instant::now();
        let speaking = async {
            loop {
                sleep(Duration::from_secs(20)).await;
                // An unsolicited pong, masked with zeros.
                if eve.write_all(&[0x8a, 0x80, 0, 0, 0, 0]).await.is_err() {
                    std::future::pending::<()>().await;
                }
            }
        };
        let sending = async {
            let mut rest = frames.as_slice();
            if at_once {
                assert_eq!(link.try_send(rest), TrySend { accepted: 30, pending: true });
                assert_eq!(link.try_send(rest), TrySend { accepted: 0, pending: true });
                rest = &[];
            }
            assert_eq!(link.send(rest).await, Err(TransportError::Cut));
        };
        let receiving = async {
            let (_, received) = tokio::join!(sending, link.recv());
            received
        };
        tokio::select! {
            () = speaking => {}
            received = receiving => drop(received),
        }
        let took = began.elapsed();
        assert!(took < 2 * timing.dead_after, "at once {at_once}: {took:?}");
    }
}
