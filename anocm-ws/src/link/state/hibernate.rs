//! A link without traffic goes without the library and its buffers.

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

/// Whoever was woken so often within [`HIBERNATE_AFTER`] is left awake until it was not used for as long.
const BUSY: u32 = 8;

/// The connection, with or without the library and its buffers.
pub(super) enum Wire {
    Awake(Box<WebSocketStream<MeteredIo>>),
    /// Silent: nothing is buffered.
    Resting(Box<MeteredIo>),
    /// Of no more use.
    Gone,
}

impl Wire {
    pub(super) fn meter(&self) -> Option<&MeteredIo> {
        match self {
            Self::Awake(ws) => Some(ws.get_ref()),
            Self::Resting(meter) => Some(meter),
            Self::Gone => None,
        }
    }
}

impl State {
    /// Pending as long as the connection rests and nothing comes.
    pub(super) fn poll_hibernating(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.wire {
            Wire::Resting(meter) => meter.poll_ahead(cx),
            Wire::Awake(_) | Wire::Gone => Poll::Ready(Ok(())),
        }
    }

    /// Ready when the silence has called for something.
    pub(super) fn poll_keepalive(
        &mut self,
        cx: &mut Context<'_>,
        pulse: &mut Keepalive,
    ) -> Poll<()> {
        let meter = self.wire.meter();
        let (heard, coming) = match meter {
            Some(meter) => (meter.heard(), meter.coming()),
            None => return Poll::Ready(()),
        };
        let used = matches!(self.wire, Wire::Awake(_)).then_some(self.used);
        match pulse.poll(cx, heard, coming, used) {
            // Or later, if it is in use after all.
            Poll::Ready(KeepaliveAction::Rest) => {
                let flushed = matches!(self.flush_for_reader(cx), Poll::Ready(Ok(())));
                // Or later, if it is in use after all.
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

    /// Lets go of the library with its buffers, in which what was received would stand until
    /// something else comes over it, and which are most of what a silent connection would take.
    /// Only when the library has nothing left to write. True when that was done, and there is to be
    /// read anew.
    pub(super) fn hibernate(&mut self) -> bool {
        let closing = self.heard_close || self.said_close || self.ended.is_some();
        // A sender may have left something with the library, and a message may be half read.
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

    /// Whether it is time to rest as soon as there is silence: always when something was received,
    /// which is not to stand in a buffer; else unless it would be woken again at once.
    pub(super) fn may_hibernate(&self) -> bool {
        self.stale || self.woken.1 < BUSY
    }

    /// The library, with the connection.
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
            // Who looks after the silence looks after the rest.
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
