//! Output lines.

use anocm_core::{
    RoomEvent, Timestamp,
    room::{Departure, Ended, RoomView, Trouble},
    wire::CloseReason,
};
use serde::Serialize;

use super::codes;
use super::values::{Bounds, Link, Person, Safety, Said, View, hex, posture};

#[derive(Debug, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub(super) enum Event<'a> {
    RelayStarted {
        reach: &'a str,
    },
    Warning {
        text: &'a str,
    },
    Done {
        #[serde(rename = "ref", skip_serializing_if = "Option::is_none")]
        reference: Option<&'a str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        id: Option<&'a str>,
    },
    Error {
        #[serde(rename = "ref", skip_serializing_if = "Option::is_none")]
        reference: Option<&'a str>,
        code: &'static str,
        why: &'a str,
    },
    View {
        #[serde(rename = "ref", skip_serializing_if = "Option::is_none")]
        reference: Option<&'a str>,
        view: View,
    },
    Members {
        #[serde(rename = "ref", skip_serializing_if = "Option::is_none")]
        reference: Option<&'a str>,
        members: Vec<Person>,
    },
    History {
        #[serde(rename = "ref", skip_serializing_if = "Option::is_none")]
        reference: Option<&'a str>,
        messages: Vec<Said>,
    },
    Connection {
        connection: Link,
    },
    Entered {
        view: View,
    },
    Heard {
        by: Person,
    },
    Confirmed {
        by: Person,
    },
    Message(Said),
    Custom {
        from: Person,
        kind: u16,
        body: String,
        retention_ms: u32,
    },
    Delayed {
        code: &'static str,
        why: String,
        retry_in_ms: u64,
    },
    NotSent {
        id: String,
        code: &'static str,
        why: String,
    },
    Expired {
        id: String,
    },
    Joined {
        member: Person,
        again: bool,
    },
    Left {
        member: Person,
    },
    Removed {
        member: Person,
        by: String,
    },
    Renamed {
        member: Person,
        before: String,
    },
    SettingsChanged {
        by: Person,
        retention: Bounds,
        members: Vec<Person>,
    },
    InviteReplaced {
        by: Person,
        link: Option<String>,
    },
    EpochBegan {
        epoch: u64,
        safety: Safety,
    },
    Typing {
        member: String,
    },
    Presence {
        member: String,
        here: bool,
    },
    Trouble {
        kind: &'static str,
        #[serde(skip_serializing_if = "Option::is_none")]
        member: Option<String>,
        #[serde(skip_serializing_if = "Option::is_none")]
        count: Option<u64>,
        #[serde(skip_serializing_if = "Option::is_none")]
        seq: Option<u64>,
    },
    Recovered,
    Posture {
        posture: &'static str,
    },
    Ended {
        reason: &'static str,
        #[serde(skip_serializing_if = "Option::is_none")]
        by: Option<String>,
        #[serde(skip_serializing_if = "Option::is_none")]
        code: Option<&'static str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        why: Option<String>,
    },
    /// An event that a later version of the library adds.
    Unknown,
}

impl Event<'_> {
    pub(super) fn of(event: &RoomEvent, view: &RoomView, now: Timestamp) -> Self {
        match event {
            RoomEvent::Connection(connection) => {
                Self::Connection { connection: Link::of(*connection) }
            }
            RoomEvent::Delayed { why, retry_in } => Self::Delayed {
                code: why.name(),
                why: why.to_string(),
                retry_in_ms: u64::try_from(retry_in.as_millis()).unwrap_or(u64::MAX),
            },
            RoomEvent::Entered => Self::Entered { view: View::of(view) },
            RoomEvent::Heard { by } => Self::Heard { by: Person::of(by) },
            RoomEvent::Confirmed { by } => Self::Confirmed { by: Person::of(by) },
            RoomEvent::Message(message) => Self::Message(Said::of(message, now)),
            RoomEvent::Custom { from, kind, body, retention } => Self::Custom {
                from: Person::of(from),
                kind: *kind,
                body: hex(body),
                retention_ms: retention.as_millis(),
            },
            RoomEvent::NotSent { id, why } => Self::NotSent {
                id: hex(id.as_bytes()),
                code: codes::of_sending(*why),
                why: why.to_string(),
            },
            RoomEvent::Expired { id } => Self::Expired { id: hex(id.as_bytes()) },
            RoomEvent::EpochBegan { epoch, safety } => {
                Self::EpochBegan { epoch: epoch.value(), safety: Safety::of(safety) }
            }
            RoomEvent::Typing { member } => Self::Typing { member: hex(member.as_bytes()) },
            RoomEvent::Presence { member, here } => {
                Self::Presence { member: hex(member.as_bytes()), here: *here }
            }
            RoomEvent::Trouble(trouble) => Self::trouble(trouble),
            RoomEvent::Recovered => Self::Recovered,
            RoomEvent::Posture(said) => Self::Posture { posture: posture(*said) },
            RoomEvent::Ended(ended) => Self::ended(ended),
            other => Self::of_membership(other, view),
        }
    }

    fn of_membership(event: &RoomEvent, view: &RoomView) -> Self {
        match event {
            RoomEvent::Joined { member, again } => {
                Self::Joined { member: Person::of(member), again: *again }
            }
            RoomEvent::Departed { member, how } => {
                let member = Person::of(member);
                match how {
                    Departure::Removed { by } => Self::Removed { member, by: hex(by.as_bytes()) },
                    _ => Self::Left { member },
                }
            }
            RoomEvent::Renamed { member, before } => {
                Self::Renamed { member: Person::of(member), before: before.as_str().to_owned() }
            }
            RoomEvent::SettingsChanged { by } => Self::SettingsChanged {
                by: Person::of(by),
                retention: Bounds::of(view.retention),
                members: view.members.iter().map(Person::of).collect(),
            },
            RoomEvent::InviteReplaced { by } => Self::InviteReplaced {
                by: Person::of(by),
                link: view.invite.as_ref().map(|invite| invite.to_link().to_string()),
            },
            _ => Self::Unknown,
        }
    }

    fn trouble(trouble: &Trouble) -> Self {
        let (kind, member, count, seq) = match trouble {
            Trouble::Gap { from, count } => ("gap", Some(*from), Some(*count), None),
            Trouble::Missed { count } => ("missed", None, Some(*count), None),
            Trouble::Unreadable { seq } => ("unreadable", None, None, Some(seq.value())),
            Trouble::Repeated { by } => ("repeated", Some(*by), None, None),
            Trouble::Broken { by } => ("broken", *by, None, None),
            Trouble::CannotCommit => ("cannot_commit", None, None, None),
            Trouble::DishonestRelay => ("dishonest_relay", None, None, None),
            Trouble::ReadOnly => ("read_only", None, None, None),
            Trouble::Rejoined => ("rejoined", None, None, None),
            Trouble::LessThanAsked { .. } => ("less_than_asked", None, None, None),
            _ => ("unknown", None, None, None),
        };
        Self::Trouble { kind, member: member.map(|member| hex(member.as_bytes())), count, seq }
    }

    fn ended(ended: &Ended) -> Self {
        let (mut by, mut code, mut why) = (None, None, None);
        let reason = match ended {
            Ended::Left => "left",
            Ended::Removed { by: member } => {
                by = Some(hex(member.as_bytes()));
                "removed"
            }
            Ended::Closed(CloseReason::Owner) => "closed_by_owner",
            Ended::Closed(CloseReason::Age) => "closed_by_age",
            Ended::Closed(_) => "gone",
            Ended::NotLetIn(failure) => {
                code = Some(codes::of_joining(*failure));
                why = Some(failure.to_string());
                "not_let_in"
            }
            Ended::DishonestRelay => "dishonest_relay",
            Ended::Wiped => "wiped",
            Ended::NewerProgram => "newer_program",
            _ => "unknown",
        };
        Self::Ended { reason, by, code, why }
    }
}
