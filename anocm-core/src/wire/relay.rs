//! What a relay sends: replies and events.

use std::{fmt, time::Duration};

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
    /// The reply to a request.
    Reply {
        /// The id of the request.
        id: RequestId,
        /// The reply, or the reason of the refusal.
        result: Result<Reply, Refusal>,
    },
    /// An unsolicited event.
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
    /// To `Join` and `Publish`: the entry was appended to the log.
    Accepted {
        /// The entry's sequence number.
        seq: Seq,
    },
    /// To `Enter`.
    Entered(Entered),
    /// To `Read`.
    Page(Page),
}

/// The position of a proven epoch in the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entered {
    /// The room's current epoch. When it is the proven one, the connection is now subscribed.
    pub current: Epoch,
    /// The sequence number of the entry that began the proven epoch; [`Seq::START`] for epoch 0.
    pub began: Seq,
    /// The last sequence number in the log.
    pub head: Seq,
}

/// Part of the log, in order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Page {
    /// The kept entries of this part.
    pub items: Vec<LogItem>,
    /// The last sequence number that the page covers. An entry missing up to here was live, has
    /// expired or was voided.
    pub reaches: Seq,
    /// Whether the part of the log that the proven epoch gives access to continues after `reaches`.
    pub more: bool,
}

/// A refused request. The room is unchanged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// The room does not exist, or no longer exists.
    #[error("there is no such room")]
    NoSuchRoom,
    /// Another room has this address.
    #[error("the address is in use")]
    AddressInUse,
    /// The token is wrong, or the connection has not proven a sufficient epoch.
    #[error("not admitted")]
    NotAdmitted,
    /// The room is in a later epoch.
    #[error("sealed for an epoch that is not the current one")]
    StaleEpoch {
        /// The room's epoch now.
        current: Epoch,
    },
    /// Longer than the room's policy allows.
    #[error("retention above the room's largest ({max})")]
    RetentionTooLong {
        /// The maximum that it allows.
        max: Retention,
    },
    /// The request contradicts itself, or its size is not an allowed one.
    #[error("not a valid request")]
    Unlawful,
    /// The room or the relay is at its limit. No kept entry is lost.
    #[error("the room or the relay is full")]
    Full,
    /// Too many requests of this kind; try again later.
    #[error("too busy, try again in {retry_after} ms")]
    Busy {
        /// Milliseconds to wait.
        retry_after: u32,
    },
    /// The relay's memory-only promise is broken: it accepts no new data.
    #[error("the relay is read-only because its memory-only promise is broken")]
    ReadOnly,
    /// The relay's store cannot be reached; try again.
    #[error("the relay's store cannot be reached")]
    Unavailable,
    /// The relay is under load. To create or join this room, or to look through its door, solve
    /// this proof of work first: see [`Request::Work`](super::Request::Work).
    #[error("the relay is under load and asks for work")]
    WorkNeeded(Puzzle),
    /// Other clients are joining. Look again at exactly this time, which is reserved for this
    /// client.
    #[error("others are coming in, look again in {retry_after} ms")]
    Crowded {
        /// Milliseconds to wait.
        retry_after: u32,
    },
}

impl Refusal {
    /// Returns the name in snake case, for programs and metrics. Never changes.
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

    /// Returns the delay before a retry, if the relay states one.
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

/// An unsolicited notification from the relay.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Event {
    /// A new entry of a watched room.
    Entry {
        /// The room.
        address: RoomAddress,
        /// The entry with its sequence number.
        item: LogItem,
    },
    /// A commit or join was voided; the log continues after `seq` in epoch `epoch`.
    Voided {
        /// The room.
        address: RoomAddress,
        /// The sequence number of the voided entry.
        seq: Seq,
        /// The restored epoch.
        epoch: Epoch,
    },
    /// The connection did not prove the current epoch in time and is no longer subscribed.
    Lapsed {
        /// The room.
        address: RoomAddress,
    },
    /// The connection was too slow. It is still subscribed, but entries after `after` were left out
    /// and have to be read from the log.
    Lagging {
        /// The room.
        address: RoomAddress,
        /// The last sequence number that was sent.
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
    /// Returns the room that the event concerns; `None` when it concerns the connection.
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
    /// No connection used it for its linger, or the store lost it.
    Gone,
}

impl fmt::Display for CloseReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Owner => "its owner closed it",
            Self::Age => "it reached its largest age",
            Self::Gone => "no connection used it for its linger time, or the relay lost it",
        })
    }
}
