//! The state of a link: what its methods do under the lock, one poll at a time.

use std::{
    io,
    task::{Context, Poll, Waker, ready},
};

use anocm_core::{
    Payload,
    transport::{TransportError, TrySend},
};
use tokio::{io::ReadBuf, time::Instant};
use zeroize::Zeroize;

use super::{
    controls::Controls,
    keepalive::{Keepalive, KeepaliveAction},
};
use crate::{
    codec::Opcode,
    frame::{CloseCode, FrameReader, FrameWriter, Incoming, MeteredIo, ReadError, Side},
};

/// How a link ended.
type End = Result<(), TransportError>;

/// The WebSocket of a link and the progress of its shutdown.
///
/// At most one task polls for reading and one for writing; the connection keeps their wakers apart.
/// Each may end the link, and must then wake the other.
pub(super) struct State {
    /// `None` once the connection was dropped.
    wire: Option<Wire>,
    ended: Option<End>,
    /// The peer has sent a close frame.
    heard_close: bool,
    /// This side has sent a close frame that does not answer the peer's.
    said_close: bool,
    controls: Controls,
    /// The connection did not accept everything that was queued. A task that finds this set must
    /// wait for the write with its own waker.
    unwritten: bool,
    reader: Option<Waker>,
    writer: Option<Waker>,
}

/// The connection, and what is read from and written to it.
struct Wire {
    io: MeteredIo,
    reader: FrameReader,
    writer: FrameWriter,
}

impl Wire {
    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Result<Incoming, ReadError>> {
        self.reader.poll_next(&mut self.io, cx)
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.writer.poll_flush(&mut self.io, cx)
    }
}

impl State {
    pub(super) fn new(mut io: MeteredIo, side: Side) -> Self {
        let reader = FrameReader::new(side, &std::mem::take(&mut io.ahead));
        Self {
            wire: Some(Wire { io, reader, writer: FrameWriter::new(side) }),
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
        keepalive: &mut Keepalive,
    ) -> Poll<Result<Option<Payload>, TransportError>> {
        loop {
            if let Some(ended) = self.ended {
                return Poll::Ready(ended.map(|()| None));
            }
            // Flush what a cancelled `send` has left and what this side has queued.
            let flushed = self.flush_for_reader(cx);
            let Some(wire) = &mut self.wire else {
                return Poll::Ready(Err(TransportError::Cut));
            };
            if matches!(flushed, Poll::Ready(Err(_))) || self.heard_close && flushed.is_ready() {
                self.hang_up();
                continue;
            }
            let next = if self.heard_close { Poll::Pending } else { wire.poll_next(cx) };
            match next {
                Poll::Ready(Ok(incoming)) => {
                    if let Some(frame) = self.take(incoming, cx) {
                        return Poll::Ready(Ok(Some(frame)));
                    }
                }
                Poll::Ready(Err(ReadError::Cut)) => self.hang_up(),
                Poll::Ready(Err(ReadError::Refused(code))) => self.reject(code),
                Poll::Pending => ready!(self.poll_keepalive(cx, keepalive)),
            }
        }
    }

    /// Sends the frames from `next` on after everything queued; advances `next`.
    pub(super) fn poll_send(
        &mut self,
        cx: &mut Context<'_>,
        frames: &[Payload],
        next: &mut usize,
    ) -> Poll<End> {
        if self.is_closing() {
            return Poll::Ready(Err(self.error()));
        }
        let sent = self.write(cx, frames, next);
        match sent {
            Poll::Ready(Ok(())) => {
                self.writer = None;
                Poll::Ready(Ok(()))
            }
            Poll::Ready(Err(_)) => {
                self.hang_up();
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
        let unwritten = self.unwritten || self.writer.is_some();
        if unwritten || self.is_closing() {
            return TrySend { accepted: 0, pending: unwritten };
        }
        let mut next = 0;
        // No task waits for the connection now. A task that waits later brings its own waker.
        let sent = self.write(&mut Context::from_waker(Waker::noop()), frames, &mut next);
        if matches!(sent, Poll::Ready(Err(_))) {
            self.hang_up();
        }
        TrySend { accepted: next, pending: self.unwritten }
    }

    /// Sends a close frame after everything queued.
    pub(super) fn poll_say_close(&mut self, cx: &mut Context<'_>, code: CloseCode) -> Poll<()> {
        self.say_close(code);
        let flushed = match &mut self.wire {
            Some(wire) => wire.poll_flush(cx).map(drop),
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
        let Some(wire) = &mut self.wire else {
            return Poll::Ready(());
        };
        while self.ended.is_none() && !self.heard_close {
            match ready!(wire.poll_next(cx)) {
                Ok(Incoming::Close(_)) => self.heard_close = true,
                Ok(_) => {}
                Err(_) => break,
            }
        }
        let _ = ready!(wire.poll_flush(cx));
        let _ = ready!(wire.io.poll_shutdown(cx));
        if matches!(self.ended, Some(Err(_))) {
            let mut scratch = [0; 4_096];
            loop {
                let mut read = ReadBuf::new(&mut scratch);
                let result = ready!(wire.io.poll_read(cx, &mut read));
                let has_ended = result.is_err() || read.filled().is_empty();
                read.filled_mut().zeroize();
                if has_ended {
                    break;
                }
            }
        }
        Poll::Ready(())
    }

    /// Ends the link cleanly, unless it has ended, and drops the connection.
    pub(super) fn finish(&mut self) {
        self.wire = None;
        self.end(Ok(()));
    }

    /// Closes as far as possible without waiting.
    pub(super) fn depart(&mut self, code: CloseCode) {
        let mut cx = Context::from_waker(Waker::noop());
        // A sender that waits keeps its waker: the end of the link wakes it.
        self.say_close(code);
        if let Some(wire) = &mut self.wire
            && wire.poll_flush(&mut cx).is_ready()
        {
            let _ = wire.io.poll_shutdown(&mut cx);
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
        self.wire.as_ref().map_or(0, |wire| wire.io.written)
    }

    /// Ends the link because the peer is gone or does not read.
    pub(super) fn abort(&mut self) {
        self.depart(CloseCode::TIMEOUT);
        self.wire = None;
        self.end(if self.heard_close { Ok(()) } else { Err(TransportError::Cut) });
    }

    /// Ready when the keepalive has taken an action.
    fn poll_keepalive(&mut self, cx: &mut Context<'_>, keepalive: &mut Keepalive) -> Poll<()> {
        let Some(wire) = &mut self.wire else { return Poll::Ready(()) };
        match keepalive.poll(cx, wire.io.heard, wire.reader.coming()) {
            Poll::Ready(KeepaliveAction::Ping) => self.queue(Opcode::Ping, Payload::default()),
            Poll::Ready(KeepaliveAction::Dead) => self.abort(),
            Poll::Pending => {
                keep(&mut self.reader, cx.waker());
                return Poll::Pending;
            }
        }
        Poll::Ready(())
    }

    fn take(&mut self, incoming: Incoming, cx: &mut Context<'_>) -> Option<Payload> {
        match incoming {
            Incoming::Message(frame) => return Some(frame),
            Incoming::Close(payload) => {
                let code = payload.get(..2).unwrap_or_default();
                self.queue(Opcode::Close, Payload::copy_from_slice(code));
                self.heard_close = true;
                return None;
            }
            Incoming::Ping(payload) => self.queue(Opcode::Pong, payload),
            Incoming::Pong => {}
        }
        let flushed = self.flush_for_reader(cx).is_ready();
        if !self.controls.admit(Instant::now(), flushed) {
            self.reject(CloseCode::POLICY_VIOLATION);
        }
        None
    }

    fn write(
        &mut self,
        cx: &mut Context<'_>,
        frames: &[Payload],
        next: &mut usize,
    ) -> Poll<io::Result<()>> {
        let Some(wire) = &mut self.wire else {
            return Poll::Ready(Err(io::ErrorKind::NotConnected.into()));
        };
        let sent = wire.writer.poll_write(&mut wire.io, cx, frames, next);
        self.unwritten = sent.is_pending();
        sent
    }

    /// Writes what is queued. Registers the waker of a waiting sender if there is one.
    fn flush_for_reader(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Some(wire) = self.wire.as_mut().filter(|wire| !wire.writer.is_flushed()) else {
            return Poll::Ready(Ok(()));
        };
        let waker = self.writer.as_ref().unwrap_or(cx.waker());
        let flushed = wire.poll_flush(&mut Context::from_waker(waker));
        self.unwritten = flushed.is_pending();
        flushed
    }

    /// Queues a control frame. After a close frame none is sent.
    fn queue(&mut self, opcode: Opcode, payload: Payload) {
        if !self.said_close
            && !self.heard_close
            && let Some(wire) = &mut self.wire
        {
            // Fails without random numbers. The peer then finds this side silent.
            let _ = wire.writer.push(opcode, payload);
        }
    }

    fn say_close(&mut self, code: CloseCode) {
        self.queue(Opcode::Close, Payload::copy_from_slice(&code.to_bytes()));
        self.said_close = true;
    }

    /// Ends the link because of an error of the peer. The connection stays until the link is closed
    /// or dropped, so that `close` can make sure that the close code arrives.
    fn reject(&mut self, code: CloseCode) {
        self.say_close(code);
        if let Some(wire) = &mut self.wire {
            let _ = wire.poll_flush(&mut Context::from_waker(Waker::noop()));
        }
        self.end(Err(code.error()));
    }

    /// Handles the end of the connection: a clean end if either side had sent a close frame.
    fn hang_up(&mut self) {
        if let Some(mut wire) = self.wire.take() {
            // Sends the TLS close notification, so that the end is not taken for a truncation.
            let _ = wire.io.poll_shutdown(&mut Context::from_waker(Waker::noop()));
        }
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

    fn is_closing(&self) -> bool {
        self.ended.is_some() || self.said_close || self.heard_close
    }

    fn error(&self) -> TransportError {
        match self.ended {
            Some(Err(error)) => error,
            _ => TransportError::Cut,
        }
    }

    /// Returns true when the link holds no buffers.
    #[cfg(all(test, feature = "server"))]
    pub(super) fn is_idle(&self) -> bool {
        self.wire.as_ref().is_some_and(|wire| wire.reader.is_empty() && wire.writer.is_flushed())
    }
}

fn keep(place: &mut Option<Waker>, waker: &Waker) {
    match place {
        Some(kept) => kept.clone_from(waker),
        None => *place = Some(waker.clone()),
    }
}
