//! What a relay answers and tells.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{Door, LogItem, Posture, Puzzle, RequestId};
use crate::{
    id::{Epoch, RoomAddress, Seq},
    retention::Retention,
};

/// A frame from relay to client, after the hello.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum RelayFrame {
    /// The answer to a request.
    Reply {
        /// As in the request.
        id: RequestId,
        /// The answer, or why not.
        result: Result<Reply, Refusal>,
    },
    /// Something that happened, unasked.
    Event(Event),
}

/// A granted request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Reply {
    /// To `Create`, `Void`, `Close`, `Detach` and `Work`.
    Done,
    /// To `Look`.
    Door(Door),
    /// To `Join` and `Publish`: the entry's place in the log.
    Accepted {
        /// The place.
        seq: Seq,
    },
    /// To `Enter`.
    Entered(Entered),
    /// To `Read`.
    Page(Page),
}

/// Where a proven epoch stands in the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entered {
    /// The room's current epoch. When it is the proven one, the connection now watches.
    pub current: Epoch,
    /// The place of the entry that began the proven epoch; [`Seq::START`] for epoch 0.
    pub began: Seq,
    /// The last place in the log.
    pub head: Seq,
}

/// Part of the log, in order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Page {
    /// The entries that are left of it.
    pub items: Vec<LogItem>,
    /// The page speaks for every place up to here: one that is missing was live, has expired or
    /// was voided.
    pub reaches: Seq,
    /// Whether the log, as far as the proven epoch opens it, goes on after `reaches`.
    pub more: bool,
}

/// A request that was not granted. The room is as it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// There is no such room, or no longer.
    #[error("there is no such room")]
    NoSuchRoom,
    /// Another room has this address.
    #[error("the address is in use")]
    AddressInUse,
    /// The token is wrong, or nothing sufficient was proven.
    #[error("not admitted")]
    NotAdmitted,
    /// The room has moved on.
    #[error("sealed for an epoch that is not the current one")]
    StaleEpoch {
        /// The room's epoch now.
        current: Epoch,
    },
    /// Longer than the room's policy allows.
    #[error("retention above the room's largest ({max})")]
    RetentionTooLong {
        /// The most it allows.
        max: Retention,
    },
    /// The request contradicts itself or its size is not one of those allowed.
    #[error("not a lawful request")]
    Unlawful,
    /// The room or the relay is at its limit; nothing that was kept is lost.
    #[error("the room or the relay is full")]
    Full,
    /// Too many requests of this kind; try again later.
    #[error("too busy, try again in {retry_after} ms")]
    Busy {
        /// Milliseconds to wait.
        retry_after: u32,
    },
    /// The relay's memory-only promise is broken: it takes nothing new.
    #[error("the relay is read-only because its memory-only promise is broken")]
    ReadOnly,
    /// The relay's store cannot be reached; try again.
    #[error("the relay's store cannot be reached")]
    Unavailable,
    /// The relay is under load: to create or join this room, or to look through its door, solve
    /// this first, see
    /// [`Request::Work`](super::Request::Work).
    #[error("the relay is under load and asks for work")]
    WorkNeeded(Puzzle),
    /// Others are coming in: look again at this time exactly, which is then yours.
    #[error("others are coming in, look again in {retry_after} ms")]
    Crowded {
        /// Milliseconds to wait.
        retry_after: u32,
    },
}

impl Refusal {
    /// Its name in snake case, for programs and metrics. Never changes.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::NoSuchRoom => "no_such_room",
            Self::AddressInUse => "address_in_use",
            Self::NotAdmitted => "not_admitted",
            Self::StaleEpoch { .. } => "stale_epoch",
            Self::RetentionTooLong { .. } => "retention_too_long",
            Self::Unlawful => "unlawful",
            Self::Full => "full",
            Self::Busy { .. } => "busy",
            Self::ReadOnly => "read_only",
            Self::Unavailable => "unavailable",
            Self::WorkNeeded(_) => "work_needed",
            Self::Crowded { .. } => "crowded",
        }
    }

    /// How long the relay wants to be left alone, if it says so.
    #[must_use]
    pub const fn retry_after(self) -> Option<Duration> {
        match self {
            Self::Busy { retry_after } | Self::Crowded { retry_after } => {
                Some(Duration::from_millis(retry_after as u64))
            }
            _ => None,
        }
    }

    /// Whether the same request can succeed later without any change.
    #[must_use]
    pub const fn is_retryable(self) -> bool {
        matches!(
            self,
            Self::Full
                | Self::Busy { .. }
                | Self::ReadOnly
                | Self::Unavailable
                | Self::Crowded { .. }
        )
    }
}

/// Something that happened, told unasked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Event {
    /// A new entry of a watched room.
    Entry {
        /// The room.
        address: RoomAddress,
        /// The entry at its place.
        item: LogItem,
    },
    /// The owner took back a commit or join; the log goes on after `seq` in epoch `epoch`.
    Voided {
        /// The room.
        address: RoomAddress,
        /// The place of the entry that was taken back.
        seq: Seq,
        /// The epoch that goes on.
        epoch: Epoch,
    },
    /// The connection did not prove the current epoch in time and no longer watches.
    Lapsed {
        /// The room.
        address: RoomAddress,
    },
    /// The connection was too slow: it still watches, but entries after `after` were left out and
    /// are to be read.
    Lagging {
        /// The room.
        address: RoomAddress,
        /// The last place that was sent.
        after: Seq,
    },
    /// The room has ended.
    Closed {
        /// The room.
        address: RoomAddress,
        /// Why.
        reason: CloseReason,
    },
    /// The relay is stopping; the connection is closed next.
    GoingAway {
        /// Whether its rooms end with it.
        rooms_end: bool,
    },
    /// The relay's statement about its memory-only promise has changed.
    Posture(Posture),
}

impl Event {
    /// The room that it is about; `None` when it is about the connection.
    #[must_use]
    pub const fn address(&self) -> Option<&RoomAddress> {
        match self {
            Self::Entry { address, .. }
            | Self::Voided { address, .. }
            | Self::Lapsed { address }
            | Self::Lagging { address, .. }
            | Self::Closed { address, .. } => Some(address),
            Self::GoingAway { .. } | Self::Posture(_) => None,
        }
    }
}

/// Why a room ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub enum CloseReason {
    /// Its owner closed it.
    Owner,
    /// It reached its largest age.
    Age,
    /// Nobody was connected for its linger, or the store lost it.
    Gone,
}
