//! One open WebSocket as a [`Link`].

#[cfg(all(test, feature = "client", feature = "server"))]
mod conformance;
mod controls;
mod keepalive;
mod state;
#[cfg(test)]
mod tests;

use std::{
    future::poll_fn,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll},
    time::Duration,
};

use anocm_core::{
    Payload,
    transport::{Closing, Link, TransportError, TrySend},
    wire::MAX_FRAME,
};
use async_trait::async_trait;
use keepalive::Keepalive;
use state::State;
use tokio::time::{Instant, Sleep, sleep, timeout};

use crate::{
    Timing,
    frame::{CloseCode, MeteredIo, Side},
};

/// One side of an open WebSocket.
pub(crate) struct WsLink(Arc<Shared>);

/// The state that a link shares with the task that closes the connection after the link was
/// dropped.
pub(crate) struct Shared {
    // Locked for one poll at a time, never across an await. Senders and the receiver share it, as
    // they would share the lock inside a split stream.
    state: Mutex<State>,
    /// Keeps the frames of one `send` together, and limits the write side to one task at a time.
    sending: tokio::sync::Mutex<()>,
    /// Limits the read side to one task at a time.
    receiving: tokio::sync::Mutex<Keepalive>,
    timing: Timing,
}

impl WsLink {
    /// Makes a link of an upgraded connection. Must be called within a tokio runtime.
    pub(crate) fn new(io: MeteredIo, side: Side, timing: Timing) -> Self {
        Self(Arc::new(Shared {
            state: Mutex::new(State::new(io, side)),
            sending: tokio::sync::Mutex::default(),
            receiving: tokio::sync::Mutex::new(Keepalive::new(timing)),
            timing,
        }))
    }

    /// Returns the shared state, for the task that closes the connection after the link was
    /// dropped.
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
        let mut sending =
            Sending { shared: &self.0, next: 0, write_timeout: WriteTimeout::new(&self.0) };
        poll_fn(|cx| sending.poll(cx, frames)).await
    }

    fn try_send(&self, frames: &[Payload]) -> TrySend {
        // The lock is held while another task sends or closes.
        let Ok(_turn) = self.0.sending.try_lock() else { return TrySend::default() };
        let valid = frames.iter().take_while(|frame| frame.len() <= MAX_FRAME).count();
        self.0.state().try_send(frames.get(..valid).unwrap_or_default())
    }

    async fn recv(&self) -> Result<Option<Payload>, TransportError> {
        let mut keepalive = self.0.receiving.lock().await;
        poll_fn(|cx| self.0.state().poll_recv(cx, &mut keepalive)).await
    }

    async fn close(&self, why: Closing) {
        self.0.close(why.into()).await;
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

    /// Closes the connection and waits for the peer's close, for at most `close_within`.
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

/// A `send` in progress.
struct Sending<'a> {
    shared: &'a Shared,
    next: usize,
    write_timeout: WriteTimeout,
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
        if self.write_timeout.poll(cx, state.written()).is_ready() {
            state.abort();
            return Poll::Ready(Err(TransportError::Cut));
        }
        Poll::Pending
    }
}

/// Hands what is still queued over to the receiver when a writer is done or cancelled.
struct LeaveQueue<'a>(&'a Shared);

impl Drop for LeaveQueue<'_> {
    fn drop(&mut self) {
        self.0.state().leave_queue();
    }
}

/// Write timeout: detects a peer that accepts no data while data is queued for it.
struct WriteTimeout {
    limit: Duration,
    /// Created when there is something to wait for: most sends complete at once.
    timer: Option<Pin<Box<Sleep>>>,
    written: u64,
}

impl WriteTimeout {
    fn new(shared: &Shared) -> Self {
        Self { limit: shared.timing.dead_after, timer: None, written: 0 }
    }

    /// Ready when no byte has been written for the whole timeout.
    fn poll(&mut self, cx: &mut Context<'_>, written: u64) -> Poll<()> {
        let timer = match &mut self.timer {
            Some(timer) => timer,
            None => {
                self.written = written;
                self.timer.insert(Box::pin(sleep(self.limit)))
            }
        };
        while timer.as_mut().poll(cx).is_ready() {
            if self.written == written {
                return Poll::Ready(());
            }
            self.written = written;
            timer.as_mut().reset(Instant::now() + self.limit);
        }
        Poll::Pending
    }
}
