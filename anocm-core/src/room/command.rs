//! Commands to a room.

use std::{fmt, time::Duration};

use crate::{
    id::MemberId,
    name::Nickname,
    retention::{GuestRetention, Retention, RoomRetention},
    session::Role,
    setting::{SettingError, days},
    wire::{MAX_SEALED, Policy, Refusal},
};

/// The settings with which a room is opened.
///
/// # Examples
/// ```
/// use anocm_core::NewRoom;
///
/// let room = NewRoom { nickname: "Alice".parse()?, ..NewRoom::default() };
/// assert_eq!(room.retention.default_retention().to_string(), "5m");
/// # Ok::<(), anocm_core::NicknameError>(())
/// ```
#[derive(Clone, Debug)]
pub struct NewRoom {
    /// The owner's nickname.
    pub nickname: Nickname,
    /// Smallest, default and largest retention.
    pub retention: RoomRetention,
    /// How long the room outlives its last connection: from a second to 365 days.
    pub linger: Duration,
    /// The age at which the room ends in any case: from a second to 365 days.
    pub max_age: Duration,
    /// The most entries kept at one time: from 1 to 1,000,000,000.
    pub max_entries: u32,
    /// The most bytes of sealed entries kept at one time: from 64,000, the longest entry, to a
    /// million million.
    pub max_bytes: u64,
}

impl Default for NewRoom {
    /// A guest called "guest"; smallest live, default 5 minutes, largest 24 hours; linger 2
    /// minutes, largest age 7 days; 10,000 entries and 32 MB.
    fn default() -> Self {
        Self {
            nickname: Nickname::default(),
            retention: RoomRetention::default(),
            linger: Duration::from_secs(2 * 60),
            max_age: Duration::from_secs(7 * 24 * 3_600),
            max_entries: 10_000,
            max_bytes: 32_000_000,
        }
    }
}

impl NewRoom {
    /// Checks that every field is in its range. A relay may allow less.
    ///
    /// # Errors
    /// [`SettingError`] names the first field that is out of its range.
    pub fn check(&self) -> Result<(), SettingError> {
        let (times, allowed) = (Duration::from_secs(1)..=days(365), "from 1s to 365d");
        SettingError::unless_in(&times, &self.linger, "linger", allowed)?;
        SettingError::unless_in(&times, &self.max_age, "max_age", allowed)?;
        let entries = 1..=1_000_000_000;
        let allowed = "from 1 to 1,000,000,000";
        SettingError::unless_in(&entries, &self.max_entries, "max_entries", allowed)?;
        let bytes = MAX_SEALED as u64..=1_000_000_000_000;
        let allowed = "from 64,000 to 1,000,000,000,000 bytes";
        SettingError::unless_in(&bytes, &self.max_bytes, "max_bytes", allowed)
    }

    /// Returns the part of the settings that is sent to the relay. Commits and joins are kept as
    /// long as the longest message may be, and at least ten minutes.
    #[must_use]
    pub fn policy(&self) -> Policy {
        let millis = |duration: Duration| u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
        let at_least = Retention::keep(Duration::from_secs(600)).unwrap_or(Retention::Live);
        Policy {
            max_retention: self.retention.max(),
            handshakes: self.retention.max().max(at_least),
            linger: millis(self.linger),
            max_age: millis(self.max_age),
            max_entries: self.max_entries,
            max_bytes: self.max_bytes,
        }
    }
}

/// A guest's command to a room that the guest is in. Its `Debug` output reveals none of it.
#[derive(Clone)]
#[non_exhaustive]
pub enum Command {
    /// Send a message to all members.
    Send {
        /// The text, at most 15,000 bytes.
        text: String,
        /// `None`: the guest's default, else the room's.
        retention: Option<Retention>,
    },
    /// Send a message that only one member can read.
    Whisper {
        /// The recipient.
        to: MemberId,
        /// The text, at most 15,000 bytes.
        text: String,
        /// As in [`Command::Send`].
        retention: Option<Retention>,
    },
    /// Send content defined by the embedding program, which members receive as
    /// [`RoomEvent::Custom`](super::RoomEvent::Custom).
    Custom {
        /// The program's own type number, below 0x8000.
        kind: u16,
        /// At most 15,000 bytes.
        body: Vec<u8>,
        /// As in [`Command::Send`].
        retention: Option<Retention>,
    },
    /// Signal that this guest is typing: live, and dropped rather than queued.
    Typing,
    /// Change this guest's nickname.
    Rename(Nickname),
    /// Remove a member and replace the invite. Owner and moderators only.
    Remove(MemberId),
    /// Make a member a moderator, or a moderator a member, which replaces the invite. Owner only.
    SetRole(MemberId, Role),
    /// Change the retention that the room allows. Owner only; cannot exceed the policy with which
    /// the room was opened at the relay.
    SetRoomRetention(RoomRetention),
    /// Replace the invite: the old link no longer works. Owner and moderators only.
    ReplaceInvite,
    /// Commit fresh keys now. An attacker that copied this guest's keys and only listens can read
    /// nothing that is sent from the epoch on that the commit begins. Each client does so
    /// periodically without this command.
    RefreshKeys,
    /// Change this guest's own default and cap; messages already held are cut to the cap at once.
    SetGuestRetention(GuestRetention),
    /// Leave the room; when connected, after sending what was queued before, which may take five
    /// seconds. Ends with [`RoomEvent::Ended`](super::RoomEvent::Ended).
    Leave,
    /// End the room for all members. Owner only. Messages queued before are sent first, if that
    /// takes no longer than three seconds; nothing can be sent after it.
    Close,
}

impl fmt::Debug for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Command(..)")
    }
}

/// A command that cannot be carried out. The room is unchanged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CommandError {
    /// Not in the room yet, or no longer.
    #[error("not in the room")]
    NotInRoom,
    /// No such member.
    #[error("there is no such member")]
    NoSuchMember,
    /// Only the owner, or the owner and the moderators, may do this.
    #[error("not allowed in this room")]
    NotAllowed,
    /// Longer than a message can be.
    #[error("longer than {limit} bytes")]
    TooLong {
        /// The limit in bytes.
        limit: usize,
    },
    /// The message is empty.
    #[error("the message is empty")]
    Empty,
    /// The type number of custom content is 0x8000 or above.
    #[error("a type number of custom content is below 32768")]
    BadKind,
    /// The send queue is full.
    #[error("too much is waiting to be sent")]
    QueueFull,
    /// A retention policy that exceeds the one with which the room was opened at the relay.
    #[error("beyond what the room was opened with")]
    BeyondPolicy,
    /// The room is broken: see [`Trouble::Broken`](super::Trouble::Broken).
    #[error("the room is broken")]
    Broken,
}

/// Why a queued command was not sent in the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SendFailure {
    /// The relay refused it.
    #[error("the relay refused it: {0}")]
    Refused(#[source] Refusal),
    /// It expired before it could be sent.
    #[error("its time passed before it could be sent")]
    Expired,
    /// It could not be sealed, or the room ended first.
    #[error("it can no longer be sent")]
    Impossible,
    /// It was given up after it was sent and before the relay replied: others may have received it.
    #[error("it is unknown whether it was sent")]
    Unknown,
}
