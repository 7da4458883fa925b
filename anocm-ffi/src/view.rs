//! The state of a room, to be shown.

use anocm_core::{room, session};

use crate::{Connection, Ended, GuestRetention, Member, Posture, RoomRetention, member::id_text};

/// What the members of a room compare to be sure that nobody sits between them: the same for
/// everyone in the epoch.
#[derive(Clone, PartialEq, Eq, uniffi::Record)]
#[uniffi::export(Debug, Display)]
pub struct SafetyCode {
    /// Twelve words.
    pub words: Vec<String>,
    /// Six emoji.
    pub emoji: Vec<String>,
}

shown_as_name!(SafetyCode);

impl From<&session::SafetyCode> for SafetyCode {
    fn from(code: &session::SafetyCode) -> Self {
        let owned = |words: &[&str]| words.iter().map(|&word| word.to_owned()).collect();
        Self { words: owned(code.words()), emoji: owned(code.emoji()) }
    }
}

/// The state of a room. A copy; holds no message.
#[derive(Clone, uniffi::Record)]
#[uniffi::export(Debug, Display)]
#[non_exhaustive]
pub struct RoomView {
    /// The connection to the relay.
    pub connection: Connection,
    /// The link for newcomers: whoever has it can join. Absent until entered.
    pub link: Option<String>,
    /// This guest: a member's id. Absent until entered.
    pub me: Option<String>,
    /// All members, in the same order for everyone.
    pub members: Vec<Member>,
    /// The ids of those of whom something was heard lately, this guest included.
    pub here: Vec<String>,
    /// The number of the epoch.
    pub epoch: u64,
    /// What members compare. Absent until entered.
    pub safety: Option<SafetyCode>,
    /// What the room allows.
    pub retention: RoomRetention,
    /// What this guest chose.
    pub guest_retention: GuestRetention,
    /// Whether somebody who was in the room before was heard in this guest's epoch or a later one.
    pub confirmed: bool,
    /// Whether a forbidden membership change keeps everybody from talking.
    pub broken: bool,
    /// How many messages wait to be sent.
    pub waiting: u64,
    /// The relay's statement about its memory-only promise.
    pub posture: Posture,
    /// Why the room is over for this guest; absent while it is not.
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
            confirmed: view.confirmed,
            broken: view.broken,
            waiting: u64::try_from(view.waiting).unwrap_or(u64::MAX),
            posture: view.posture.into(),
            ended: view.ended.map(Into::into),
        }
    }
}
