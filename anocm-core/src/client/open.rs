//! The driver's state of an open connection.

use std::{pin::Pin, sync::Arc, time::Duration};

use super::{registry::Hosted, suspension::Suspensions, wire::Wire};
use crate::{room::Machine, secret::Payload, time::Timestamp, transport::TransportError};

/// How long a room's event queue may stay full before the connection is closed.
pub(super) const FULL_FOR: Duration = Duration::from_secs(10);
/// How long a failed connection is kept to finish: to read the relay's remaining frames when
/// nothing can be sent any more, and to close after a protocol error.
pub(super) const LAST_WORDS: Duration = Duration::from_secs(2);

#[cfg(not(target_arch = "wasm32"))]
pub(super) type Boxed<T> = Pin<Box<dyn Future<Output = T> + Send>>;
#[cfg(target_arch = "wasm32")]
pub(super) type Boxed<T> = Pin<Box<dyn Future<Output = T>>>;

/// An open connection.
pub(super) struct Open {
    pub(super) wire: Wire,
    pub(super) since: Timestamp,
    /// Rooms that have been notified of this connection.
    greeted: Vec<Arc<Hosted>>,
    /// Frames not yet passed to the link.
    pub(super) outgoing: Vec<Payload>,
    pub(super) sending: Option<Boxed<Result<(), TransportError>>>,
    /// Since when frames are left unread because a room's event queue is full.
    full_since: Option<Timestamp>,
    /// Since when sending fails, and why. Frames that the relay sent before are still read.
    pub(super) mute: Option<(Timestamp, TransportError)>,
    pub(super) stalls: Suspensions,
}

/// What woke the driver.
pub(super) enum Woken {
    Called,
    Deadline,
    Connected(Result<Wire, TransportError>),
    Sent(Result<(), TransportError>),
    Received(Result<Option<Payload>, TransportError>),
}

impl Open {
    pub(super) const fn new(wire: Wire, now: Timestamp) -> Self {
        Self {
            wire,
            since: now,
            greeted: Vec::new(),
            outgoing: Vec::new(),
            sending: None,
            full_since: None,
            mute: None,
            stalls: Suspensions::new(now),
        }
    }

    /// Collects a room's requests; first announces the connection to the room.
    pub(super) fn collect(&mut self, room: &Arc<Hosted>, machine: &mut Machine, now: Timestamp) {
        if !self.greeted.iter().any(|known| Arc::ptr_eq(known, room)) {
            self.greeted.push(room.clone());
            machine.connected(now, self.wire.posture);
        }
        while let Some((ticket, request)) = machine.poll_request() {
            self.outgoing.push(self.wire.frame(room, ticket, request, now));
        }
        if machine.is_over() {
            self.greeted.retain(|known| !Arc::ptr_eq(known, room));
        }
    }

    /// Returns when this connection is to be closed: sending fails, a reply is overdue, or events
    /// are fetched so slowly that entries would be delivered with understated ages. Reading the log
    /// later yields the true ages.
    pub(super) fn gives_up(
        &mut self,
        now: Timestamp,
        answer_timeout: Duration,
    ) -> Option<Timestamp> {
        let hungry = self.is_hungry();
        if !hungry {
            self.full_since.get_or_insert(now);
        }
        let full = self.full_since.map(|since| since.saturating_add(FULL_FOR));
        // While nothing is read, no reply can arrive.
        let owed = self.wire.waits_since().filter(|_| hungry);
        let owed = owed.map(|since| since.saturating_add(answer_timeout));
        let mute = self.mute.map(|(since, _)| since.saturating_add(LAST_WORDS));
        [owed, full, mute].into_iter().flatten().min()
    }

    fn is_hungry(&self) -> bool {
        self.greeted.iter().all(|room| room.machine().has_room_for_events())
    }

    /// Whether everything was passed to the link and sent.
    pub(super) fn is_drained(&self) -> bool {
        self.sending.is_none() && self.outgoing.is_empty()
    }

    /// Passes the queued frames to the link, unless it is still sending.
    pub(super) fn send(&mut self) {
        if self.sending.is_none() && self.mute.is_none() && !self.outgoing.is_empty() {
            let (link, frames) = (self.wire.link.clone(), std::mem::take(&mut self.outgoing));
            self.sending = Some(Box::pin(async move { link.send(&frames).await }));
        }
    }

    /// Waits for the link. Backpressure: does not read while a room's event queue is full.
    pub(super) async fn wait(&mut self) -> Woken {
        let hungry = self.is_hungry();
        let Self { sending, wire, full_since, .. } = self;
        let sent = async {
            match sending {
                Some(sending) => sending.await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            result = sent => {
                self.sending = None;
                Woken::Sent(result)
            }
            received = wire.link.recv(), if hungry => Woken::Received(received),
            // Nothing is left unread: frames from here on state their true age.
            () = std::future::ready(()), if hungry && full_since.is_some() => {
                *full_since = None;
                Woken::Called
            }
        }
    }
}
