//! Input lines.

use anocm_core::{Command, MemberId, Nickname, Retention, RoomRetention, room::Role};
use data_encoding::HEXLOWER_PERMISSIVE;
use serde::{Deserialize, Deserializer, de};
use serde_json::Value;

/// A command with the reference that its reply carries.
#[derive(Debug)]
pub(super) struct Request {
    pub(super) reference: Option<String>,
    pub(super) what: Do,
}

impl Request {
    /// Parses a line. An error comes with the reference, if that could be parsed.
    pub(super) fn read(line: &str) -> Result<Self, (Option<String>, String)> {
        let mut value: Value =
            serde_json::from_str(line).map_err(|error| (None, format!("not JSON: {error}")))?;
        let reference = match value.as_object_mut().and_then(|fields| fields.remove("ref")) {
            None | Some(Value::Null) => None,
            Some(Value::String(reference)) => Some(reference),
            Some(_) => return Err((None, "ref is not a string".to_owned())),
        };
        match serde_json::from_value(value) {
            Ok(what) => Ok(Self { reference, what }),
            Err(error) => Err((reference, error.to_string())),
        }
    }
}

/// The commands. An unknown field is refused: a misspelt retention must not be ignored.
#[derive(Debug, Deserialize)]
#[serde(tag = "do", rename_all = "snake_case", deny_unknown_fields)]
pub(super) enum Do {
    Say {
        text: String,
        #[serde(default)]
        retention_ms: Option<Retention>,
    },
    Whisper {
        to: Id,
        text: String,
        #[serde(default)]
        retention_ms: Option<Retention>,
    },
    Custom {
        kind: u16,
        #[serde(deserialize_with = "bytes")]
        body: Vec<u8>,
        #[serde(default)]
        retention_ms: Option<Retention>,
    },
    Typing {},
    Rename {
        #[serde(deserialize_with = "name")]
        name: Nickname,
    },
    Remove {
        member: Id,
    },
    SetRole {
        member: Id,
        role: NewRole,
    },
    SetRoomRetention {
        min_ms: Retention,
        default_ms: Retention,
        max_ms: Retention,
    },
    SetKeep {
        #[serde(deserialize_with = "given")]
        retention_ms: Option<Retention>,
    },
    SetCap {
        #[serde(deserialize_with = "given")]
        retention_ms: Option<Retention>,
    },
    ReplaceInvite {},
    RefreshKeys {},
    Leave {},
    Close {},
    Members {},
    View {},
    History {},
    Wipe {},
}

/// The roles that can be assigned.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum NewRole {
    Moderator,
    Member,
}

/// A member's id in hexadecimal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Id(pub(super) MemberId);

impl<'de> Deserialize<'de> for Id {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let bytes = bytes(deserializer)?;
        let id =
            bytes.try_into().map_err(|_| de::Error::custom("an id has 32 hexadecimal digits"))?;
        Ok(Self(MemberId::new(id)))
    }
}

/// Requires the field although it may be null: an omission by mistake must not lift a cap.
fn given<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Retention>, D::Error> {
    Option::deserialize(deserializer)
}

fn name<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Nickname, D::Error> {
    String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
}

fn bytes<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
    let digits = String::deserialize(deserializer)?;
    HEXLOWER_PERMISSIVE.decode(digits.as_bytes()).map_err(|_| de::Error::custom("not hexadecimal"))
}

impl Do {
    /// Returns the room command, for requests that consist of a room command alone.
    pub(super) fn command(self) -> Result<Command, String> {
        Ok(match self {
            Self::Say { text, retention_ms } => Command::Send { text, retention: retention_ms },
            Self::Whisper { to, text, retention_ms } => {
                Command::Whisper { to: to.0, text, retention: retention_ms }
            }
            Self::Custom { kind, body, retention_ms } => {
                Command::Custom { kind, body, retention: retention_ms }
            }
            Self::Typing {} => Command::Typing,
            Self::Rename { name } => Command::Rename(name),
            Self::Remove { member } => Command::Remove(member.0),
            Self::SetRole { member, role } => Command::SetRole(
                member.0,
                match role {
                    NewRole::Moderator => Role::Moderator,
                    NewRole::Member => Role::Member,
                },
            ),
            Self::SetRoomRetention { min_ms, default_ms, max_ms } => {
                RoomRetention::new(min_ms, default_ms, max_ms)
                    .map(Command::SetRoomRetention)
                    .map_err(|error| error.to_string())?
            }
            Self::ReplaceInvite {} => Command::ReplaceInvite,
            Self::RefreshKeys {} => Command::RefreshKeys,
            Self::Leave {} => Command::Leave,
            Self::Close {} => Command::Close,
            Self::SetKeep { .. }
            | Self::SetCap { .. }
            | Self::Members {}
            | Self::View {}
            | Self::History {}
            | Self::Wipe {} => return Err("not a command of the room".to_owned()),
        })
    }
}
