//! The state of a room, for display.

use anocm_core::room;

use crate::{Connection, Ended, GuestRetention, Member, Posture, RoomRetention, member::id_text};

/// The safety code that the members of a room compare to detect a man in the middle. All members in
/// the same epoch have the same code.
#[derive(Clone, PartialEq, Eq, uniffi::Record)]
#[uniffi::export(Debug, Display)]
pub struct SafetyCode {
    /// Twelve words.
    pub words: Vec<String>,
    /// Six emoji.
    pub emoji: Vec<String>,
}

shown_as_name!(SafetyCode);

impl From<&room::SafetyCode> for SafetyCode {
    fn from(code: &room::SafetyCode) -> Self {
        let owned = |words: &[&str]| words.iter().map(|&word| word.to_owned()).collect();
        Self { words: owned(code.words()), emoji: owned(code.emoji()) }
    }
}

/// What shows a guest that it is in the room that its link names, with the members that it lists. A
/// relay that has the link can lead a guest into a group of the past or of its own making.
#[derive(Clone, PartialEq, Eq, uniffi::Enum)]
#[uniffi::export(Debug, Display)]
#[non_exhaustive]
pub enum Confirmation {
    /// No other member has sent anything since this guest joined or came back.
    Unheard,
    /// A member did that can confirm nothing: no owner, and no moderator as of this guest's link.
    Heard {
        /// The latest.
        by: Member,
    },
    /// The owner did, or a moderator that the owner has listed since the link was made.
    Confirmed {
        /// The latest.
        by: Member,
        /// The epoch number in which it did: the list of members is confirmed as of then.
        epoch: u64,
    },
    /// This guest opened the room, and has not left it since.
    Opened,
}

shown_as_variant!(Confirmation: Unheard, Heard, Confirmed, Opened);

impl From<&room::Confirmation> for Confirmation {
    fn from(confirmation: &room::Confirmation) -> Self {
        match confirmation {
            room::Confirmation::Heard { by } => Self::Heard { by: by.into() },
            room::Confirmation::Confirmed { by, epoch } => {
                Self::Confirmed { by: by.into(), epoch: epoch.value() }
            }
            room::Confirmation::Opened => Self::Opened,
            _ => Self::Unheard,
        }
    }
}

/// The state of a room. A snapshot; holds no message.
#[derive(Clone, uniffi::Record)]
#[uniffi::export(Debug, Display)]
#[non_exhaustive]
pub struct RoomView {
    /// The connection to the relay.
    pub connection: Connection,
    /// The invite link: every holder of it can join. Absent until entered.
    pub link: Option<String>,
    /// This guest's member id. Absent until entered.
    pub me: Option<String>,
    /// All members, in the same order on every client.
    pub members: Vec<Member>,
    /// The ids of the members that were active recently, this guest included.
    pub here: Vec<String>,
    /// The epoch number.
    pub epoch: u64,
    /// The safety code. Absent until entered.
    pub safety: Option<SafetyCode>,
    /// The room's retention limits.
    pub retention: RoomRetention,
    /// The retention settings of this guest.
    pub guest_retention: GuestRetention,
    /// Whether this is the room that the link names, as far as this guest can tell.
    pub confirmation: Confirmation,
    /// Whether a forbidden membership change keeps all members from sending.
    pub broken: bool,
    /// The number of messages in the send queue.
    pub waiting: u64,
    /// The relay's statement about its memory-only promise.
    pub posture: Posture,
    /// Why the room has ended for this guest; absent while it has not.
    pub ended: Option<Ended>,
}

shown_as_name!(RoomView);

impl From<room::RoomView> for RoomView {
    fn from(view: room::RoomView) -> Self {
        Self {
            connection: view.connection.into(),
            link: view.invite.map(|invite| invite.to_link().to_string()),
            me: view.me.as_ref().map(id_text),
            members: view.members.iter().map(Into::into).collect(),
            here: view.here.iter().map(id_text).collect(),
            epoch: view.epoch.value(),
            safety: view.safety.as_ref().map(Into::into),
            retention: view.retention.into(),
            guest_retention: view.guest_retention.into(),
            confirmation: (&view.confirmation).into(),
            broken: view.broken,
            waiting: u64::try_from(view.waiting).unwrap_or(u64::MAX),
            posture: view.posture.into(),
            ended: view.ended.map(Into::into),
        }
    }
}
