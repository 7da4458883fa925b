//! Why a room cannot be started.

use crate::setting::SettingError;

/// Why a room cannot be started.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ClientError {
    /// The operating system provides no randomness.
    #[error("the system gives no randomness")]
    NoRandomness,
    /// The client was shut down.
    #[error("the client was shut down")]
    ShutDown,
    /// The invite is for a room at another relay.
    #[error("the invite is for another relay")]
    OtherRelay,
    /// A setting of the room is out of range.
    #[error("the room's {0}")]
    Setting(#[source] SettingError),
    /// This client is in that room already.
    #[error("already in that room")]
    AlreadyThere,
    /// This client is in the maximum number of rooms: see
    /// [`ClientConfig::max_rooms`](super::ClientConfig::max_rooms).
    #[error("a client can be in {limit} rooms at one time: use another client for more")]
    TooManyRooms {
        /// The maximum.
        limit: usize,
    },
}
