//! Members, their roles, and the room's settings.

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

/// The room's settings: part of the group context, so that the relay can neither read nor change
/// them and all members of an epoch hold the same.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Settings {
    /// The policy that the relay received when the room was opened. Never changes.
    pub policy: Policy,
    /// Smallest, default and largest retention.
    pub retention: RoomRetention,
    /// The member that opened the room. Never changes.
    pub owner: MemberKey,
    /// The members besides the owner that may remove members: sorted, without duplicates, at most
    /// [`MAX_MODERATORS`], never the owner.
    pub moderators: Vec<MemberKey>,
}

impl Settings {
    /// Returns the role of the holder of `key`.
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

    /// Returns whether the settings are consistent.
    pub(super) fn is_valid(&self) -> bool {
        self.moderators.is_sorted_by(|one, next| one < next)
            && self.moderators.len() <= MAX_MODERATORS
            && !self.moderators.contains(&self.owner)
            && self.retention.max() <= self.policy.max_retention
    }

    /// Returns whether the owner may replace `self` by `next`.
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
