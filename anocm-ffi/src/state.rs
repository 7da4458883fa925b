//! The states of connections and rooms, and what is wrong with them.

use anocm_core::{room, transport, wire};

use crate::{member::id_text, message::millis};

/// The state of the connection to the relay.
#[derive(Clone, Copy, Debug, PartialEq, Eq, uniffi::Enum)]
#[non_exhaustive]
pub enum Connection {
    /// Not connected yet, or again being connected.
    Connecting,
    /// Connected and catching up with what happened.
    CatchingUp,
    /// Connected and up to date.
    Online,
    /// Waiting before the next try.
    Waiting {
        /// Milliseconds until the next try.
        retry_in_millis: u64,
        /// Why the last one failed.
        why: TransportFailure,
    },
}

/// Why a relay cannot be reached, or why a connection was lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq, uniffi::Enum)]
#[non_exhaustive]
pub enum TransportFailure {
    /// The relay cannot be reached.
    Unreachable,
    /// The proxy on the way to the relay cannot be reached.
    ProxyUnreachable,
    /// What was reached is not a relay, or refused the connection.
    Refused,
    /// The relay's certificate is not to be trusted.
    Untrusted,
    /// The connection was cut.
    Cut,
    /// A frame longer than the limit arrived.
    TooLong,
    /// The other side broke the transport's own protocol.
    Protocol,
}

/// What a relay says of its own memory-only promise. It catches mistakes, not a lying operator.
#[derive(Clone, Copy, Debug, PartialEq, Eq, uniffi::Enum)]
#[expect(clippy::exhaustive_enums, reason = "three-valued by design")]
pub enum Posture {
    /// Everything that can be checked was checked and is as promised.
    Kept,
    /// Something could not be checked.
    Unknown,
    /// Something that was checked breaks the promise.
    Broken,
}

/// Something wrong, short of the room's end.
#[derive(Clone, Debug, PartialEq, Eq, uniffi::Enum)]
#[non_exhaustive]
pub enum Trouble {
    /// Messages of a member are missing although the relay should have had them.
    Withheld {
        /// Whose: a member's id.
        sender: String,
        /// How many.
        count: u64,
    },
    /// Messages were live, or had expired, while this guest was away.
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
    /// A member appended a membership change that the room's rules forbid. Until the owner takes
    /// it back, nothing can be said.
    Broken {
        /// By whom, if the signature tells: a member's id.
        by: Option<String>,
    },
    /// The relay contradicts itself or the members.
    DishonestRelay,
    /// The relay takes nothing new because its memory-only promise is broken.
    ReadOnly,
    /// The log no longer reaches back far enough: the guest came back through the door.
    Rejoined,
}

/// Why a room is over for this guest.
#[derive(Clone, Debug, PartialEq, Eq, uniffi::Enum)]
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

/// Why a guest was not let in.
#[derive(Clone, Debug, PartialEq, Eq, uniffi::Enum)]
#[non_exhaustive]
pub enum JoinFailure {
    /// There is no such room, or no longer.
    NoSuchRoom,
    /// The link was replaced by another.
    LinkReplaced,
    /// What the door shows cannot be opened with the link.
    BadDoor,
    /// The relay refuses.
    Refused {
        /// Why, in snake case: `full`, `busy`, `read_only` …
        why: String,
    },
    /// Others were faster, too often in a row.
    TooManyTries,
}

/// Why something that was queued was not sent in the end.
#[derive(Clone, Debug, PartialEq, Eq, uniffi::Enum)]
#[non_exhaustive]
pub enum SendFailure {
    /// The relay refuses it.
    Refused {
        /// Why, in snake case: `full`, `busy`, `read_only` …
        why: String,
    },
    /// Its time passed before it could be sent.
    Expired,
    /// It could not be sealed, or the room ended first.
    Impossible,
    /// It was given up before the relay said what became of it: others may have seen it.
    Unknown,
}

impl From<room::Connection> for Connection {
    fn from(connection: room::Connection) -> Self {
        match connection {
            room::Connection::CatchingUp => Self::CatchingUp,
            room::Connection::Online => Self::Online,
            room::Connection::Waiting { retry_in, why } => {
                Self::Waiting { retry_in_millis: millis(retry_in), why: why.into() }
            }
            _ => Self::Connecting,
        }
    }
}

impl From<transport::TransportError> for TransportFailure {
    fn from(error: transport::TransportError) -> Self {
        match error {
            transport::TransportError::ProxyUnreachable => Self::ProxyUnreachable,
            transport::TransportError::Refused => Self::Refused,
            transport::TransportError::Untrusted => Self::Untrusted,
            transport::TransportError::Cut => Self::Cut,
            transport::TransportError::TooLong => Self::TooLong,
            transport::TransportError::Protocol => Self::Protocol,
            _ => Self::Unreachable,
        }
    }
}

impl From<TransportFailure> for transport::TransportError {
    fn from(failure: TransportFailure) -> Self {
        match failure {
            TransportFailure::Unreachable => Self::Unreachable,
            TransportFailure::ProxyUnreachable => Self::ProxyUnreachable,
            TransportFailure::Refused => Self::Refused,
            TransportFailure::Untrusted => Self::Untrusted,
            TransportFailure::Cut => Self::Cut,
            TransportFailure::TooLong => Self::TooLong,
            TransportFailure::Protocol => Self::Protocol,
        }
    }
}

impl From<wire::Posture> for Posture {
    fn from(posture: wire::Posture) -> Self {
        match posture {
            wire::Posture::Kept => Self::Kept,
            wire::Posture::Unknown => Self::Unknown,
            wire::Posture::Broken => Self::Broken,
        }
    }
}

impl Trouble {
    /// `None` for what these bindings have no name for.
    pub(crate) fn new(trouble: room::Trouble) -> Option<Self> {
        Some(match trouble {
            room::Trouble::Withheld { from, count } => {
                Self::Withheld { sender: id_text(&from), count }
            }
            room::Trouble::Missed { count } => Self::Missed { count },
            room::Trouble::Unreadable { seq } => Self::Unreadable { seq: seq.value() },
            room::Trouble::Repeated { by } => Self::Repeated { by: id_text(&by) },
            room::Trouble::Broken { by } => Self::Broken { by: by.as_ref().map(id_text) },
            room::Trouble::DishonestRelay => Self::DishonestRelay,
            room::Trouble::ReadOnly => Self::ReadOnly,
            room::Trouble::Rejoined => Self::Rejoined,
            _ => return None,
        })
    }
}

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

impl From<room::JoinFailure> for JoinFailure {
    fn from(failure: room::JoinFailure) -> Self {
        match failure {
            room::JoinFailure::NoSuchRoom => Self::NoSuchRoom,
            room::JoinFailure::LinkReplaced => Self::LinkReplaced,
            room::JoinFailure::BadDoor => Self::BadDoor,
            room::JoinFailure::Refused(refusal) => Self::Refused { why: refusal.name().to_owned() },
            _ => Self::TooManyTries,
        }
    }
}

impl From<room::SendFailure> for SendFailure {
    fn from(failure: room::SendFailure) -> Self {
        match failure {
            room::SendFailure::Refused(refusal) => Self::Refused { why: refusal.name().to_owned() },
            room::SendFailure::Expired => Self::Expired,
            room::SendFailure::Unknown => Self::Unknown,
            _ => Self::Impossible,
        }
    }
}

#[cfg(test)]
mod tests {
    use anocm_core::transport::TransportError;

    use super::*;

    #[test]
    fn what_a_transport_says_is_what_the_room_says() {
        for error in [
            TransportError::Unreachable,
            TransportError::ProxyUnreachable,
            TransportError::Refused,
            TransportError::Untrusted,
            TransportError::Cut,
            TransportError::TooLong,
            TransportError::Protocol,
        ] {
            assert_eq!(TransportError::from(TransportFailure::from(error)), error);
        }
    }

    #[test]
    fn a_refusal_keeps_its_name() {
        let unsent = SendFailure::from(room::SendFailure::Refused(wire::Refusal::ReadOnly));
        assert_eq!(unsent, SendFailure::Refused { why: "read_only".to_owned() });
        let refused = JoinFailure::from(room::JoinFailure::Refused(wire::Refusal::Full));
        assert_eq!(refused, JoinFailure::Refused { why: "full".to_owned() });
    }
}
