//! A formerly full room of which half has left: the tree in which a commit is largest, since its
//! path must be encrypted to each remaining member separately.

use openmls::prelude::{Extensions, KeyPackage, LeafNode, LeafNodeIndex, Lifetime};

use super::{forge::*, *};
use crate::{
    session::{
        card::{Admission, Card},
        more::More,
        roster::Roster,
        settings::MAX_SETTINGS,
    },
    wire::{self, MAX_DOOR, MAX_SEALED},
};

/// The most bytes by which the commit may be below the limit. With a larger gap, `MAX_MEMBERS`
/// could be higher.
const MARGIN: usize = 3_000;

/// Alice in a full room, with the longest names. The members are added directly, not by the rules,
/// which allow only one join at a time.
fn full() -> (Room, Session) {
    let (mut room, mut alice) = Room::open();
    let packages: Vec<_> = (1..rules::MAX_MEMBERS)
        .map(|n| {
            let identity = Identity::new(&mut room.rng);
            let name = format!("{n:0>64}");
            let card = longest_card(&name, identity.whisper_key());
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

/// A card of the greatest length.
fn longest_card(name: &str, whisper: [u8; 32]) -> Extensions<LeafNode> {
    let (by, signature) = (MemberKey::new([9; 32]), no_signature());
    let admission = Admission::Ticket { by, signature };
    let more = More(vec![(0xffff, vec![0; 27])]);
    assert!(more.is_valid(32) && !More(vec![(0xffff, vec![0; 28])]).is_valid(32));
    leaf::leaf_extensions(&Card { admission, more, ..card_of(name, whisper, 1) }).unwrap()
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

    // The owner's removals bring settings, here with all that this version puts into them. Those of
    // a later one can be longer by what is left to their limit.
    let others = alice.members().iter().filter(|member| member.role != Role::Owner);
    let mut keys: Vec<_> = others.map(|member| member.key).collect();
    let mallory = keys.pop().unwrap();
    keys.truncate(MAX_MODERATORS);
    keys.sort_unstable();
    alice.settings.moderators = keys;
    alice.settings.set_title(&"x".repeat(64));
    alice.settings.set_more(More(vec![(1, vec![0; 508])]));
    let left = MAX_SETTINGS - wire::encode(&alice.settings).len();
    let outgoing = alice.propose(Change::Remove(mallory), &mut room.rng).unwrap();
    let place = alice.seal_context(seal::SealKind::Commit, outgoing.entry.retention);
    let key = &alice.live.as_ref().unwrap().keys.envelope;
    let commit = seal::open(key, &place, &outgoing.entry.sealed).unwrap();
    let most = commit.len() + left + 44;
    assert!((MAX_SEALED - MARGIN..=MAX_SEALED).contains(&most), "{most} bytes");
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
