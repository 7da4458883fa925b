//! What happens in a room.

use anocm_core::{Timestamp, room};

use crate::{
    Connection, Departure, Ended, Member, Message, Posture, Retention, SafetyCode, SendFailure,
    Trouble, member, message,
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
    /// The relay was reached, but has this guest wait before it opens the room or lets them in; the
    /// client tries again by itself.
    Delayed {
        /// Why, in snake case: `busy`, `crowded` …
        why: String,
        /// In how many milliseconds the next try comes.
        retry_in_ms: u64,
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

shown_as_variant!(RoomEvent: Connection, Delayed, Entered, Confirmed, Message, Custom, NotSent, Expired, Joined, Departed, Renamed, SettingsChanged, InviteReplaced, EpochBegan, Typing, Presence, Trouble, Recovered, Posture, Ended);

impl RoomEvent {
    /// `None` for what these bindings have no name for.
    pub(crate) fn new(event: room::RoomEvent, now: Timestamp) -> Option<Self> {
        Some(match event {
            room::RoomEvent::Connection(state) => Self::Connection { state: state.into() },
            room::RoomEvent::Delayed { why, retry_in } => Self::Delayed {
                why: why.name().to_owned(),
                retry_in_ms: u64::try_from(retry_in.as_millis()).unwrap_or(u64::MAX),
            },
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
