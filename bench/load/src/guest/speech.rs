//! The protocol for each kind of server.

use std::sync::Arc;

use anocm_core::Payload;

use super::{
    GuestError, mqtt,
    room::{RawRoom, random},
    socket::Opened,
};

/// How the guests of a room communicate with a server.
#[derive(Clone, Debug)]
pub(crate) enum Speech {
    /// The relay's own protocol.
    Relay(Arc<RawRoom>),
    /// Everything sent is broadcast to all connections; there is nothing to join.
    Plain(Arc<RawRoom>),
    /// MQTT over WebSocket, one topic.
    Mqtt(Arc<RawRoom>),
}

/// A message ready to be marked and sent.
#[derive(Debug)]
pub(crate) struct Template {
    pub(crate) message: Vec<u8>,
    /// Offset of its mark.
    pub(crate) mark: usize,
}

impl Speech {
    /// Joins the room. The `first` guest opens it.
    pub(crate) async fn enter(&self, guest: &mut Opened, first: bool) -> Result<(), GuestError> {
        match self {
            Self::Relay(room) if first => room.create(guest).await,
            Self::Relay(room) => room.enter(guest).await,
            Self::Plain(_) => Ok(()),
            Self::Mqtt(_) => {
                let connected = guest.ask(&mqtt::connect()).await?;
                let subscribed = guest.ask(&mqtt::subscribe()).await?;
                if mqtt::is_connected(&connected) && mqtt::is_subscribed(&subscribed) {
                    Ok(())
                } else {
                    Err(GuestError::Protocol)
                }
            }
        }
    }

    /// Returns a message of random bytes whose receivers get `size` of them at its end. For servers
    /// other than the relay it is exactly the frame that the relay would send.
    pub(crate) fn template(&self, size: usize) -> Result<Template, GuestError> {
        let mut sealed = vec![0; size];
        for chunk in sealed.chunks_mut(32) {
            for (to, from) in chunk.iter_mut().zip(random::<32>()?) {
                *to = from;
            }
        }
        let sealed = Payload::from(sealed);
        let (message, after) = match self {
            Self::Relay(room) => (room.publication(sealed).to_vec(), 1),
            Self::Plain(room) => (room.event(sealed).to_vec(), 0),
            Self::Mqtt(room) => (mqtt::publish(&room.event(sealed)), 0),
        };
        let mark = message.len().saturating_sub(size).saturating_sub(after);
        Ok(Template { message, mark })
    }
}
