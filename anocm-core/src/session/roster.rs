//! The members of an epoch, read from the group's tree.

use std::collections::HashMap;

use openmls::prelude::{LeafNode, LeafNodeIndex, MlsGroup, Signature};
use zeroize::Zeroizing;

use super::{
    MemberKey,
    card::{Admission, Card, Stay},
    leaf,
    member::{Member, Role},
    more::More,
    settings::Settings,
};
use crate::{
    id::{MemberId, RoomAddress},
    name::{Colour, Nickname, Tag, looks},
};

/// The members by leaf index, the same for every member.
#[derive(Default)]
pub(super) struct Roster {
    members: Vec<Member>,
    /// For each member, the data that only the session needs.
    seats: Vec<Seat>,
}

#[derive(Clone)]
pub(super) struct Seat {
    pub(super) index: LeafNodeIndex,
    pub(super) whisper: [u8; 32],
    pub(super) stay: Stay,
    pub(super) admission: Admission,
    more: More,
    /// The two look-alike forms of the name: names that share one can be mistaken for each other.
    looks: [Zeroizing<String>; 2],
    /// The leaf's signature by its member's key: the same signature is the same leaf.
    signature: Signature,
}

impl Seat {
    /// Returns the card of this member under another name.
    pub(super) fn renamed<'a>(&self, nickname: &'a Nickname) -> Card<'a> {
        let Self { whisper, stay, admission, more, .. } = self.clone();
        Card { nickname: nickname.as_str(), whisper, stay, admission, more }
    }
}

impl Roster {
    /// Reads the tree. Leaves that are unchanged since `before` are not read again. `None` when a
    /// leaf is invalid or two members have the same id.
    pub(super) fn read(
        group: &MlsGroup,
        settings: &Settings,
        address: &RoomAddress,
        before: &Self,
    ) -> Option<Self> {
        let mut roster = Self::default();
        for (index, node) in group.treesync().full_leaves() {
            let (mut member, seat) = match before.at(index) {
                Some((member, seat)) if is_unchanged(node, member, seat) => {
                    (member.clone(), seat.clone())
                }
                _ => read_member(index, node, address)?,
            };
            member.role = settings.role(&member.key);
            roster.members.push(member);
            roster.seats.push(seat);
        }
        let mut ids: Vec<MemberId> = roster.members.iter().map(|member| member.id).collect();
        ids.sort_unstable();
        if ids.windows(2).any(|pair| pair.first() == pair.last()) {
            return None;
        }
        roster.mark_look_alikes();
        Some(roster)
    }

    fn mark_look_alikes(&mut self) {
        let mut counts: [HashMap<&str, usize>; 2] = Default::default();
        for seat in &self.seats {
            for (count, look) in counts.iter_mut().zip(&seat.looks) {
                *count.entry(look.as_str()).or_default() += 1;
            }
        }
        for (member, seat) in self.members.iter_mut().zip(&self.seats) {
            let mut counted = counts.iter().zip(&seat.looks);
            member.look_alike =
                counted.any(|(count, look)| count.get(look.as_str()).is_some_and(|n| *n > 1));
        }
    }

    pub(super) fn members(&self) -> &[Member] {
        &self.members
    }

    pub(super) fn at(&self, index: LeafNodeIndex) -> Option<(&Member, &Seat)> {
        let place = self.seats.binary_search_by_key(&index, |seat| seat.index);
        place.ok().and_then(|place| self.pair(place))
    }

    pub(super) fn by_id(&self, id: MemberId) -> Option<(&Member, &Seat)> {
        let place = self.members.iter().position(|member| member.id == id)?;
        self.pair(place)
    }

    pub(super) fn by_key(&self, key: MemberKey) -> Option<(&Member, &Seat)> {
        let place = self.members.iter().position(|member| member.key == key)?;
        self.pair(place)
    }

    fn pair(&self, place: usize) -> Option<(&Member, &Seat)> {
        self.members.get(place).zip(self.seats.get(place))
    }
}

#[cfg(test)]
impl Roster {
    /// Resizes the list to this many members; added ones are copies of the first.
    pub(super) fn pad(&mut self, members: usize) {
        let first = self.members.first().cloned().unwrap();
        self.members.resize(members, first);
    }
}

fn is_unchanged(node: &LeafNode, member: &Member, seat: &Seat) -> bool {
    node.signature_key().as_slice() == member.key.as_bytes() && *node.signature() == seat.signature
}

/// Reads one leaf. The role and the look-alike mark depend on the settings and on other members,
/// and are set later.
fn read_member(
    index: LeafNodeIndex,
    node: &LeafNode,
    address: &RoomAddress,
) -> Option<(Member, Seat)> {
    let leaf = leaf::read_leaf(node)?;
    let seat = Seat {
        index,
        whisper: leaf.whisper,
        stay: leaf.stay,
        admission: leaf.admission,
        more: leaf.more,
        looks: looks(&leaf.nickname).map(Zeroizing::new),
        signature: node.signature().clone(),
    };
    let member = Member {
        id: leaf.id,
        key: leaf.key,
        nickname: leaf.nickname,
        role: Role::Member,
        tag: Tag::new(address, &leaf.key),
        colour: Colour::new(address, &leaf.key),
        look_alike: false,
    };
    Some((member, seat))
}
