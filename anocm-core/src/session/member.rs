//! Who is in a room, and what the room's settings say of them.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{
    id::{MemberId, MemberKey},
    name::{Colour, Nickname, Tag},
    retention::RoomRetention,
    wire::Policy,
};

/// The most moderators that a room can have.
pub const MAX_MODERATORS: usize = 64;

/// What a member may do, by the room's settings.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_enums, reason = "the protocol knows these three")]
pub enum Role {
    /// Opened the room: may do everything.
    Owner,
    /// May remove members and replace the invite.
    Moderator,
    /// May talk.
    Member,
}

/// A member as all members of the epoch see them.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Member {
    /// Random, fixed for the member's stay.
    pub id: MemberId,
    /// The key that signs for them.
    pub key: MemberKey,
    /// What they call themselves. Never enough to know them by.
    pub nickname: Nickname,
    /// What they may do.
    pub role: Role,
    /// Derived from the key: what tells two of the same name apart.
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

/// The room's settings: part of the group context, so that the relay can neither read nor change
/// them and all members of an epoch hold the same.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Settings {
    /// What the relay was told when the room was opened. Never changes.
    pub policy: Policy,
    /// Smallest, default and largest retention.
    pub retention: RoomRetention,
    /// Who opened the room. Never changes.
    pub owner: MemberKey,
    /// Who may remove members besides the owner: in order, each once, at most
    /// [`MAX_MODERATORS`], never the owner.
    pub moderators: Vec<MemberKey>,
}

impl Settings {
    /// What whoever holds `key` may do.
    #[must_use]
    pub fn role(&self, key: &MemberKey) -> Role {
        if *key == self.owner {
            Role::Owner
        } else if self.moderators.binary_search(key).is_ok() {
            Role::Moderator
        } else {
            Role::Member
        }
    }

    /// Whether they make sense in themselves.
    pub(super) fn is_valid(&self) -> bool {
        self.moderators.is_sorted_by(|one, next| one < next)
            && self.moderators.len() <= MAX_MODERATORS
            && !self.moderators.contains(&self.owner)
            && self.retention.max() <= self.policy.max_retention
    }

    /// Whether the owner may replace `self` by `next`.
    pub(super) fn may_become(&self, next: &Self) -> bool {
        next.is_valid() && next.owner == self.owner && next.policy == self.policy
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::room::NewRoom;

    fn settings(moderators: &[u8]) -> Settings {
        Settings {
            policy: NewRoom::default().policy(),
            retention: RoomRetention::default(),
            owner: MemberKey::new([9; 32]),
            moderators: moderators.iter().map(|&byte| MemberKey::new([byte; 32])).collect(),
        }
    }

    #[test]
    fn moderators_are_listed_in_order_and_once() {
        assert!(settings(&[]).is_valid());
        assert!(settings(&[1, 2, 3]).is_valid());
        for unlawful in [[2, 1].as_slice(), &[1, 1], &[1, 9]] {
            assert!(!settings(unlawful).is_valid());
        }
    }

    #[test]
    fn a_role_follows_from_the_key() {
        let settings = settings(&[1, 3]);
        for (byte, role) in [(9, Role::Owner), (3, Role::Moderator), (2, Role::Member)] {
            assert_eq!(settings.role(&MemberKey::new([byte; 32])), role);
        }
    }

    #[test]
    fn owner_and_policy_never_change() {
        let before = settings(&[]);
        assert!(before.may_become(&settings(&[1])));
        let usurped = Settings { owner: MemberKey::new([1; 32]), ..settings(&[]) };
        assert!(!before.may_become(&usurped));
        let mut lengthened = settings(&[]);
        lengthened.policy.linger += 1;
        assert!(!before.may_become(&lengthened));
    }
}
