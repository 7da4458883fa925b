//! What can go wrong in a session, by who is at fault.

use crate::id::MemberId;

/// Something that cannot happen with the libraries this is built on; never an outside input.
#[derive(Clone, Copy, Debug)]
pub(super) struct Fault;

/// A call that a session does not carry out. Nothing has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SessionError {
    /// Nobody of that id or key is in the room.
    #[error("there is no such member")]
    NoSuchMember,
    /// The room's rules forbid it to this member, or to everyone.
    #[error("not allowed in this room")]
    NotAllowed,
    /// Longer than what a sealed entry or a field of it can hold.
    #[error("longer than {limit} bytes")]
    TooLong {
        /// The limit in bytes.
        limit: usize,
    },
    /// An own commit waits for its place in the log.
    #[error("an own commit is waiting")]
    Pending,
    /// No own commit waits.
    #[error("no own commit is waiting")]
    NotPending,
    /// This member was removed: the session is over.
    #[error("no longer in the room")]
    Removed,
    /// The cryptography failed.
    #[error("internal failure")]
    Internal,
}

/// An entry that was not taken in. The session is as it was and goes on in its epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// It does not open: of another epoch, tampered with, or not ours. Deliberately says no more.
    #[error("the entry does not open")]
    Decrypt,
    /// It opens, so it comes from somebody inside, and holds no message that can be read:
    /// repeated, re-sealed with another retention, or never lawful. Deliberately says no more.
    #[error("the entry holds nothing that can be read")]
    Spoilt,
    /// A commit or join that opens and that the room's rules forbid: no member accepts it.
    #[error("the entry is a membership change that the room's rules forbid")]
    Forbidden {
        /// By whom, if the signature tells.
        by: Option<MemberId>,
    },
    /// A commit or join that opens, and whose path does not decrypt for this member: whether it
    /// does for others cannot be seen from here.
    #[error("the entry is a membership change that this member cannot follow")]
    Garbled {
        /// By whom, if the signature tells.
        by: Option<MemberId>,
    },
    /// This member was removed: the session is over.
    #[error("no longer in the room")]
    Removed,
    /// The cryptography failed.
    #[error("internal failure")]
    Internal,
}

/// Why a door could not be gone through.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum JoinError {
    /// The secret of the link does not open what the door shows.
    #[error("the door does not open with this link")]
    WrongLink,
    /// It opens, and behind it is no lawful room of this protocol.
    #[error("what is behind the door is not a lawful room")]
    BadDoor,
    /// The room has as many members as a room can have.
    #[error("the room has as many members as a room can have")]
    Full,
    /// The relay keeps the room by other rules than its members.
    #[error("the relay's rules are not those of the room")]
    PolicyMismatch,
    /// The cryptography failed.
    #[error("internal failure")]
    Internal,
}

impl From<Fault> for SessionError {
    fn from(_: Fault) -> Self {
        Self::Internal
    }
}

impl From<Fault> for OpenError {
    fn from(_: Fault) -> Self {
        Self::Internal
    }
}

impl From<Fault> for JoinError {
    fn from(_: Fault) -> Self {
        Self::Internal
    }
}
