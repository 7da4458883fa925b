//! The room's settings, which its owner signs.

use std::fmt;

use openmls_traits::crypto::OpenMlsCrypto;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use zeroize::Zeroize;

use super::{
    MemberKey,
    error::Fault,
    identity::Identity,
    member::Role,
    more::More,
    signature::{Label, Signature},
};
use crate::{
    id::RoomAddress,
    retention::RoomRetention,
    wire::{self, Policy},
};

/// The most moderators that a room can have.
pub const MAX_MODERATORS: usize = 64;
/// The longest encoded settings, in bytes.
pub(super) const MAX_SETTINGS: usize = 8_192;
const MAX_TITLE: usize = 64;
const MAX_MORE: usize = 512;

/// The room's settings: part of the group context, so that the relay can neither read nor change
/// them and all members of an epoch hold the same.
///
/// The owner signs them for this room, with the number of the door that the epoch has and one that
/// counts the changes. A client can tell from that when it is shown settings of the past, or of
/// another group.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Settings {
    /// The policy that the relay received when the room was opened. Never changes.
    pub policy: Policy,
    /// Smallest, default and largest retention.
    pub retention: RoomRetention,
    /// What the room is called, of any text. Empty in this version.
    title: Title,
    owners: Owners,
    /// The members besides the owner that may remove members: sorted, without duplicates, at most
    /// [`MAX_MODERATORS`], never the owner.
    pub moderators: Vec<MemberKey>,
    /// Whether the link alone admits. True in this version.
    open: bool,
    /// Links of their own. None in this version.
    passes: Vec<Pass>,
    /// Who may take the room over. None in this version.
    heir: Option<Succession>,
    /// The number of the room's door when the settings were signed. A door that a moderator made
    /// since has a higher one.
    pub(crate) door: u32,
    /// One more with each change.
    pub(crate) counter: u64,
    /// Fields of later versions.
    more: More,
    // The last field: what is signed is the encoding without it.
    signature: Signature,
}

/// A room's title; wiped on drop.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Title(String);

impl Drop for Title {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

/// The key that the room's address follows from, and those that it was handed over to.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Owners {
    first: MemberKey,
    then: Vec<Succession>,
}

/// The next owner's key, signed by the owner before.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Succession {
    key: MemberKey,
    signature: Signature,
}

/// A link of its own, which admits so many guests and gives them a role.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Pass {
    key: MemberKey,
    wrap: [u8; 32],
    role: u8,
    uses: u32,
}

impl Settings {
    /// Returns the signed settings of a new room.
    pub(super) fn first(
        policy: Policy,
        retention: RoomRetention,
        owner: &Identity,
    ) -> Result<Self, Fault> {
        let first = owner.key();
        let mut settings = Self {
            policy,
            retention,
            title: Title::default(),
            owners: Owners { first, then: Vec::new() },
            moderators: Vec::new(),
            open: true,
            passes: Vec::new(),
            heir: None,
            door: 0,
            counter: 0,
            more: More::default(),
            signature: Signature::EMPTY,
        };
        settings.sign(&RoomAddress::of(&first), owner)?;
        Ok(settings)
    }

    /// Signs the settings as they are.
    pub(super) fn sign(&mut self, address: &RoomAddress, owner: &Identity) -> Result<(), Fault> {
        let signed = self.signed_hash().ok_or(Fault)?;
        self.signature = Signature::sign(Label::Settings, address, &[&signed], owner)?;
        Ok(())
    }

    /// Returns whether the owner that they name signed them for this room, and the room's address
    /// follows from the first owner's key.
    pub(super) fn are_signed(&self, address: &RoomAddress, crypto: &impl OpenMlsCrypto) -> bool {
        let Some(signed) = self.signed_hash() else {
            return false;
        };
        RoomAddress::of(&self.owners.first) == *address
            && self.signature.is_by(*self.owner(), Label::Settings, address, &[&signed], crypto)
    }

    /// SHA-256 of the encoding without the signature.
    fn signed_hash(&self) -> Option<[u8; 32]> {
        let encoded = wire::encode(self);
        let signed = encoded.split_last_chunk::<{ Signature::LENGTH }>()?.0;
        Some(Sha256::digest(signed).into())
    }

    /// The owner: the member that opened the room.
    #[must_use]
    pub fn owner(&self) -> &MemberKey {
        self.owners.then.last().map_or(&self.owners.first, |last| &last.key)
    }

    /// Returns the role of the holder of `key`.
    #[must_use]
    pub fn role(&self, key: &MemberKey) -> Role {
        if key == self.owner() {
            Role::Owner
        } else if self.moderators.binary_search(key).is_ok() {
            Role::Moderator
        } else {
            Role::Member
        }
    }

    /// Returns whether the settings are consistent, and ask for no rule that this version does not
    /// have.
    pub(super) fn are_valid(&self) -> bool {
        let later = !self.open
            || !self.passes.is_empty()
            || self.heir.is_some()
            || !self.owners.then.is_empty();
        !later
            && self.title.0.len() <= MAX_TITLE
            && self.more.is_valid(MAX_MORE)
            && self.moderators.is_sorted_by(|one, next| one < next)
            && self.moderators.len() <= MAX_MODERATORS
            && !self.moderators.contains(self.owner())
            && self.retention.max() <= self.policy.max_retention
    }

    /// Returns whether the owner may replace `self` by `next` with a commit after which the door
    /// has that number. A role that is taken away costs the room its link: `new_door`.
    pub(super) fn may_become(&self, next: &Self, door: u32, new_door: bool) -> bool {
        next.are_valid()
            && next.owners == self.owners
            && next.policy == self.policy
            && self.counter.checked_add(1) == Some(next.counter)
            && next.door == door
            && (new_door || !self.drops_a_moderator(next))
    }

    /// Returns whether they have rules that this version does not know.
    pub(super) fn need_newer_program(&self) -> bool {
        self.more.is_critical()
    }

    /// Returns whether a moderator is none in `next`.
    pub(super) fn drops_a_moderator(&self, next: &Self) -> bool {
        self.moderators.iter().any(|key| next.moderators.binary_search(key).is_err())
    }

    /// Returns whether they differ in what members are told of: equality is of the signed bytes.
    pub(super) fn differ(&self, other: &Self) -> bool {
        let (door, counter, signature) = (other.door, other.counter, other.signature);
        Self { door, counter, signature, ..self.clone() } != *other
    }
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Settings(..)")
    }
}

#[cfg(test)]
impl Settings {
    /// Settings whose signature is valid for nothing.
    pub(super) fn unsigned(owner: MemberKey) -> Self {
        let mut rng = <chacha20::ChaCha20Rng as rand_core::SeedableRng>::seed_from_u64(0);
        let policy = crate::room::NewRoom::default().policy();
        let retention = RoomRetention::default();
        let mut settings = Self::first(policy, retention, &Identity::new(&mut rng)).unwrap();
        settings.owners.first = owner;
        settings
    }

    pub(super) fn set_title(&mut self, title: &str) {
        self.title = Title(title.to_owned());
    }

    pub(super) fn set_more(&mut self, more: More) {
        self.more = more;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(moderators: &[u8]) -> Settings {
        let moderators = moderators.iter().map(|&byte| MemberKey::new([byte; 32])).collect();
        Settings { moderators, ..Settings::unsigned(MemberKey::new([9; 32])) }
    }

    #[test]
    fn moderators_are_listed_in_order_and_once() {
        assert!(settings(&[]).are_valid());
        assert!(settings(&[1, 2, 3]).are_valid());
        for unlawful in [[2, 1].as_slice(), &[1, 1], &[1, 9]] {
            assert!(!settings(unlawful).are_valid());
        }
    }

    #[test]
    fn a_role_follows_from_the_key() {
        let settings = settings(&[1, 3]);
        for (byte, role) in [(9, Role::Owner), (3, Role::Moderator), (2, Role::Member)] {
            assert_eq!(settings.role(&MemberKey::new([byte; 32])), role);
        }
    }

    /// A change of the settings before and after a commit.
    type Change = fn(&mut Settings, &mut Settings);

    #[test]
    fn what_a_commit_may_change() {
        let cases: [(&str, bool, Change); 16] = [
            ("nothing", true, |_, _| {}),
            ("a moderator more", true, |_, next| next.moderators = settings(&[1, 2]).moderators),
            ("a moderator fewer", false, |_, next| next.moderators.clear()),
            ("a moderator for another", false, |_, next| {
                next.moderators = settings(&[2]).moderators;
            }),
            ("the title", true, |_, next| next.set_title("Friends")),
            ("a title of 65 bytes", false, |_, next| next.set_title(&"x".repeat(65))),
            ("the owner", false, |_, next| next.owners.first = MemberKey::new([1; 32])),
            ("the policy", false, |_, next| next.policy.linger += 1),
            ("the counter as it was", false, |before, next| next.counter = before.counter),
            ("the counter by two", false, |_, next| next.counter += 1),
            ("the last counter", false, |before, next| {
                (before.counter, next.counter) = (u64::MAX, 0);
            }),
            ("another door", false, |_, next| next.door += 1),
            ("a room that the link does not admit to", false, |_, next| next.open = false),
            ("513 bytes of more", false, |_, next| next.more = More(vec![(1, vec![0; 509])])),
            ("more out of order", false, |_, next| {
                next.more = More(vec![(2, vec![]), (1, vec![])]);
            }),
            ("512 bytes of more", true, |_, next| next.more = More(vec![(1, vec![0; 508])])),
        ];
        for (name, valid, change) in cases {
            let mut before = settings(&[1]);
            (before.door, before.counter) = (3, 7);
            let mut next = Settings { counter: 8, door: 4, ..before.clone() };
            change(&mut before, &mut next);
            assert_eq!(before.may_become(&next, 4, false), valid, "{name}");
        }
        // With a new door roles may be taken away.
        let (before, mut next) = (settings(&[1, 2]), settings(&[2]));
        (next.counter, next.door) = (1, 1);
        assert!(before.may_become(&next, 1, true) && !before.may_become(&next, 1, false));
    }

    #[test]
    fn what_is_of_a_later_version_is_not_valid() {
        let valid = settings(&[]);
        let key = MemberKey::new([1; 32]);
        let next = || Succession { key, signature: Signature::EMPTY };
        let pass = Pass { key, wrap: [1; 32], role: 0, uses: 1 };
        let owners = Owners { first: key, then: vec![next()] };
        for (name, later) in [
            ("closed", Settings { open: false, ..valid.clone() }),
            ("passes", Settings { passes: vec![pass], ..valid.clone() }),
            ("an heir", Settings { heir: Some(next()), ..valid.clone() }),
            ("handed over", Settings { owners, ..valid.clone() }),
        ] {
            assert!(!later.are_valid(), "{name}");
        }
    }
}
