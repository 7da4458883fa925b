//! The values that events are composed of.

use anocm_core::{
    Retention, RoomRetention, Timestamp,
    room::{Confirmation, Connection, Member, Message, RoomView, SafetyCode},
    wire::Posture,
};
use data_encoding::HEXLOWER;
use serde::Serialize;

use super::codes;
use crate::members::role;

pub(super) fn hex(bytes: &[u8]) -> String {
    HEXLOWER.encode(bytes)
}

#[derive(Debug, Serialize)]
pub(super) struct Person {
    id: String,
    name: String,
    tag: String,
    colour: String,
    role: &'static str,
    look_alike: bool,
}

impl Person {
    pub(super) fn of(member: &Member) -> Self {
        let colour = member.colour;
        Self {
            id: hex(member.id.as_bytes()),
            name: member.nickname.as_str().to_owned(),
            tag: member.tag.to_string(),
            colour: format!("#{:02x}{:02x}{:02x}", colour.red, colour.green, colour.blue),
            role: role(member.role),
            look_alike: member.look_alike,
        }
    }
}

#[derive(Debug, Serialize)]
pub(super) struct Said {
    id: String,
    seq: u64,
    from: Person,
    whispered_to: Option<Person>,
    own: bool,
    text: String,
    retention_ms: u32,
    /// Milliseconds from now until the message is wiped here; `null` for a live message.
    expires_in_ms: Option<u64>,
}

impl Said {
    pub(super) fn of(message: &Message, now: Timestamp) -> Self {
        Self {
            id: hex(message.id.as_bytes()),
            seq: message.seq.value(),
            from: Person::of(&message.from),
            whispered_to: message.whispered_to.as_ref().map(Person::of),
            own: message.own,
            text: message.text.as_str().to_owned(),
            retention_ms: message.retention.as_millis(),
            expires_in_ms: message.expires.map(|at| at.as_millis().saturating_sub(now.as_millis())),
        }
    }
}

#[derive(Debug, Serialize)]
pub(super) struct Safety {
    emoji: Vec<&'static str>,
    words: Vec<&'static str>,
}

impl Safety {
    pub(super) fn of(code: &SafetyCode) -> Self {
        Self { emoji: code.emoji().to_vec(), words: code.words().to_vec() }
    }
}

#[derive(Debug, Serialize)]
pub(super) struct Bounds {
    min_ms: u32,
    default_ms: u32,
    max_ms: u32,
}

impl Bounds {
    pub(super) fn of(room: RoomRetention) -> Self {
        Self {
            min_ms: room.min().as_millis(),
            default_ms: room.default_retention().as_millis(),
            max_ms: room.max().as_millis(),
        }
    }
}

#[derive(Debug, Serialize)]
pub(super) struct Link {
    state: &'static str,
    retry_in_ms: Option<u64>,
    code: Option<&'static str>,
    why: Option<String>,
}

impl Link {
    pub(super) fn of(connection: Connection) -> Self {
        let state = match connection {
            Connection::Connecting => "connecting",
            Connection::CatchingUp => "catching_up",
            Connection::Online => "online",
            Connection::Waiting { .. } => "waiting",
            _ => "unknown",
        };
        let (retry_in_ms, code, why) = match connection {
            Connection::Waiting { retry_in, why } => (
                Some(u64::try_from(retry_in.as_millis()).unwrap_or(u64::MAX)),
                Some(codes::of_connection(why)),
                Some(why.to_string()),
            ),
            _ => (None, None, None),
        };
        Self { state, retry_in_ms, code, why }
    }
}

pub(super) const fn posture(posture: Posture) -> &'static str {
    match posture {
        Posture::Kept => "kept",
        Posture::Unknown => "unknown",
        Posture::Broken => "broken",
    }
}

#[derive(Debug, Serialize)]
pub(super) struct Confirmed {
    state: &'static str,
    by: Option<Person>,
    epoch: Option<u64>,
}

impl Confirmed {
    fn of(confirmation: &Confirmation) -> Self {
        let (state, by, epoch) = match confirmation {
            Confirmation::Unheard => ("unheard", None, None),
            Confirmation::Heard { by } => ("heard", Some(Person::of(by)), None),
            Confirmation::Confirmed { by, epoch } => {
                ("confirmed", Some(Person::of(by)), Some(epoch.value()))
            }
            Confirmation::Opened => ("opened", None, None),
            _ => ("unknown", None, None),
        };
        Self { state, by, epoch }
    }
}

#[derive(Debug, Serialize)]
pub(super) struct View {
    link: Option<String>,
    me: Option<String>,
    members: Vec<Person>,
    here: Vec<String>,
    epoch: u64,
    safety: Option<Safety>,
    retention: Bounds,
    keep_ms: Option<u32>,
    cap_ms: Option<u32>,
    /// The retention of a message that sets none, with the strictest rule applied.
    next_ms: u32,
    connection: Link,
    confirmation: Confirmed,
    broken: bool,
    waiting: usize,
    posture: &'static str,
}

impl View {
    pub(super) fn of(view: &RoomView) -> Self {
        let guest = view.guest_retention;
        Self {
            link: view.invite.as_ref().map(|invite| invite.to_link().to_string()),
            me: view.me.map(|me| hex(me.as_bytes())),
            members: view.members.iter().map(Person::of).collect(),
            here: view.here.iter().map(|id| hex(id.as_bytes())).collect(),
            epoch: view.epoch.value(),
            safety: view.safety.as_ref().map(Safety::of),
            retention: Bounds::of(view.retention),
            keep_ms: guest.default.map(Retention::as_millis),
            cap_ms: guest.cap.map(Retention::as_millis),
            next_ms: view.retention.choose(None, guest).as_millis(),
            connection: Link::of(view.connection),
            confirmation: Confirmed::of(&view.confirmation),
            broken: view.broken,
            waiting: view.waiting,
            posture: posture(view.posture),
        }
    }
}
