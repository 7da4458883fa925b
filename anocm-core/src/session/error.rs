//! The errors of a session, by the party at fault.

use crate::id::MemberId;

/// A failure that cannot occur with the libraries this is built on; never caused by outside input.
#[derive(Clone, Copy, Debug)]
pub(super) struct Fault;

/// A call that the session rejected. Nothing has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SessionError {
    /// No member of the room has that id or key.
    #[error("there is no such member")]
    NoSuchMember,
    /// The room's rules forbid it to this member, or to every member.
    #[error("not allowed in this room")]
    NotAllowed,
    /// Longer than a sealed entry, or a field of it, can hold.
    #[error("longer than {limit} bytes")]
    TooLong {
        /// The limit in bytes.
        limit: usize,
    },
    /// An own commit is pending: its place in the log is not known yet.
    #[error("an own commit is waiting")]
    Pending,
    /// No own commit is pending.
    #[error("no own commit is waiting")]
    NotPending,
    /// This member was removed: the session is over.
    #[error("no longer in the room")]
    Removed,
    /// The cryptography failed.
    #[error("internal failure")]
    Internal,
}

/// An entry that was not accepted. The session is unchanged and stays in its epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// The seal does not open: the entry is of another epoch, was tampered with, or is not of this
    /// room. Deliberately gives no more detail.
    #[error("the entry does not open")]
    Decrypt,
    /// The seal opens, so the entry comes from a member, but it holds no readable message: it is
    /// repeated, was re-sealed with another retention, or was never valid. Deliberately gives no
    /// more detail.
    #[error("the entry holds nothing that can be read")]
    RatchetSkipped,
    /// A commit or join whose seal opens and that the room's rules forbid: no member accepts it.
    #[error("the entry is a membership change that the room's rules forbid")]
    Rejected {
        /// The sender, if the signature identifies it.
        by: Option<MemberId>,
    },
    /// A commit or join whose seal opens, but whose update path does not decrypt for this member.
    /// Whether it does for other members is unknown here.
    #[error("the entry is a membership change that this member cannot follow")]
    Garbled {
        /// The sender, if the signature identifies it.
        by: Option<MemberId>,
    },
    /// A commit of the owner whose settings have rules of a later version of the protocol: members
    /// that know them accept it, and this member cannot go on.
    #[error("the room needs a newer program")]
    NewerProgram,
    /// This member was removed: the session is over.
    #[error("no longer in the room")]
    Removed,
    /// The cryptography failed.
    #[error("internal failure")]
    Internal,
}

/// The reason for a failed join through a door.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum JoinError {
    /// The link's secret does not open the door's seal.
    #[error("the door does not open with this link")]
    WrongLink,
    /// The seal opens, but the content is not a valid room of this protocol.
    #[error("what is behind the door is not a valid room")]
    BadDoor,
    /// The room has rules of a later version of the protocol.
    #[error("the room needs a newer program")]
    NewerProgram,
    /// The room has the maximum number of members.
    #[error("the room has as many members as a room can have")]
    Full,
    /// The relay's policy for the room differs from the members' policy.
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
