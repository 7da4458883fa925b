//! The connection to the relay.

use anocm_core::room;

use crate::{TransportFailure, message::millis};

/// The state of the connection to the relay.
#[derive(Clone, Copy, Debug, PartialEq, Eq, uniffi::Enum)]
#[non_exhaustive]
pub enum Connection {
    /// Connecting, for the first time or again.
    Connecting,
    /// Connected and catching up with the room's log.
    CatchingUp,
    /// Connected and up to date.
    Online,
    /// Waiting before the next attempt.
    Waiting {
        /// Milliseconds until the next attempt.
        retry_in_millis: u64,
        /// Why the last attempt failed.
        why: TransportFailure,
    },
}

impl From<room::Connection> for Connection {
    fn from(connection: room::Connection) -> Self {
        match connection {
            room::Connection::CatchingUp => Self::CatchingUp,
            room::Connection::Online => Self::Online,
            room::Connection::Waiting { retry_in, why } => {
                Self::Waiting { retry_in_millis: millis(retry_in), why: why.into() }
            }
            _ => Self::Connecting,
        }
    }
}
