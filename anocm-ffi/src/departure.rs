//! How a member left.

use anocm_core::room::Departure as How;

use crate::member::id_text;

/// How a member left a room.
#[derive(Clone, PartialEq, Eq, uniffi::Enum)]
#[uniffi::export(Debug, Display)]
#[non_exhaustive]
pub enum Departure {
    /// The member left on their own.
    Left,
    /// Another member removed them.
    Removed {
        /// The id of the member that removed them.
        by: String,
    },
}

shown_as_variant!(Departure: Left, Removed);

impl From<How> for Departure {
    fn from(how: How) -> Self {
        match how {
            How::Removed { by } => Self::Removed { by: id_text(&by) },
            _ => Self::Left,
        }
    }
}
