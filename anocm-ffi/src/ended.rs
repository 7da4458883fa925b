//! Why a room is over.

use anocm_core::{room, wire};

use crate::{JoinFailure, member::id_text};

/// Why a room is over for this guest.
#[derive(Clone, PartialEq, Eq, uniffi::Enum)]
#[uniffi::export(Debug, Display)]
#[non_exhaustive]
pub enum Ended {
    /// The guest left.
    Left,
    /// The guest was removed.
    Removed {
        /// By whom: a member's id.
        by: String,
    },
    /// The owner closed the room.
    Closed,
    /// The room reached its largest age.
    Aged,
    /// Nobody was connected for the room's linger, or the relay lost it.
    Gone,
    /// The guest could not get in, or not back in.
    NotLetIn {
        /// Why.
        why: JoinFailure,
    },
    /// The relay turned out dishonest, and the room cannot go on safely.
    DishonestRelay,
    /// The guest wiped it.
    Wiped,
}

shown_as_variant!(Ended: Left, Removed, Closed, Aged, Gone, NotLetIn, DishonestRelay, Wiped);

impl From<room::Ended> for Ended {
    fn from(ended: room::Ended) -> Self {
        match ended {
            room::Ended::Left => Self::Left,
            room::Ended::Removed { by } => Self::Removed { by: id_text(&by) },
            room::Ended::Closed(wire::CloseReason::Owner) => Self::Closed,
            room::Ended::Closed(wire::CloseReason::Age) => Self::Aged,
            room::Ended::NotLetIn(why) => Self::NotLetIn { why: why.into() },
            room::Ended::DishonestRelay => Self::DishonestRelay,
            room::Ended::Wiped => Self::Wiped,
            _ => Self::Gone,
        }
    }
}
