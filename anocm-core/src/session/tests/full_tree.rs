//! A formerly full room of which half has left: the tree in which a commit is largest, since its
//! path must be encrypted to each remaining member separately.

use openmls::prelude::{KeyPackage, LeafNodeIndex, Lifetime};

use super::*;
use crate::{
    session::roster::Roster,
    wire::{MAX_DOOR, MAX_SEALED},
};

/// The most bytes by which the sealed commit may be below the limit. With a larger gap,
/// `MAX_MEMBERS` could be higher.
const MARGIN: usize = 6_000;

/// Alice in a full room, with the longest names. The members are added directly, not by the rules,
/// which allow only one join at a time.
fn full() -> (Room, Session) {
    let (mut room, mut alice) = Room::open();
    let packages: Vec<_> = (1..rules::MAX_MEMBERS)
        .map(|n| {
            let identity = Identity::new(&mut room.rng);
            let name = format!("{n:0>64}");
            let card = leaf::leaf_extensions(&name, identity.whisper_key()).unwrap();
            let package = KeyPackage::builder()
                .leaf_node_capabilities(leaf::capabilities())
                .leaf_node_extensions(card)
                .key_package_lifetime(Lifetime::init(0, u64::MAX))
                .build(leaf::SUITE, &alice.provider, &identity, identity.credential());
            package.unwrap().key_package().clone()
        })
        .collect();
    let group = &mut alice.live.as_mut().unwrap().group;
    group.add_members(&alice.provider, &alice.identity, &packages).unwrap();
    group.merge_pending_commit(&alice.provider).unwrap();
    (room, alice)
}

/// Updates the session's state to that of the group.
fn look(alice: &mut Session) {
    let group = &alice.live.as_ref().unwrap().group;
    let roster = Roster::read(group, &alice.settings, &alice.address, &Roster::default());
    alice.epoch = Epoch::new(group.epoch().as_u64());
    alice.roster = roster.unwrap();
}

#[test]
fn members_can_be_removed_from_the_worst_tree_there_can_be() {
    let (mut room, mut alice) = full();
    let left: Vec<_> = (1..u32::try_from(rules::MAX_MEMBERS).unwrap())
        .step_by(2)
        .map(LeafNodeIndex::new)
        .collect();
    let group = &mut alice.live.as_mut().unwrap().group;
    group.remove_members(&alice.provider, &alice.identity, &left).unwrap();
    group.merge_pending_commit(&alice.provider).unwrap();
    look(&mut alice);
    assert_eq!(alice.members().len(), rules::MAX_MEMBERS / 2);

    let mallory = alice.members().last().unwrap().key;
    let outgoing = alice.propose(Change::Remove(mallory), &mut room.rng).unwrap();
    let sealed = outgoing.entry.sealed.len();
    assert!((MAX_SEALED - MARGIN..=MAX_SEALED).contains(&sealed), "{sealed} bytes");
    assert!(outgoing.next.group_info.len() <= MAX_DOOR);
    alice.accept().unwrap();
    assert_eq!(alice.members().len(), rules::MAX_MEMBERS / 2 - 1);
}

#[test]
fn the_door_shows_a_full_room() {
    let (mut room, mut alice) = full();
    look(&mut alice);
    assert_eq!(alice.members().len(), rules::MAX_MEMBERS);
    let door = alice.restored(&mut room.rng).unwrap().group_info.len();
    assert!(door <= MAX_DOOR, "{door} bytes");
}
