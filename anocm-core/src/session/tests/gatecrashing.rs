//! Joins that members refuse.

use openmls::{
    prelude::{
        Extensions, LeafNode, LeafNodeParameters, MlsGroup, MlsMessageBodyIn, MlsMessageIn,
        MlsMessageOut, PreSharedKeyProposal,
    },
    schedule::PreSharedKeyId,
};
use openmls_traits::{OpenMlsProvider, crypto::OpenMlsCrypto};
use tls_codec::{Deserialize as _, Serialize as _};

use super::{forge::*, *};
use crate::wire::EntryKind;

/// Makes a sealed external commit without checking any rule.
pub(super) fn join_with(
    room: &mut Room,
    member: &Session,
    who: &Identity,
    psk: Option<PreSharedKeyId>,
    aad: &[u8],
    card: Extensions<LeafNode>,
) -> Entry {
    let crypto = member.provider.crypto();
    let commit = raw_join_with(crypto, member, who, psk, aad, card);
    envelop(room, member, EntryKind::Join, handshakes(), &commit)
}

/// The same without a seal, with keys that `crypto` makes.
pub(super) fn raw_join_with(
    crypto: &impl OpenMlsCrypto,
    member: &Session,
    who: &Identity,
    psk: Option<PreSharedKeyId>,
    aad: &[u8],
    card: Extensions<LeafNode>,
) -> MlsMessageOut {
    let provider = provider::Provider::default();
    let live = member.live.as_ref().unwrap();
    let info =
        live.group.export_group_info(member.provider.crypto(), &member.identity, true).unwrap();
    let info = MlsMessageIn::tls_deserialize_exact(info.tls_serialize_detached().unwrap()).unwrap();
    let MlsMessageBodyIn::GroupInfo(info) = info.extract() else {
        panic!("group information was expected");
    };
    let leaf = LeafNodeParameters::builder()
        .with_capabilities(leaf::capabilities())
        .with_extensions(card)
        .build();
    let mut builder = MlsGroup::external_commit_builder()
        .with_config(create::join_config())
        .with_aad(aad.to_vec())
        .skip_lifetime_validation()
        .build_group(&provider, info, who.credential())
        .unwrap()
        .leaf_node_parameters(leaf);
    if let Some(psk) = psk {
        psk.store(&provider, member.door.psk.expose()).unwrap();
        builder = builder.add_psk_proposal(PreSharedKeyProposal::new(psk));
    }
    let (_, bundle) = builder
        .load_psks(provider.storage())
        .unwrap()
        .build(provider.rand(), crypto, who, |_| true)
        .unwrap()
        .finalize(&provider)
        .unwrap();
    let (commit, _, _) = bundle.into_messages();
    commit
}

pub(super) fn card(of: &Identity) -> Extensions<LeafNode> {
    leaf::leaf_extensions("Mallory", of.whisper_key()).unwrap()
}

#[test]
fn a_join_without_the_psk_is_refused() {
    let (mut room, mut alice, mut bob) = Room::of_two();
    let mallory = Identity::new(&mut room.rng);
    let entry = join_with(&mut room, &alice, &mallory, None, b"", card(&mallory));
    for judge in [&mut alice, &mut bob] {
        assert_eq!(judge.open(&entry), Err(OpenError::Rejected { by: None }));
    }
    let psk = join::psk_id(&alice.door, vec![1; 32]);
    let entry = join_with(&mut room, &alice, &mallory, Some(psk), b"", card(&mallory));
    for judge in [&mut alice, &mut bob] {
        assert_eq!(applied(judge.open(&entry).unwrap()).by, mallory.member());
    }
}

#[test]
fn a_join_with_another_psk_is_refused() {
    let (mut room, mut alice, mut bob) = Room::of_two();
    let mallory = Identity::new(&mut room.rng);
    let other = PreSharedKeyId::external(vec![1; 16], vec![1; 32]);
    let entry = join_with(&mut room, &alice, &mallory, Some(other), b"", card(&mallory));
    assert_eq!(bob.open(&entry), Err(OpenError::Rejected { by: None }));
    room.heard(&mut alice, &mut bob);
}

#[test]
fn a_join_carries_no_notice_and_a_lawful_leaf() {
    let (mut room, mut alice, mut bob) = Room::of_two();
    let mallory = Identity::new(&mut room.rng);
    let psk = || Some(join::psk_id(&alice.door, vec![1; 32]));
    let notice = notice(vec![], true);
    let noticed = join_with(&mut room, &alice, &mallory, psk(), &notice, card(&mallory));
    let bare = join_with(&mut room, &alice, &mallory, psk(), b"", Extensions::empty());
    let long = leaf::leaf_extensions(&"x".repeat(65), [1; 32]).unwrap();
    let long = join_with(&mut room, &alice, &mallory, psk(), b"", long);
    for entry in [noticed, bare, long] {
        assert_eq!(bob.open(&entry), Err(OpenError::Rejected { by: None }));
    }
    room.heard(&mut alice, &mut bob);
}

#[test]
fn a_join_under_the_id_of_another_is_refused() {
    let (mut room, mut alice, mut bob) = Room::of_two();
    let mut mallory = Identity::new(&mut room.rng);
    mallory.take_id(alice.me());
    let psk = Some(join::psk_id(&alice.door, vec![1; 32]));
    let entry = join_with(&mut room, &alice, &mallory, psk, b"", card(&mallory));
    assert_eq!(bob.open(&entry), Err(OpenError::Rejected { by: None }));
    room.heard(&mut alice, &mut bob);
}

#[test]
fn a_return_under_another_id_is_refused() {
    let (mut room, mut alice, mut bob) = Room::of_two();
    let mut returning = Identity::new(&mut ChaCha20Rng::seed_from_u64(9));
    let psk = || Some(join::psk_id(&alice.door, vec![1; 32]));
    let entry = join_with(&mut room, &alice, &returning, psk(), b"", card(&returning));
    for session in [&mut alice, &mut bob] {
        session.open(&entry).unwrap();
    }
    returning.take_id(crate::MemberId::new([9; 16]));
    let psk = Some(join::psk_id(&alice.door, vec![2; 32]));
    let entry = join_with(&mut room, &alice, &returning, psk, b"", card(&returning));
    assert_eq!(bob.open(&entry), Err(OpenError::Rejected { by: None }));
    room.heard(&mut alice, &mut bob);
}

#[test]
fn a_full_room_refuses_joins_and_lets_members_come_back() {
    let (mut room, mut alice, mut bob) = Room::of_two();
    let mallory = Identity::new(&mut room.rng);
    let psk = |n| Some(join::psk_id(&alice.door, vec![n; 32]));
    let first = join_with(&mut room, &alice, &mallory, psk(1), b"", card(&mallory));
    bob.roster.pad(rules::MAX_MEMBERS);
    assert_eq!(bob.open(&first), Err(OpenError::Rejected { by: None }));
    bob.roster.pad(rules::MAX_MEMBERS - 1);
    bob.open(&first).unwrap();
    alice.open(&first).unwrap();
    bob.roster.pad(rules::MAX_MEMBERS);
    let psk = Some(join::psk_id(&alice.door, vec![2; 32]));
    let again = join_with(&mut room, &alice, &mallory, psk, b"", card(&mallory));
    assert!(applied(bob.open(&again).unwrap()).again);
}
