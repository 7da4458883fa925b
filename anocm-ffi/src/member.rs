//! The members of a room.

use anocm_core::MemberId;
use data_encoding::HEXLOWER;

/// What a member may do under the room's settings.
#[derive(Clone, Copy, Debug, PartialEq, Eq, uniffi::Enum)]
#[expect(clippy::exhaustive_enums, reason = "the protocol knows these three")]
pub enum Role {
    /// Opened the room: may do everything.
    Owner,
    /// May remove members and replace the invite.
    Moderator,
    /// May send messages.
    Member,
}

/// A colour that is readable on dark and light backgrounds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, uniffi::Record)]
pub struct Colour {
    /// Red, 0 to 255.
    pub red: u8,
    /// Green, 0 to 255.
    pub green: u8,
    /// Blue, 0 to 255.
    pub blue: u8,
}

/// A member as all members see them.
#[derive(Clone, PartialEq, Eq, uniffi::Record)]
#[uniffi::export(Debug, Display)]
pub struct Member {
    /// Random, fixed for the member's stay: 32 hexadecimal digits.
    pub id: String,
    /// The nickname the member chose. Safe to display; never sufficient for identification.
    pub nickname: String,
    /// The member's role.
    pub role: Role,
    /// Four characters derived from the member's key, to distinguish members of the same name.
    pub tag: String,
    /// Derived from the member's key.
    pub colour: Colour,
    /// Whether the name can be mistaken for that of another member.
    pub look_alike: bool,
}

shown_as_name!(Member);

impl From<anocm_core::room::Role> for Role {
    fn from(role: anocm_core::room::Role) -> Self {
        match role {
            anocm_core::room::Role::Owner => Self::Owner,
            anocm_core::room::Role::Moderator => Self::Moderator,
            anocm_core::room::Role::Member => Self::Member,
        }
    }
}

impl From<Role> for anocm_core::room::Role {
    fn from(role: Role) -> Self {
        match role {
            Role::Owner => Self::Owner,
            Role::Moderator => Self::Moderator,
            Role::Member => Self::Member,
        }
    }
}

impl From<&anocm_core::room::Member> for Member {
    fn from(member: &anocm_core::room::Member) -> Self {
        let anocm_core::name::Colour { red, green, blue, .. } = member.colour;
        Self {
            id: id_text(&member.id),
            nickname: member.nickname.as_str().to_owned(),
            role: member.role.into(),
            tag: member.tag.to_string(),
            colour: Colour { red, green, blue },
            look_alike: member.look_alike,
        }
    }
}

/// Converts an id for the host language.
pub(crate) fn id_text(id: &MemberId) -> String {
    HEXLOWER.encode(id.as_bytes())
}

/// Parses an id that came from [`id_text`]. Returns `None` for any other text.
pub(crate) fn read_id(text: &str) -> Option<MemberId> {
    let bytes = HEXLOWER.decode(text.as_bytes()).ok()?;
    bytes.try_into().ok().map(MemberId::new)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_comes_back_as_it_was() {
        let id = MemberId::new(std::array::from_fn(|n| u8::try_from(n).unwrap() * 17));
        assert_eq!(read_id(&id_text(&id)), Some(id));
    }

    #[test]
    fn what_is_no_id_names_no_member() {
        for text in ["", "00", "zz", "é", &"0".repeat(33), &"0".repeat(34), &"A".repeat(32)] {
            assert_eq!(read_id(text), None);
        }
    }
}
