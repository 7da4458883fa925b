//! Why a room has ended.

use anocm_core::{room, wire};

use crate::{JoinFailure, member::id_text};

/// Why a room has ended for this guest.
#[derive(Clone, PartialEq, Eq, uniffi::Enum)]
#[uniffi::export(Debug, Display)]
#[non_exhaustive]
pub enum Ended {
    /// The guest left.
    Left,
    /// The guest was removed.
    Removed {
        /// The id of the member that removed the guest.
        by: String,
    },
    /// The owner closed the room.
    Closed,
    /// The room reached its maximum age.
    Aged,
    /// There was no connection for the room's linger time, or the relay lost the room.
    Gone,
    /// The guest could not join, or not rejoin.
    NotLetIn {
        /// The reason.
        why: JoinFailure,
    },
    /// The relay was found to be dishonest, and the room cannot continue safely.
    DishonestRelay,
    /// The guest wiped the room.
    Wiped,
    /// The owner gave the room rules of a later version of the protocol.
    NewerProgram,
}

shown_as_variant!(Ended: Left, Removed, Closed, Aged, Gone, NotLetIn, DishonestRelay, Wiped, NewerProgram);

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
            room::Ended::NewerProgram => Self::NewerProgram,
            _ => Self::Gone,
        }
    }
}
