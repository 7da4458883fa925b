//! Connecting, greeting, and which reply belongs to which room.

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

/// A connection that was greeted.
pub(super) struct Wire {
    pub(super) link: Arc<dyn Link>,
    pub(super) posture: Posture,
    /// In the order of asking: ids grow.
    asked: BTreeMap<RequestId, Asked>,
    next: RequestId,
}

struct Asked {
    room: Arc<Hosted>,
    ticket: Ticket,
    at: Timestamp,
}

/// What a frame from the relay is about.
pub(super) enum Received {
    Reply(Arc<Hosted>, Ticket, Result<crate::wire::Reply, crate::wire::Refusal>),
    Event(Event),
    /// The answer to something nobody waits for.
    Stray,
}

impl Wire {
    /// Opens a link and exchanges hellos, which may take so long.
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
                Ok(Self { link, posture, asked: BTreeMap::new(), next: 0 })
            }
            _ => {
                link.close(Closing::Protocol).await;
                Err(TransportError::Refused)
            }
        }
    }

    /// The frame that carries a room's request.
    pub(super) fn frame(
        &mut self,
        room: &Arc<Hosted>,
        ticket: Ticket,
        request: Request,
        at: Timestamp,
    ) -> Payload {
        self.next = self.next.wrapping_add(1);
        self.asked.insert(self.next, Asked { room: room.clone(), ticket, at });
        encode(&ClientFrame { id: self.next, request })
    }

    /// Since when an answer is owed.
    pub(super) fn waits_since(&self) -> Option<Timestamp> {
        self.asked.first_key_value().map(|(_, asked)| asked.at)
    }

    /// Reads a frame from the relay.
    pub(super) fn receive(&mut self, frame: &Payload) -> Result<Received, WireError> {
        Ok(match decode(frame, MAX_FRAME)? {
            RelayFrame::Reply { id, result } => match self.asked.remove(&id) {
                Some(Asked { room, ticket, .. }) => Received::Reply(room, ticket, result),
                None => Received::Stray,
            },
            RelayFrame::Event(event) => Received::Event(event),
        })
    }
}
