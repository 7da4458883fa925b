//! Who is in a room.

use anocm_core::MemberId;
use data_encoding::HEXLOWER;

/// What a member may do, by the room's settings.
#[derive(Clone, Copy, Debug, PartialEq, Eq, uniffi::Enum)]
#[expect(clippy::exhaustive_enums, reason = "the protocol knows these three")]
pub enum Role {
    /// Opened the room: may do everything.
    Owner,
    /// May remove members and replace the invite.
    Moderator,
    /// May talk.
    Member,
}

/// A colour that is readable on dark and light.
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
    /// What they call themselves. Fit for a screen; never enough to know them by.
    pub nickname: String,
    /// What they may do.
    pub role: Role,
    /// Four characters derived from their key: what tells two of the same name apart.
    pub tag: String,
    /// Derived from their key.
    pub colour: Colour,
    /// Whether the name can be mistaken for that of another member.
    pub look_alike: bool,
}

shown_as_name!(Member);

impl From<anocm_core::session::Role> for Role {
    fn from(role: anocm_core::session::Role) -> Self {
        match role {
            anocm_core::session::Role::Owner => Self::Owner,
            anocm_core::session::Role::Moderator => Self::Moderator,
            anocm_core::session::Role::Member => Self::Member,
        }
    }
}

impl From<Role> for anocm_core::session::Role {
    fn from(role: Role) -> Self {
        match role {
            Role::Owner => Self::Owner,
            Role::Moderator => Self::Moderator,
            Role::Member => Self::Member,
        }
    }
}

impl From<&anocm_core::session::Member> for Member {
    fn from(member: &anocm_core::session::Member) -> Self {
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

/// An id as the host language has it.
pub(crate) fn id_text(id: &MemberId) -> String {
    HEXLOWER.encode(id.as_bytes())
}

/// Reads an id that came from [`id_text`]; anything else is nobody's.
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
    fn what_is_no_id_is_nobodys() {
        for text in ["", "00", "zz", "é", &"0".repeat(33), &"0".repeat(34), &"A".repeat(32)] {
            assert_eq!(read_id(text), None);
        }
    }
}
