//! The events of a room.

use anocm_core::{Timestamp, room};

use crate::{
    Connection, Departure, Ended, Member, Message, Posture, Retention, SafetyCode, SendFailure,
    Trouble, member, message,
};

/// An event of a room.
#[derive(Clone, PartialEq, Eq, uniffi::Enum)]
#[uniffi::export(Debug, Display)]
#[non_exhaustive]
pub enum RoomEvent {
    /// The connection to the relay changed.
    Connection {
        /// The new state.
        state: Connection,
    },
    /// The relay was reached, but delays the opening of the room or the join; the client retries by
    /// itself.
    Delayed {
        /// The reason in snake case: `busy`, `crowded` …
        why: String,
        /// Milliseconds until the next attempt.
        retry_in_ms: u64,
    },
    /// The guest is in the room and can send. Sent once.
    Entered,
    /// A member sent something in this guest's epoch or a later one: this guest is not alone behind
    /// the link. It confirms nothing.
    Heard {
        /// The member.
        by: Member,
    },
    /// The room is the one that the link names: its owner sent something, or a moderator as of the
    /// link.
    Confirmed {
        /// The owner or moderator.
        by: Member,
    },
    /// A member sent a message, this guest included. In the order of the room's log.
    Message {
        /// The message.
        message: Message,
    },
    /// Application-defined content.
    Custom {
        /// The sender.
        sender: Member,
        /// The content type, a number chosen by the program.
        kind: u16,
        /// The content.
        body: Vec<u8>,
        /// How long it may be kept.
        retention: Retention,
    },
    /// A queued entry was not sent.
    NotSent {
        /// The id that was returned when it was queued.
        id: String,
        /// The reason.
        why: SendFailure,
    },
    /// A message has expired: it is wiped here and must be removed from every screen.
    Expired {
        /// The id of the message.
        id: String,
    },
    /// A member joined, or rejoined with the same identity.
    Joined {
        /// The member.
        member: Member,
        /// Whether they were in the room before.
        again: bool,
    },
    /// A member is no longer in the room.
    Departed {
        /// The member.
        member: Member,
        /// How they left.
        how: Departure,
    },
    /// A member changed their nickname.
    Renamed {
        /// The member, with the new nickname.
        member: Member,
        /// The old nickname.
        before: String,
    },
    /// Roles or retention policy changed: see the room's view.
    SettingsChanged {
        /// The member that changed them.
        by: Member,
    },
    /// The invite was replaced: the old link no longer works.
    InviteReplaced {
        /// The member that replaced it.
        by: Member,
    },
    /// A new epoch began, with a new safety code.
    EpochBegan {
        /// The epoch number.
        epoch: u64,
        /// The new safety code.
        safety: SafetyCode,
    },
    /// A member is typing.
    Typing {
        /// The id of the member.
        member: String,
    },
    /// A member became active, or was inactive for a while.
    Presence {
        /// The id of the member.
        member: String,
        /// Whether they are present.
        here: bool,
    },
    /// A problem that does not end the room.
    Trouble {
        /// The problem.
        what: Trouble,
    },
    /// The room recovered from the trouble `Broken`.
    Recovered,
    /// The relay's statement about its memory-only promise.
    Posture {
        /// The posture it states.
        posture: Posture,
    },
    /// The room has ended for this guest; everything of it is wiped. The last event.
    Ended {
        /// The reason.
        why: Ended,
    },
}

shown_as_variant!(RoomEvent: Connection, Delayed, Entered, Heard, Confirmed, Message, Custom, NotSent, Expired, Joined, Departed, Renamed, SettingsChanged, InviteReplaced, EpochBegan, Typing, Presence, Trouble, Recovered, Posture, Ended);

impl RoomEvent {
    /// Returns `None` for an event that these bindings do not know.
    pub(crate) fn new(event: room::RoomEvent, now: Timestamp) -> Option<Self> {
        Some(match event {
            room::RoomEvent::Connection(state) => Self::Connection { state: state.into() },
            room::RoomEvent::Delayed { why, retry_in } => Self::Delayed {
                why: why.name().to_owned(),
                retry_in_ms: u64::try_from(retry_in.as_millis()).unwrap_or(u64::MAX),
            },
            room::RoomEvent::Entered => Self::Entered,
            room::RoomEvent::Heard { by } => Self::Heard { by: (&by).into() },
            room::RoomEvent::Confirmed { by } => Self::Confirmed { by: (&by).into() },
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
