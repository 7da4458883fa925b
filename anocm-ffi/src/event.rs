//! What happens in a room.

use std::fmt;

use anocm_core::{Timestamp, room, session::Departure as How};

use crate::{
    Connection, Ended, Member, Message, Posture, Retention, SafetyCode, SendFailure, Trouble,
    member, message,
};

/// Something that happened in a room.
#[derive(Clone, PartialEq, Eq, uniffi::Enum)]
#[uniffi::export(Debug, Display)]
#[non_exhaustive]
pub enum RoomEvent {
    /// The connection to the relay changed.
    Connection {
        /// How it is now.
        state: Connection,
    },
    /// The guest is in the room and can talk. Comes once.
    Entered,
    /// A newcomer's view is confirmed: somebody who was in the room before was heard in their
    /// epoch or a later one.
    Confirmed,
    /// Somebody, the guest included, said something. In the order of the room's log.
    Message {
        /// What.
        message: Message,
    },
    /// Content of the program's own.
    Custom {
        /// Who sent it.
        sender: Member,
        /// The program's number.
        kind: u16,
        /// The content.
        body: Vec<u8>,
        /// How long it may be kept.
        retention: Retention,
    },
    /// Something queued was not sent in the end.
    NotSent {
        /// As returned when it was queued.
        id: String,
        /// Why.
        why: SendFailure,
    },
    /// A message's time has passed: it is wiped here and is to vanish from every screen.
    Expired {
        /// Which.
        id: String,
    },
    /// Somebody let themselves in, or came back with the same identity.
    Joined {
        /// Who.
        member: Member,
        /// Whether they were in the room before.
        again: bool,
    },
    /// Somebody is no longer in the room.
    Departed {
        /// Who.
        member: Member,
        /// How.
        how: Departure,
    },
    /// Somebody is called something else.
    Renamed {
        /// Who, with the new name.
        member: Member,
        /// The old name.
        before: String,
    },
    /// Roles or retention policy changed: see the room's view.
    SettingsChanged {
        /// Who changed them.
        by: Member,
    },
    /// The invite was replaced: the old link no longer works.
    InviteReplaced {
        /// Who replaced it.
        by: Member,
    },
    /// A new epoch with a new safety code.
    EpochBegan {
        /// The number of the epoch.
        epoch: u64,
        /// What members compare.
        safety: SafetyCode,
    },
    /// A member is typing.
    Typing {
        /// Who: a member's id.
        member: String,
    },
    /// A member was heard of, or not for a while.
    Presence {
        /// Who: a member's id.
        member: String,
        /// Whether they are here.
        here: bool,
    },
    /// Something is wrong, short of the room's end.
    Trouble {
        /// What.
        what: Trouble,
    },
    /// What was broken works again.
    Recovered,
    /// The relay's statement about its memory-only promise.
    Posture {
        /// What it says.
        posture: Posture,
    },
    /// The room is over for this guest; everything of it is wiped. The last event.
    Ended {
        /// Why.
        why: Ended,
    },
}

/// How somebody left a room.
#[derive(Clone, Debug, PartialEq, Eq, uniffi::Enum)]
#[non_exhaustive]
pub enum Departure {
    /// Of their own will.
    Left,
    /// Somebody removed them.
    Removed {
        /// Who did: a member's id.
        by: String,
    },
}

impl RoomEvent {
    const fn name(&self) -> &'static str {
        match self {
            Self::Connection { .. } => "Connection",
            Self::Entered { .. } => "Entered",
            Self::Confirmed { .. } => "Confirmed",
            Self::Message { .. } => "Message",
            Self::Custom { .. } => "Custom",
            Self::NotSent { .. } => "NotSent",
            Self::Expired { .. } => "Expired",
            Self::Joined { .. } => "Joined",
            Self::Departed { .. } => "Departed",
            Self::Renamed { .. } => "Renamed",
            Self::SettingsChanged { .. } => "SettingsChanged",
            Self::InviteReplaced { .. } => "InviteReplaced",
            Self::EpochBegan { .. } => "EpochBegan",
            Self::Typing { .. } => "Typing",
            Self::Presence { .. } => "Presence",
            Self::Trouble { .. } => "Trouble",
            Self::Recovered { .. } => "Recovered",
            Self::Posture { .. } => "Posture",
            Self::Ended { .. } => "Ended",
        }
    }

    /// `None` for what these bindings have no name for.
    pub(crate) fn new(event: room::RoomEvent, now: Timestamp) -> Option<Self> {
        Some(match event {
            room::RoomEvent::Connection(state) => Self::Connection { state: state.into() },
            room::RoomEvent::Entered => Self::Entered,
            room::RoomEvent::Confirmed => Self::Confirmed,
            room::RoomEvent::Message(message) => {
                Self::Message { message: Message::new(&message, now) }
            }
            room::RoomEvent::Custom { from, kind, body, retention } => Self::Custom {
                sender: (&from).into(),
                kind,
                body: body.to_vec(),
                retention: retention.into(),
            },
            room::RoomEvent::NotSent { id, why } => {
                Self::NotSent { id: message::id_text(&id), why: why.into() }
            }
            room::RoomEvent::Expired { id } => Self::Expired { id: message::id_text(&id) },
            room::RoomEvent::Joined { member, again } => {
                Self::Joined { member: (&member).into(), again }
            }
            room::RoomEvent::Departed { member, how } => {
                Self::Departed { member: (&member).into(), how: how.into() }
            }
            room::RoomEvent::Renamed { member, before } => {
                Self::Renamed { member: (&member).into(), before: before.as_str().to_owned() }
            }
            room::RoomEvent::SettingsChanged { by } => Self::SettingsChanged { by: (&by).into() },
            room::RoomEvent::InviteReplaced { by } => Self::InviteReplaced { by: (&by).into() },
            room::RoomEvent::EpochBegan { epoch, safety } => {
                Self::EpochBegan { epoch: epoch.value(), safety: (&safety).into() }
            }
            room::RoomEvent::Typing { member } => Self::Typing { member: member::id_text(&member) },
            room::RoomEvent::Presence { member, here } => {
                Self::Presence { member: member::id_text(&member), here }
            }
            room::RoomEvent::Trouble(trouble) => Self::Trouble { what: Trouble::new(trouble)? },
            room::RoomEvent::Recovered => Self::Recovered,
            room::RoomEvent::Posture(posture) => Self::Posture { posture: posture.into() },
            room::RoomEvent::Ended(ended) => Self::Ended { why: ended.into() },
            _ => return None,
        })
    }
}

impl fmt::Debug for RoomEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl fmt::Display for RoomEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

impl From<How> for Departure {
    fn from(how: How) -> Self {
        match how {
            How::Removed { by } => Self::Removed { by: member::id_text(&by) },
            _ => Self::Left,
        }
    }
}
