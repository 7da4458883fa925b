//! How somebody left.

use anocm_core::session::Departure as How;

use crate::member::id_text;

/// How somebody left a room.
#[derive(Clone, PartialEq, Eq, uniffi::Enum)]
#[uniffi::export(Debug, Display)]
#[non_exhaustive]
pub enum Departure {
    /// Of their own will.
    Left,
    /// Somebody removed them.
    Removed {
        /// Who did: a member's id.
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
