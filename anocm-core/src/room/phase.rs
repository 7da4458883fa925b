//! Whether this guest is in the room.

use super::joining::attempt::Joining;
use crate::session::Session;

/// Whether this guest is in the room.
pub(crate) enum Phase {
    /// Not in the room yet, or rejoining.
    Joining(Box<Joining>),
    /// In the room.
    Inside(Box<Session>),
    Over,
}
