//! Errors, as far as a program can act on them.

use anocm_core::{
    InviteError, NicknameError, RetentionError, SettingError,
    client::ClientError,
    room::{CommandError, Ended, JoinFailure},
};
use anocm_ws::client::WsError;

/// Why something cannot be done. The message is fit for display, and names no room, no member and
/// nothing of the arguments.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error, uniffi::Error)]
#[uniffi(flat_error)]
#[non_exhaustive]
pub enum AnocmError {
    /// Not a room link, one of an earlier version, or not a relay URL.
    #[error("{0}")]
    BadLink(InviteError),
    /// A part of the link is missing: copy it again.
    #[error("{0}")]
    LinkIncomplete(InviteError),
    /// A character of the link is wrong: copy it again.
    #[error("{0}")]
    LinkDamaged(InviteError),
    /// The link needs a newer version of this library.
    #[error("{0}")]
    LinkTooNew(InviteError),
    /// Plain `http` to a host other than this machine or an onion service.
    #[error("{0}")]
    LinkUnencrypted(InviteError),
    /// An invalid nickname: the message says why.
    #[error("{0}")]
    BadNickname(NicknameError),
    /// Above zero and under a second, over thirty days, or bounds out of order.
    #[error("{0}")]
    BadRetention(RetentionError),
    /// A setting of a new room or a client is invalid: the message names it and its valid range.
    #[error("{0}")]
    BadSettings(SettingError),
    /// The proxy is not `HOST:PORT`.
    #[error("the proxy is not HOST:PORT")]
    BadProxy,
    /// A certificate to be trusted is not valid.
    #[error("a certificate to be trusted cannot be used")]
    BadCertificate,
    /// An onion relay can only be reached through a SOCKS5 proxy.
    #[error("an onion relay needs a SOCKS5 proxy")]
    OnionNeedsProxy,
    /// The transport has a client already.
    #[error("the transport has a client already")]
    TransportInUse,
    /// The link is for a room at another relay than the client's.
    #[error("the invite is for another relay")]
    OtherRelay,
    /// The client is in that room already.
    #[error("already in that room")]
    AlreadyThere,
    /// The client is in the maximum number of rooms: use another client for more.
    #[error("a client can be in {0} rooms at one time: use another client for more")]
    TooManyRooms(usize),
    /// The client was shut down.
    #[error("the client was shut down")]
    ShutDown,
    /// The room does not exist, or has ended.
    #[error("there is no such room, or no longer")]
    NoSuchRoom,
    /// The link was replaced by another.
    #[error("the link no longer works")]
    LinkReplaced,
    /// The room's door cannot be opened with the link.
    #[error("the room's door cannot be opened with this link")]
    BadDoor,
    /// The room has rules of a later version of the protocol: update the program.
    #[error("the room needs a newer program")]
    NewerProgram,
    /// The relay refused: it is full, busy or read-only. The message says which.
    #[error("{0}")]
    RelayRefused(JoinFailure),
    /// Other commits were faster, too often in a row: try again later.
    #[error("the room changes too fast to get in")]
    RoomTooBusy,
    /// The relay contradicts itself, and the room cannot continue safely.
    #[error("the relay is dishonest")]
    DishonestRelay,
    /// The room has ended for this guest: left, wiped, removed, or closed.
    #[error("the room is over")]
    RoomOver,
    /// Not in the room yet, or no longer.
    #[error("not in the room")]
    NotInRoom,
    /// There is no such member.
    #[error("there is no such member")]
    NoSuchMember,
    /// Only the owner, or the owner and the moderators, may do this.
    #[error("not allowed in this room")]
    NotAllowed,
    /// Longer than the maximum length of a message.
    #[error("longer than {limit} bytes")]
    TooLong {
        /// The limit in bytes.
        limit: usize,
    },
    /// The message is empty.
    #[error("the message is empty")]
    EmptyMessage,
    /// The type number of custom content is 32768 or above.
    #[error("a type number of custom content is below 32768")]
    BadKind,
    /// The send queue is full.
    #[error("too much is waiting to be sent")]
    QueueFull,
    /// A retention policy that exceeds what the room was opened with.
    #[error("beyond what the room was opened with")]
    BeyondPolicy,
    /// A forbidden membership change keeps all members from sending.
    #[error("the room is broken")]
    RoomBroken,
    /// The operating system provides no randomness or no threads.
    #[error("the system refuses what the library needs")]
    System,
    /// An error that these bindings do not know. The message is the library's.
    #[error("{0}")]
    Unexpected(String),
}

impl From<InviteError> for AnocmError {
    fn from(error: InviteError) -> Self {
        match error {
            InviteError::NoSecret | InviteError::Incomplete => Self::LinkIncomplete(error),
            InviteError::Damaged => Self::LinkDamaged(error),
            InviteError::UnsupportedVersion => Self::LinkTooNew(error),
            InviteError::PlainHttp => Self::LinkUnencrypted(error),
            _ => Self::BadLink(error),
        }
    }
}

impl From<NicknameError> for AnocmError {
    fn from(error: NicknameError) -> Self {
        Self::BadNickname(error)
    }
}

impl From<RetentionError> for AnocmError {
    fn from(error: RetentionError) -> Self {
        Self::BadRetention(error)
    }
}

impl From<WsError> for AnocmError {
    fn from(error: WsError) -> Self {
        match error {
            WsError::OnionWithoutProxy => Self::OnionNeedsProxy,
            WsError::BadProxy => Self::BadProxy,
            WsError::Setting(error) => Self::BadSettings(error),
            WsError::BadRoot => Self::BadCertificate,
            other => Self::Unexpected(other.to_string()),
        }
    }
}

impl From<SettingError> for AnocmError {
    fn from(error: SettingError) -> Self {
        Self::BadSettings(error)
    }
}

impl From<ClientError> for AnocmError {
    fn from(error: ClientError) -> Self {
        match error {
            ClientError::NoRandomness => Self::System,
            ClientError::ShutDown => Self::ShutDown,
            ClientError::OtherRelay => Self::OtherRelay,
            ClientError::Setting(error) => Self::BadSettings(error),
            ClientError::AlreadyThere => Self::AlreadyThere,
            ClientError::TooManyRooms { limit } => Self::TooManyRooms(limit),
            other => Self::Unexpected(other.to_string()),
        }
    }
}

impl From<CommandError> for AnocmError {
    fn from(error: CommandError) -> Self {
        match error {
            CommandError::NotInRoom => Self::NotInRoom,
            CommandError::NoSuchMember => Self::NoSuchMember,
            CommandError::NotAllowed => Self::NotAllowed,
            CommandError::TooLong { limit } => Self::TooLong { limit },
            CommandError::Empty => Self::EmptyMessage,
            CommandError::BadKind => Self::BadKind,
            CommandError::QueueFull => Self::QueueFull,
            CommandError::BeyondPolicy => Self::BeyondPolicy,
            CommandError::Broken => Self::RoomBroken,
            other => Self::Unexpected(other.to_string()),
        }
    }
}

/// The error of a task that waits for `entered` when the room ends first.
impl From<Ended> for AnocmError {
    fn from(ended: Ended) -> Self {
        match ended {
            Ended::NotLetIn(why) => match why {
                JoinFailure::NoSuchRoom => Self::NoSuchRoom,
                JoinFailure::LinkReplaced => Self::LinkReplaced,
                JoinFailure::BadDoor => Self::BadDoor,
                JoinFailure::NewerProgram => Self::NewerProgram,
                JoinFailure::Refused(_) => Self::RelayRefused(why),
                JoinFailure::Settings => Self::RelayRefused(why),
                JoinFailure::TooManyTries | JoinFailure::TakenBack => Self::RoomTooBusy,
                other => Self::Unexpected(other.to_string()),
            },
            Ended::DishonestRelay => Self::DishonestRelay,
            Ended::NewerProgram => Self::NewerProgram,
            _ => Self::RoomOver,
        }
    }
}

#[cfg(test)]
mod tests {
    use anocm_core::wire::Refusal;

    use super::*;

    /// Each error with its source. The names are part of every program that catches them.
    #[test]
    fn every_error_has_its_name() {
        let unable = JoinFailure::Refused(Refusal::Full);
        let errors: [(AnocmError, &str); 43] = [
            (InviteError::Malformed.into(), "BadLink"),
            (InviteError::TooLong.into(), "BadLink"),
            (InviteError::Query.into(), "BadLink"),
            (InviteError::EarlierForm.into(), "BadLink"),
            (InviteError::NoSecret.into(), "LinkIncomplete"),
            (InviteError::Incomplete.into(), "LinkIncomplete"),
            (InviteError::Damaged.into(), "LinkDamaged"),
            (InviteError::UnsupportedVersion.into(), "LinkTooNew"),
            (InviteError::PlainHttp.into(), "LinkUnencrypted"),
            (NicknameError::Empty.into(), "BadNickname"),
            (RetentionError::TooShort.into(), "BadRetention"),
            (ClientError::Setting(SettingError::new("linger", "")).into(), "BadSettings"),
            (WsError::BadProxy.into(), "BadProxy"),
            (WsError::BadRoot.into(), "BadCertificate"),
            (WsError::OnionWithoutProxy.into(), "OnionNeedsProxy"),
            (ClientError::OtherRelay.into(), "OtherRelay"),
            (ClientError::AlreadyThere.into(), "AlreadyThere"),
            (ClientError::TooManyRooms { limit: 1 }.into(), "TooManyRooms"),
            (ClientError::ShutDown.into(), "ShutDown"),
            (ClientError::NoRandomness.into(), "System"),
            (Ended::NotLetIn(JoinFailure::NoSuchRoom).into(), "NoSuchRoom"),
            (Ended::NotLetIn(JoinFailure::LinkReplaced).into(), "LinkReplaced"),
            (Ended::NotLetIn(JoinFailure::BadDoor).into(), "BadDoor"),
            (Ended::NotLetIn(unable).into(), "RelayRefused"),
            (Ended::NotLetIn(JoinFailure::TooManyTries).into(), "RoomTooBusy"),
            (Ended::NotLetIn(JoinFailure::TakenBack).into(), "RoomTooBusy"),
            (Ended::NotLetIn(JoinFailure::NewerProgram).into(), "NewerProgram"),
            (Ended::NewerProgram.into(), "NewerProgram"),
            (Ended::DishonestRelay.into(), "DishonestRelay"),
            (Ended::Left.into(), "RoomOver"),
            (Ended::Wiped.into(), "RoomOver"),
            (Ended::Closed(anocm_core::wire::CloseReason::Age).into(), "RoomOver"),
            (CommandError::NotInRoom.into(), "NotInRoom"),
            (CommandError::NoSuchMember.into(), "NoSuchMember"),
            (CommandError::NotAllowed.into(), "NotAllowed"),
            (CommandError::TooLong { limit: 7 }.into(), "TooLong"),
            (CommandError::Empty.into(), "EmptyMessage"),
            (CommandError::BadKind.into(), "BadKind"),
            (CommandError::QueueFull.into(), "QueueFull"),
            (CommandError::BeyondPolicy.into(), "BeyondPolicy"),
            (CommandError::Broken.into(), "RoomBroken"),
            (AnocmError::TransportInUse, "TransportInUse"),
            (AnocmError::Unexpected("new".to_owned()), "Unexpected"),
        ];
        for (error, name) in errors {
            let written = format!("{error:?}");
            let variant = written.split(['(', ' ']).next();
            assert_eq!(variant, Some(name));
            assert!(!error.to_string().is_empty());
        }
    }

    #[test]
    fn a_message_says_what_to_do_about_it() {
        assert_eq!(
            AnocmError::from(CommandError::TooLong { limit: 7 }).to_string(),
            "longer than 7 bytes"
        );
        let refused: AnocmError = Ended::NotLetIn(JoinFailure::Refused(Refusal::Full)).into();
        assert_eq!(refused.to_string(), "the relay refused: the room or the relay is full");
    }
}
