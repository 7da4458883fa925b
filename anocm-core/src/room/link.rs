//! The state of a machine's connection.

use super::Connection;
use crate::{time::Timestamp, transport_error::TransportError, wire::Posture};

/// The state of the connection that all parts of a room share.
pub(super) struct Link {
    pub(super) up: bool,
    /// Refused requests are not retried before this time.
    pub(super) retry_at: Option<Timestamp>,
    /// How often in a row a retry was delayed.
    pub(super) attempts: u32,
    /// The state that is shown.
    pub(super) shown: Connection,
    /// The relay's statement about its memory-only promise.
    pub(super) posture: Posture,
}

impl Link {
    /// A connection that is up and has completed its hello.
    pub(super) const fn up(posture: Posture) -> Self {
        Self { up: true, ..Self::down(posture) }
    }

    pub(super) const fn down(posture: Posture) -> Self {
        Self { up: false, retry_at: None, attempts: 0, shown: Connection::Connecting, posture }
    }
}

impl Connection {
    /// Returns [`Connection::Waiting`] for `retry_in` after the failure `why`.
    #[must_use]
    pub const fn retrying(retry_in: std::time::Duration, why: TransportError) -> Self {
        Self::Waiting { retry_in, why }
    }
}
