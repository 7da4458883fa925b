//! Problems in a room.

use anocm_core::room;

use crate::{Retention, member::id_text};

/// A problem that does not end the room.
#[derive(Clone, PartialEq, Eq, uniffi::Enum)]
#[uniffi::export(Debug, Display)]
#[non_exhaustive]
pub enum Trouble {
    /// Messages of a member are missing although the log has no gap: the relay withheld them, or
    /// their sender skipped numbers. A client cannot distinguish the two.
    Gap {
        /// The id of the member.
        sender: String,
        /// How many.
        count: u64,
    },
    /// Entries were live or had expired before this guest could receive them: usually while
    /// offline, or because of the age that the relay reported.
    Missed {
        /// How many entries.
        count: u64,
    },
    /// An entry that cannot be decrypted or parsed.
    Unreadable {
        /// Its sequence number in the room's log.
        seq: u64,
    },
    /// A member reused the number of an earlier message. The message is not shown.
    Repeated {
        /// The id of the member.
        by: String,
    },
    /// A membership change that the room's rules forbid was appended. No messages can be sent until
    /// it is rolled back: a join by any member, a commit by the owner.
    Broken {
        /// The id of the member that made it, if the signature identifies one.
        by: Option<String>,
    },
    /// This guest cannot make a commit that is due.
    CannotCommit,
    /// The relay contradicts itself or the members.
    DishonestRelay,
    /// The relay accepts no new entries because its memory-only promise is broken.
    ReadOnly,
    /// The log no longer reaches back far enough: the guest rejoined through the door.
    Rejoined,
    /// The relay allows less than was requested: the room was opened with these limits.
    LessThanAsked {
        /// The maximum retention of a message.
        max_retention: Retention,
        /// How many seconds the room outlives its last connection.
        linger_seconds: u64,
        /// The age in seconds at which the room ends.
        max_age_seconds: u64,
        /// The maximum number of entries that the relay keeps at one time.
        max_entries: u32,
        /// The maximum total size of the sealed entries that the relay keeps at one time, in bytes.
        max_bytes: u64,
    },
}

shown_as_variant!(Trouble: Gap, Missed, Unreadable, Repeated, Broken, CannotCommit, DishonestRelay, ReadOnly, Rejoined, LessThanAsked);

impl Trouble {
    /// Returns `None` for a problem that these bindings do not know.
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
