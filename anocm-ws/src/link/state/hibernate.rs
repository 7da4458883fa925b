//! Hibernation: a link without traffic drops the WebSocket library and its buffers.

use std::{
    io,
    task::{Context, Poll},
};

use tokio::time::Instant;
use tokio_websockets::{Message, WebSocketStream};

use super::{State, keep};
use crate::link::{
    keepalive::{HIBERNATE_AFTER, Keepalive, KeepaliveAction},
    metered_io::MeteredIo,
};

/// A link woken this often within [`HIBERNATE_AFTER`] stays awake until it has not been used for
/// that long.
const BUSY: u32 = 8;

/// The connection, with or without the library and its buffers.
pub(super) enum Wire {
    Awake(Box<WebSocketStream<MeteredIo>>),
    /// Hibernating: nothing is buffered.
    Resting(Box<MeteredIo>),
    /// Closed.
    Gone,
}

impl Wire {
    pub(super) fn metered_io(&self) -> Option<&MeteredIo> {
        match self {
            Self::Awake(ws) => Some(ws.get_ref()),
            Self::Resting(meter) => Some(meter),
            Self::Gone => None,
        }
    }
}

impl State {
    /// Pending while the connection hibernates and no data arrives.
    pub(super) fn poll_hibernating(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.wire {
            Wire::Resting(meter) => meter.poll_ahead(cx),
            Wire::Awake(_) | Wire::Gone => Poll::Ready(Ok(())),
        }
    }

    /// Ready when the keepalive has taken an action.
    pub(super) fn poll_keepalive(
        &mut self,
        cx: &mut Context<'_>,
        pulse: &mut Keepalive,
    ) -> Poll<()> {
        let meter = self.wire.metered_io();
        let (heard, coming) = match meter {
            Some(meter) => (meter.last_received(), meter.coming()),
            None => return Poll::Ready(()),
        };
        let used = matches!(self.wire, Wire::Awake(_)).then_some(self.used);
        match pulse.poll(cx, heard, coming, used) {
            // Hibernate, or try again later if the link is still in use.
            Poll::Ready(KeepaliveAction::Rest) => {
                let flushed = matches!(self.flush_for_reader(cx), Poll::Ready(Ok(())));
                // Try again later if the link is still in use.
                if !flushed || !self.hibernate() {
                    self.used = Instant::now();
                }
            }
            Poll::Ready(KeepaliveAction::Ping) => self.queue(Message::ping("")),
            Poll::Ready(KeepaliveAction::Dead) => self.abort(),
            Poll::Pending => {
                keep(&mut self.reader, cx.waker());
                return Poll::Pending;
            }
        }
        Poll::Ready(())
    }

    /// Drops the library and its buffers. They are most of the memory of a silent connection, and
    /// received data would remain in them until it is overwritten. Only allowed when the library
    /// has nothing left to write. Returns true when the link now hibernates, and the read must be
    /// polled again.
    pub(super) fn hibernate(&mut self) -> bool {
        let closing = self.heard_close || self.said_close || self.ended.is_some();
        // A sender may have left data with the library, and a message may be partly read.
        if closing || self.writer.is_some() {
            return false;
        }
        match std::mem::replace(&mut self.wire, Wire::Gone) {
            Wire::Awake(ws) if ws.get_ref().is_between_messages() => {
                self.wire = Wire::Resting(Box::new(ws.into_inner()));
                self.stale = false;
                true
            }
            other => {
                self.wire = other;
                false
            }
        }
    }

    /// Returns true if the link should hibernate as soon as it is silent: always when something was
    /// received, which must not remain in a buffer; otherwise unless it would be woken again at
    /// once.
    pub(super) fn may_hibernate(&self) -> bool {
        self.stale || self.woken.1 < BUSY
    }

    /// Returns the library with the connection, and wakes the link if it hibernates.
    pub(super) fn wake(&mut self) -> Option<&mut WebSocketStream<MeteredIo>> {
        if let Wire::Resting(_) = &self.wire
            && let Wire::Resting(meter) = std::mem::replace(&mut self.wire, Wire::Gone)
        {
            self.wire = Wire::Awake(Box::new(self.side.open(*meter)));
            self.used = Instant::now();
            if self.used.duration_since(self.woken.0) > HIBERNATE_AFTER {
                self.woken = (self.used, 0);
            }
            self.woken.1 = self.woken.1.saturating_add(1);
            // The task that runs the keepalive also handles hibernation.
            if let Some(reader) = self.reader.take() {
                reader.wake();
            }
        }
        match &mut self.wire {
            Wire::Awake(ws) => Some(ws),
            Wire::Resting(_) | Wire::Gone => None,
        }
    }

    #[cfg(all(test, feature = "server"))]
    pub(in super::super) fn is_resting(&self) -> bool {
        matches!(self.wire, Wire::Resting(_))
    }
}
