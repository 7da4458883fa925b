//! What is said to which server.

use std::sync::Arc;

use anocm_core::Payload;

use super::{
    GuestError, mqtt,
    room::{RawRoom, random},
    socket::Opened,
};

/// How guests of one room speak to a server.
#[derive(Clone, Debug)]
pub(crate) enum Speech {
    /// The relay's own protocol.
    Relay(Arc<RawRoom>),
    /// Whatever is sent goes to all; whoever is connected is in.
    Plain(Arc<RawRoom>),
    /// MQTT over WebSocket, one topic.
    Mqtt(Arc<RawRoom>),
}

/// A message ready to be marked and sent.
#[derive(Debug)]
pub(crate) struct Template {
    pub(crate) message: Vec<u8>,
    /// Where its mark goes.
    pub(crate) mark: usize,
}

impl Speech {
    /// Gets in. The `first` guest opens the room.
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

    /// A message of random bytes whose receivers get `size` of them last. To servers other than
    /// the relay it is the very frame that the relay would send.
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
