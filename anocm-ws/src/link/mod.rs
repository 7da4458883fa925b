//! One open WebSocket as a [`Link`].

mod boundary;
mod controls;
mod intake;
mod meter;
mod pulse;
mod state;

use std::{
    future::poll_fn,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll},
    time::Duration,
};

use anocm_core::{
    Payload,
    transport::{AtOnce, Closing, Link, TransportError},
    wire::MAX_FRAME,
};
use async_trait::async_trait;
pub(crate) use intake::Intake;
#[cfg(feature = "server")]
pub(crate) use intake::Memory;
#[cfg(feature = "client")]
pub(crate) use meter::Io;
pub(crate) use meter::Meter;
use pulse::Pulse;
use state::State;
use tokio::time::{Instant, Sleep, sleep, timeout};
use tokio_websockets::{CloseCode, Config, Limits, WebSocketStream};

use crate::Timing;

/// Queued bytes at which a send writes before it queues more.
const WRITE_AT: usize = 64 * 1_024;

/// Which side of a connection a link is.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Side {
    #[cfg(feature = "client")]
    Client,
    #[cfg(feature = "server")]
    Server,
}

impl Side {
    /// Speaks WebSocket over an upgraded connection.
    fn speak(self, io: Meter) -> WebSocketStream<Meter> {
        // The longest message, checked before anything is allocated for it.
        let limits = Limits::default().max_payload_len(Some(MAX_FRAME));
        // A frame is never split, so pings may go between any two.
        let config = Config::default().frame_size(MAX_FRAME).flush_threshold(WRITE_AT);
        match self {
            #[cfg(feature = "client")]
            Self::Client => {
                tokio_websockets::ClientBuilder::new().config(config).limits(limits).take_over(io)
            }
            #[cfg(feature = "server")]
            Self::Server => {
                tokio_websockets::ServerBuilder::new().config(config).limits(limits).serve(io)
            }
        }
    }
}

/// One side of an open WebSocket.
pub(crate) struct WsLink(Arc<Shared>);

/// What a link and whoever sees to its end have in common.
pub(crate) struct Shared {
    // Held for one poll at a time, never across an await. Senders and the receiver share it,
    // as they would share the lock inside a split stream.
    state: Mutex<State>,
    /// Keeps the frames of one `send` together and the write side to one task at a time.
    sending: tokio::sync::Mutex<()>,
    /// Keeps the read side to one task at a time.
    receiving: tokio::sync::Mutex<Pulse>,
    timing: Timing,
}

impl WsLink {
    /// Makes a link of an upgraded connection. Must be called within a tokio runtime.
    pub(crate) fn new(io: Meter, side: Side, timing: Timing) -> Self {
        Self(Arc::new(Shared {
            state: Mutex::new(State::new(io, side)),
            sending: tokio::sync::Mutex::default(),
            receiving: tokio::sync::Mutex::new(Pulse::new(timing)),
            timing,
        }))
    }

    /// For whoever ends the connection properly once the link was dropped.
    #[cfg(feature = "server")]
    pub(crate) fn shared(&self) -> Arc<Shared> {
        Arc::clone(&self.0)
    }
}

#[async_trait]
impl Link for WsLink {
    async fn send(&self, frames: &[Payload]) -> Result<(), TransportError> {
        if frames.iter().any(|frame| frame.len() > MAX_FRAME) {
            return Err(TransportError::TooLong);
        }
        let _turn = self.0.sending.lock().await;
        let _leaving = LeaveQueue(&self.0);
        let mut sending = Sending { shared: &self.0, next: 0, stall: Stall::new(&self.0) };
        poll_fn(|cx| sending.poll(cx, frames)).await
    }

    fn try_send(&self, frames: &[Payload]) -> AtOnce {
        // Whoever sends or closes has the turn.
        let Ok(_turn) = self.0.sending.try_lock() else { return AtOnce::default() };
        let lawful = frames.iter().take_while(|frame| frame.len() <= MAX_FRAME).count();
        self.0.state().send_now(frames.get(..lawful).unwrap_or_default())
    }

    async fn recv(&self) -> Result<Option<Payload>, TransportError> {
        let mut pulse = self.0.receiving.lock().await;
        poll_fn(|cx| self.0.state().poll_recv(cx, &mut pulse)).await
    }

    async fn close(&self, why: Closing) {
        self.0.close(code(why)).await;
    }
}

impl Drop for WsLink {
    fn drop(&mut self) {
        self.0.state().depart(CloseCode::GOING_AWAY);
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Closes and waits until the other side has closed too, but not long.
    pub(crate) async fn close(&self, code: CloseCode) {
        let gently = async {
            let turn = self.sending.lock().await;
            {
                let _leaving = LeaveQueue(self);
                poll_fn(|cx| self.state().poll_say_close(cx, code)).await;
            }
            drop(turn);
            let _reading = self.receiving.lock().await;
            poll_fn(|cx| self.state().poll_drain(cx)).await;
        };
        let _ = timeout(self.timing.close_within, gently).await;
        self.state().finish();
    }
}

/// A `send` on its way.
struct Sending<'a> {
    shared: &'a Shared,
    next: usize,
    stall: Stall,
}

impl Sending<'_> {
    fn poll(
        &mut self,
        cx: &mut Context<'_>,
        frames: &[Payload],
    ) -> Poll<Result<(), TransportError>> {
        let mut state = self.shared.state();
        let sent = state.poll_send(cx, frames, &mut self.next);
        if sent.is_ready() {
            return sent;
        }
        if self.stall.poll(cx, state.written()).is_ready() {
            state.give_up();
            return Poll::Ready(Err(TransportError::Cut));
        }
        Poll::Pending
    }
}

/// Leaves what is still queued to the receiver when a writer is done or cancelled.
struct LeaveQueue<'a>(&'a Shared);

impl Drop for LeaveQueue<'_> {
    fn drop(&mut self) {
        self.0.state().leave_queue();
    }
}

/// Notices a peer that takes nothing of what waits for it.
struct Stall {
    patience: Duration,
    /// Made when there is something to wait for: most sends are done at once.
    timer: Option<Pin<Box<Sleep>>>,
    written: u64,
}

impl Stall {
    fn new(shared: &Shared) -> Self {
        Self { patience: shared.timing.dead_after, timer: None, written: 0 }
    }

    /// Ready when nothing has been written for too long.
    fn poll(&mut self, cx: &mut Context<'_>, written: u64) -> Poll<()> {
        let timer = match &mut self.timer {
            Some(timer) => timer,
            None => {
                self.written = written;
                self.timer.insert(Box::pin(sleep(self.patience)))
            }
        };
        while timer.as_mut().poll(cx).is_ready() {
            if self.written == written {
                return Poll::Ready(());
            }
            self.written = written;
            timer.as_mut().reset(Instant::now() + self.patience);
        }
        Poll::Pending
    }
}

fn code(why: Closing) -> CloseCode {
    match why {
        Closing::GoingAway => CloseCode::GOING_AWAY,
        Closing::Protocol => CloseCode::PROTOCOL_ERROR,
        Closing::TooLong => CloseCode::MESSAGE_TOO_BIG,
        // In the range for private use, which is always valid.
        Closing::Timeout => CloseCode::try_from(4_408).unwrap_or(CloseCode::POLICY_VIOLATION),
        _ => CloseCode::NORMAL_CLOSURE,
    }
}

#[cfg(test)]
mod tests {
    use std::{io, sync::atomic::AtomicUsize, sync::atomic::Ordering};

    use bytes::Bytes;
    use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

    use super::*;

    /// Takes everything and counts the writes.
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
                Meter::new(here, Bytes::new(), Intake::default()),
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
        let link =
            WsLink::new(Meter::new(there, Bytes::new(), Intake::default()), Side::Server, timing);
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
        let meter = Meter::new(here, Bytes::new(), Intake::default());
        let link = Arc::new(WsLink::new(meter, Side::Server, Timing::default()));
        let (give, mut received) = tokio::sync::mpsc::unbounded_channel();
        let receiving = Arc::clone(&link);
        tokio::spawn(async move {
            while let Ok(Some(frame)) = receiving.recv().await {
                give.send(frame).unwrap();
            }
        });
        // Less than any patience, and enough for whatever can happen.
        let silence = || sleep(Duration::from_secs(1));
        let mut alice = ClientBuilder::new().take_over(there);
        silence().await;
        assert!(link.0.state().is_resting());
        for length in [1, 1_000, 100_000] {
            let said = vec![7; length];
            alice.send(Message::binary(said.clone())).await.unwrap();
            assert_eq!(received.recv().await, Some(Payload::from(said)));
            silence().await;
            assert!(link.0.state().is_resting());
        }
        let sending = Arc::clone(&link);
        tokio::spawn(async move { sending.send(&[Payload::from(vec![8; 50_000])]).await });
        assert_eq!(alice.next().await.unwrap().unwrap().as_payload().len(), 50_000);
        sleep(Duration::from_secs(3)).await;
        assert!(link.0.state().is_resting());
        let answering = tokio::spawn(async move { while alice.next().await.is_some() {} });
        sleep(Timing::default().ping_after).await;
        assert!(link.0.state().is_resting());
        answering.abort();
    }

    #[cfg(feature = "server")]
    #[tokio::test]
    async fn what_waits_goes_in_one_write() {
        let writes = Arc::new(AtomicUsize::new(0));
        let io = Meter::new(Counting(Arc::clone(&writes)), Bytes::new(), Intake::default());
        let link = WsLink::new(io, Side::Server, Timing::default());
        let frames = vec![Payload::from(vec![1; 1_000]); 32];
        link.send(&frames).await.unwrap();
        assert_eq!(writes.load(Ordering::Relaxed), 1);
        assert_eq!(link.try_send(&frames), AtOnce { taken: 32, waits: false });
        assert_eq!(writes.load(Ordering::Relaxed), 2);
    }

    /// What `try_send` leaves waits no longer for a reader than what `send` leaves.
    #[cfg(feature = "server")]
    #[tokio::test(start_paused = true)]
    async fn whoever_speaks_and_does_not_read_what_went_at_once_is_given_up() {
        use tokio::io::AsyncWriteExt;

        for at_once in [false, true] {
            let (mut eve, there) = tokio::io::duplex(64);
            let timing = Timing::default();
            let meter = Meter::new(there, Bytes::new(), Intake::default());
            let link = WsLink::new(meter, Side::Server, timing);
            let frames = vec![Payload::from(vec![1; 1_000]); 30];
            let began = Instant::now();
            let speaking = async {
                loop {
                    sleep(Duration::from_secs(20)).await;
                    // An unasked pong, masked with zeros.
                    if eve.write_all(&[0x8a, 0x80, 0, 0, 0, 0]).await.is_err() {
                        std::future::pending::<()>().await;
                    }
                }
            };
            let sending = async {
                let mut rest = frames.as_slice();
                if at_once {
                    assert_eq!(link.try_send(rest), AtOnce { taken: 30, waits: true });
                    assert_eq!(link.try_send(rest), AtOnce { taken: 0, waits: true });
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
}
