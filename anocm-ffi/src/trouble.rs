//! What is wrong in a room.

use anocm_core::room;

use crate::{Retention, member::id_text};

/// Something wrong, short of the room's end.
#[derive(Clone, PartialEq, Eq, uniffi::Enum)]
#[uniffi::export(Debug, Display)]
#[non_exhaustive]
pub enum Trouble {
    /// Messages of a member are missing although the log has no place for them: the relay withheld
    /// them, or their sender skipped numbers. A client cannot tell which.
    Gap {
        /// Whose: a member's id.
        sender: String,
        /// How many.
        count: u64,
    },
    /// Entries were live or had expired before this guest could see them: as a rule while away, or
    /// by the age that the relay told.
    Missed {
        /// How many entries.
        count: u64,
    },
    /// An entry that does not open.
    Unreadable {
        /// Its place in the room's log.
        seq: u64,
    },
    /// A member said something under a number that they had used before. It is not shown.
    Repeated {
        /// Who: a member's id.
        by: String,
    },
    /// A membership change that the room's rules forbid was appended. Until it is taken back, a join
    /// by any member and a commit by the owner, nothing can be said.
    Broken {
        /// By whom, if the signature tells: a member's id.
        by: Option<String>,
    },
    /// A change that this guest makes for all cannot be made.
    CannotCommit,
    /// The relay contradicts itself or the members.
    DishonestRelay,
    /// The relay takes nothing new because its memory-only promise is broken.
    ReadOnly,
    /// The log no longer reaches back far enough: the guest came back through the door.
    Rejoined,
    /// The relay allows less than was asked for: the room was opened with this.
    LessThanAsked {
        /// The longest that a message may be kept.
        max_retention: Retention,
        /// How many seconds the room outlives its last connection.
        linger_seconds: u64,
        /// The age in seconds at which the room ends.
        max_age_seconds: u64,
        /// The most entries that the relay keeps at one time.
        max_entries: u32,
        /// The most bytes of sealed entries that the relay keeps at one time.
        max_bytes: u64,
    },
}

shown_as_variant!(Trouble: Gap, Missed, Unreadable, Repeated, Broken, CannotCommit, DishonestRelay, ReadOnly, Rejoined, LessThanAsked);

impl Trouble {
    /// `None` for what these bindings have no name for.
    pub(crate) fn new(trouble: room::Trouble) -> Option<Self> {
        Some(match trouble {
            room::Trouble::Gap { from, count } => Self::Gap { sender: id_text(&from), count },
            room::Trouble::Missed { count } => Self::Missed { count },
            room::Trouble::Unreadable { seq } => Self::Unreadable { seq: seq.value() },
            room::Trouble::Repeated { by } => Self::Repeated { by: id_text(&by) },
            room::Trouble::Broken { by } => Self::Broken { by: by.as_ref().map(id_text) },
            room::Trouble::CannotCommit => Self::CannotCommit,
            room::Trouble::DishonestRelay => Self::DishonestRelay,
            room::Trouble::ReadOnly => Self::ReadOnly,
            room::Trouble::Rejoined => Self::Rejoined,
            room::Trouble::LessThanAsked { policy } => Self::LessThanAsked {
                max_retention: policy.max_retention.into(),
                linger_seconds: policy.linger().as_secs(),
                max_age_seconds: policy.max_age().as_secs(),
                max_entries: policy.max_entries,
                max_bytes: policy.max_bytes,
            },
            _ => return None,
        })
    }
}
