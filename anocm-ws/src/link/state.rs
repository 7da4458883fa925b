//! The state of a link: what its methods do under the lock, one poll at a time.

mod hibernate;

use std::{
    pin::Pin,
    task::{Context, Poll, Waker, ready},
};

use anocm_core::{
    Payload,
    transport::{Closing, TransportError, TrySend},
};
use futures_util::{Sink, Stream};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::Instant,
};
use tokio_websockets::{CloseCode, Error, Message, WebSocketStream};

use hibernate::Wire;

use super::{Side, controls::Controls, keepalive::Keepalive, metered_io::MeteredIo};

/// How a link ended.
type End = Result<(), TransportError>;

/// The WebSocket of a link and the progress of its shutdown.
///
/// At most one task polls for reading and one for writing; the library keeps their wakers apart.
/// Each may end the link, and must then wake the other.
pub(super) struct State {
    wire: Wire,
    side: Side,
    /// A message was received since the library's buffer was allocated.
    stale: bool,
    /// When the library was last used.
    used: Instant,
    /// How often the link was woken from hibernation since the given time.
    woken: (Instant, u32),
    ended: Option<End>,
    /// The peer has sent a close message.
    heard_close: bool,
    /// This side has sent a close message.
    said_close: bool,
    controls: Controls,
    /// The connection did not accept everything that the library has to write. A task that finds
    /// this set must wait for the write with its own waker.
    unwritten: bool,
    reader: Option<Waker>,
    writer: Option<Waker>,
}

impl State {
    pub(super) fn new(io: MeteredIo, side: Side) -> Self {
        Self {
            wire: Wire::Resting(Box::new(io)),
            side,
            stale: false,
            used: Instant::now(),
            woken: (Instant::now(), 0),
            ended: None,
            heard_close: false,
            said_close: false,
            controls: Controls::new(),
            unwritten: false,
            reader: None,
            writer: None,
        }
    }

    /// Polls for the next frame, or for how the link ended. Cancel-safe: no data is held between
    /// two polls.
    pub(super) fn poll_recv(
        &mut self,
        cx: &mut Context<'_>,
        pulse: &mut Keepalive,
    ) -> Poll<Result<Option<Payload>, TransportError>> {
        loop {
            if let Some(ended) = self.ended {
                return Poll::Ready(ended.map(|()| None));
            }
            match self.poll_hibernating(cx) {
                Poll::Ready(Ok(())) => {}
                Poll::Ready(Err(_)) => {
                    self.hang_up();
                    continue;
                }
                Poll::Pending => match self.poll_keepalive(cx, pulse) {
                    Poll::Ready(()) => continue,
                    Poll::Pending => return Poll::Pending,
                },
            }
            let Some(ws) = self.wake() else {
                return Poll::Ready(Err(TransportError::Cut));
            };
            match Pin::new(&mut *ws).poll_next(cx) {
                Poll::Ready(Some(Ok(message))) => {
                    if let Some(frame) = self.take(&message, cx) {
                        return Poll::Ready(Ok(Some(frame)));
                    }
                }
                Poll::Ready(Some(Err(error))) => self.fail(&error),
                Poll::Ready(None) => self.hang_up(),
                Poll::Pending => {
                    // Flush what a cancelled `send` has left and what this side has queued.
                    match self.flush_for_reader(cx) {
                        Poll::Ready(Err(error)) => {
                            self.fail(&error);
                            continue;
                        }
                        Poll::Ready(Ok(())) if self.may_hibernate() && self.hibernate() => continue,
                        _ => {}
                    }
                    ready!(self.poll_keepalive(cx, pulse));
                }
            }
        }
    }

    /// Queues the frames from `next` on and writes everything queued; advances `next`.
    pub(super) fn poll_send(
        &mut self,
        cx: &mut Context<'_>,
        frames: &[Payload],
        next: &mut usize,
    ) -> Poll<End> {
        if self.ended.is_some() || self.said_close || self.heard_close {
            return Poll::Ready(Err(self.error()));
        }
        let Some(ws) = self.wake() else {
            return Poll::Ready(Err(TransportError::Cut));
        };
        let sent = write(ws, cx, frames, next);
        self.unwritten = sent.is_pending();
        match sent {
            Poll::Ready(Ok(())) => {
                self.writer = None;
                self.used = Instant::now();
                Poll::Ready(Ok(()))
            }
            Poll::Ready(Err(error)) => {
                self.fail(&error);
                Poll::Ready(Err(self.error()))
            }
            Poll::Pending => {
                keep(&mut self.writer, cx.waker());
                Poll::Pending
            }
        }
    }

    /// Sends what the connection accepts without waiting.
    pub(super) fn try_send(&mut self, frames: &[Payload]) -> TrySend {
        let (mut next, unwritten) = (0, self.unwritten || self.writer.is_some());
        let closing = self.ended.is_some() || self.said_close || self.heard_close;
        let Some(ws) = self.wake().filter(|_| !closing && !unwritten) else {
            return TrySend { accepted: 0, pending: unwritten };
        };
        // No task waits for the connection now. A task that waits later brings its own waker.
        let sent = write(ws, &mut Context::from_waker(Waker::noop()), frames, &mut next);
        self.unwritten = sent.is_pending();
        match sent {
            Poll::Ready(Ok(())) => self.used = Instant::now(),
            Poll::Ready(Err(error)) => self.fail(&error),
            Poll::Pending => {}
        }
        TrySend { accepted: next, pending: self.unwritten }
    }

    /// Sends a close message after everything queued.
    pub(super) fn poll_say_close(&mut self, cx: &mut Context<'_>, code: CloseCode) -> Poll<()> {
        if !self.said_close {
            self.said_close = true;
            self.queue(Message::close(Some(code), ""));
        }
        let flushed = match self.wake() {
            Some(ws) => Pin::new(ws).poll_flush(cx).map(drop),
            None => Poll::Ready(()),
        };
        match flushed {
            Poll::Ready(()) => self.writer = None,
            Poll::Pending => keep(&mut self.writer, cx.waker()),
        }
        flushed
    }

    /// Reads until the peer has closed as well. Dropping a connection with unread data resets it,
    /// and the peer may lose what it has not read yet.
    pub(super) fn poll_drain(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let has_ended = self.ended;
        let Some(ws) = self.wake() else {
            return Poll::Ready(());
        };
        if has_ended.is_none() {
            while let Some(Ok(_)) = ready!(Pin::new(&mut *ws).poll_next(cx)) {}
        }
        let _ = ready!(Pin::new(&mut *ws).poll_flush(cx));
        let io = ws.get_mut();
        let _ = ready!(Pin::new(&mut *io).poll_shutdown(cx));
        if matches!(has_ended, Some(Err(_))) {
            let mut scratch = [0; 4_096];
            loop {
                let mut read = ReadBuf::new(&mut scratch);
                let result = ready!(Pin::new(&mut *io).poll_read(cx, &mut read));
                if result.is_err() || read.filled().is_empty() {
                    break;
                }
            }
        }
        Poll::Ready(())
    }

    /// Ends the link cleanly, unless it has ended, and drops the connection.
    pub(super) fn finish(&mut self) {
        self.wire = Wire::Gone;
        self.end(Ok(()));
    }

    /// Closes as far as possible without waiting.
    pub(super) fn depart(&mut self, code: CloseCode) {
        let mut cx = Context::from_waker(Waker::noop());
        if self.poll_say_close(&mut cx, code).is_ready()
            && let Some(ws) = self.wake()
        {
            let _ = Pin::new(ws.get_mut()).poll_shutdown(&mut cx);
        }
    }

    /// Marks that no sender waits for the queue to be written any more, and leaves the flush to the
    /// receiver: otherwise the connection would wake a task that no longer waits for it.
    pub(super) fn leave_queue(&mut self) {
        if self.writer.take().is_some()
            && let Some(reader) = self.reader.take()
        {
            reader.wake();
        }
    }

    /// Returns how many of the sent bytes the connection has accepted.
    pub(super) fn written(&self) -> u64 {
        self.wire.metered_io().map_or(0, MeteredIo::written)
    }

    /// Ends the link because the peer is gone or does not read.
    pub(super) fn abort(&mut self) {
        self.depart(super::code(Closing::Timeout));
        self.wire = Wire::Gone;
        self.end(if self.heard_close { Ok(()) } else { Err(TransportError::Cut) });
    }

    fn take(&mut self, message: &Message, cx: &mut Context<'_>) -> Option<Payload> {
        self.stale = true;
        if message.is_binary() {
            // The library does not zeroize its buffer when it is freed, so the payload is copied
            // and only the copy is kept.
            let held = self.wake().and_then(|ws| ws.get_mut().release());
            return Some(match held {
                Some(held) => Payload::guarded(message.as_payload().to_vec(), held),
                None => Payload::copy_from_slice(message.as_payload()),
            });
        }
        if message.is_close() {
            self.heard_close = true;
        } else if message.is_text() {
            self.reject(CloseCode::UNSUPPORTED_DATA, TransportError::Protocol);
        } else {
            let flushed = self.flush_for_reader(cx).is_ready();
            if !self.controls.admit(Instant::now(), flushed) {
                self.reject(CloseCode::POLICY_VIOLATION, TransportError::Protocol);
            }
        }
        None
    }

    /// Writes what is queued. Registers the waker of a waiting sender if there is one.
    fn flush_for_reader(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        let waker = self.writer.as_ref().unwrap_or(cx.waker());
        let flushed = match &mut self.wire {
            Wire::Awake(ws) => Pin::new(&mut **ws).poll_flush(&mut Context::from_waker(waker)),
            Wire::Resting(_) | Wire::Gone => Poll::Ready(Ok(())),
        };
        self.unwritten = flushed.is_pending();
        flushed
    }

    fn queue(&mut self, message: Message) {
        if let Some(ws) = self.wake() {
            // Fails only once closing has begun, when the message does not matter any more.
            let _ = Pin::new(ws).start_send(message);
        }
    }

    fn fail(&mut self, error: &Error) {
        match error {
            Error::PayloadTooLong { .. } => {
                self.reject(CloseCode::MESSAGE_TOO_BIG, TransportError::TooLong);
            }
            Error::Io(_) | Error::AlreadyClosed => self.hang_up(),
            _ => self.reject(CloseCode::PROTOCOL_ERROR, TransportError::Protocol),
        }
    }

    /// Ends the link because of an error of the peer. The connection stays until the link is closed
    /// or dropped, so that `close` can make sure that the close code arrives.
    fn reject(&mut self, code: CloseCode, why: TransportError) {
        // Fails when the library has queued a close message itself: with the same code, or with
        // 1007, which is more specific, for a text message that is not valid UTF-8.
        self.queue(Message::close(Some(code), ""));
        self.said_close = true;
        if let Some(ws) = self.wake() {
            let _ = Pin::new(ws).poll_flush(&mut Context::from_waker(Waker::noop()));
        }
        self.end(Err(why));
    }

    /// Handles the end of the connection: a clean end if either side had sent a close message.
    fn hang_up(&mut self) {
        // Sends the TLS close notification, so that the end is not taken for a truncation.
        let mut cx = Context::from_waker(Waker::noop());
        let _ = match &mut std::mem::replace(&mut self.wire, Wire::Gone) {
            Wire::Awake(ws) => Pin::new(ws.get_mut()).poll_shutdown(&mut cx),
            Wire::Resting(meter) => Pin::new(&mut **meter).poll_shutdown(&mut cx),
            Wire::Gone => Poll::Ready(Ok(())),
        };
        self.end(if self.heard_close || self.said_close {
            Ok(())
        } else {
            Err(TransportError::Cut)
        });
    }

    fn end(&mut self, end: End) {
        self.ended.get_or_insert(end);
        for waker in [self.reader.take(), self.writer.take()].into_iter().flatten() {
            waker.wake();
        }
    }

    fn error(&self) -> TransportError {
        match self.ended {
            Some(Err(error)) => error,
            _ => TransportError::Cut,
        }
    }
}

/// Queues the frames from `next` on and writes everything queued; advances `next`.
fn write(
    ws: &mut WebSocketStream<MeteredIo>,
    cx: &mut Context<'_>,
    frames: &[Payload],
    next: &mut usize,
) -> Poll<Result<(), Error>> {
    loop {
        ready!(Pin::new(&mut *ws).poll_ready(cx))?;
        let Some(frame) = frames.get(*next) else {
            return Pin::new(ws).poll_flush(cx);
        };
        *next += 1;
        // On a relay the bytes are shared, not copied. On a client the library copies them for
        // masking.
        let message = Message::binary(frame.clone().into_bytes());
        Pin::new(&mut *ws).start_send(message)?;
    }
}

fn keep(place: &mut Option<Waker>, waker: &Waker) {
    match place {
        Some(kept) => kept.clone_from(waker),
        None => *place = Some(waker.clone()),
    }
}
