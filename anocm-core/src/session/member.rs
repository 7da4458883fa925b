//! Members and their roles.

use std::fmt;

use crate::{
    id::{MemberId, MemberKey},
    name::{Colour, Nickname, Tag},
};

/// What a member may do, by the room's settings.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_enums, reason = "the protocol knows these three")]
pub enum Role {
    /// Opened the room: may do everything.
    Owner,
    /// May remove members and replace the invite.
    Moderator,
    /// May send messages.
    Member,
}

/// A member, the same for all members of the epoch.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Member {
    /// Random, fixed for the duration of the membership.
    pub id: MemberId,
    /// The member's signature key.
    pub key: MemberKey,
    /// The self-chosen name. Not sufficient to identify the member.
    pub nickname: Nickname,
    /// The member's role.
    pub role: Role,
    /// Derived from the key: distinguishes members of the same name.
    pub tag: Tag,
    /// Derived from the key.
    pub colour: Colour,
    /// Whether the name can be mistaken for that of another member.
    pub look_alike: bool,
}

impl fmt::Debug for Member {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Member(..)")
    }
}
