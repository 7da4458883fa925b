//! Connects, exchanges hellos, and assigns replies to rooms.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use super::registry::Hosted;
use crate::{
    room::Ticket,
    secret::Payload,
    time::{Clock, Timestamp},
    transport::{Closing, Link, Transport, TransportError},
    wire::{
        ClientFrame, ClientHello, Event, Hello, MAX_FRAME, Posture, RelayFrame, RelayHello,
        Request, RequestId, WireError, decode, encode,
    },
};

/// A connection after the exchange of hellos.
pub(super) struct Wire {
    pub(super) link: Arc<dyn Link>,
    pub(super) posture: Posture,
    /// Pending requests. Ids ascend, so the oldest request is first.
    pending: BTreeMap<RequestId, PendingRequest>,
    next: RequestId,
}

struct PendingRequest {
    room: Arc<Hosted>,
    ticket: Ticket,
    at: Timestamp,
}

/// The content of a frame from the relay.
pub(super) enum Received {
    Reply(Arc<Hosted>, Ticket, Result<crate::wire::Reply, crate::wire::Refusal>),
    Event(Event),
    /// The reply to a request that is not pending.
    Stray,
}

impl Wire {
    /// Opens a link and exchanges hellos; `greeting_timeout` limits the exchange.
    pub(super) async fn connect(
        transport: Arc<dyn Transport>,
        clock: Arc<dyn Clock>,
        greeting_timeout: Duration,
    ) -> Result<Self, TransportError> {
        let link: Arc<dyn Link> = Arc::from(transport.connect().await?);
        let until = clock.now().saturating_add(greeting_timeout);
        tokio::select! {
            biased;
            greeted = Self::greet(link) => greeted,
            () = clock.sleep_until(until) => Err(TransportError::Unreachable),
        }
    }

    async fn greet(link: Arc<dyn Link>) -> Result<Self, TransportError> {
        link.send(&[ClientHello::default().to_frame()]).await?;
        let frame = link.recv().await?.ok_or(TransportError::Refused)?;
        match RelayHello::from_frame(&frame) {
            Ok(RelayHello::Welcome { version: crate::wire::VERSION, posture }) => {
                Ok(Self { link, posture, pending: BTreeMap::new(), next: 0 })
            }
            _ => {
                link.close(Closing::Protocol).await;
                Err(TransportError::Refused)
            }
        }
    }

    /// Returns the frame that carries a room's request.
    pub(super) fn frame(
        &mut self,
        room: &Arc<Hosted>,
        ticket: Ticket,
        request: Request,
        at: Timestamp,
    ) -> Payload {
        self.next = self.next.wrapping_add(1);
        self.pending.insert(self.next, PendingRequest { room: room.clone(), ticket, at });
        encode(&ClientFrame { id: self.next, request })
    }

    /// Returns when the oldest pending request was made.
    pub(super) fn waits_since(&self) -> Option<Timestamp> {
        self.pending.first_key_value().map(|(_, request)| request.at)
    }

    /// Decodes a frame from the relay.
    pub(super) fn receive(&mut self, frame: &Payload) -> Result<Received, WireError> {
        Ok(match decode(frame, MAX_FRAME)? {
            RelayFrame::Reply { id, result } => match self.pending.remove(&id) {
                Some(PendingRequest { room, ticket, .. }) => Received::Reply(room, ticket, result),
                None => Received::Stray,
            },
            RelayFrame::Event(event) => Received::Event(event),
        })
    }
}
