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

use super::{
    super::{
        card::{Admission, Card, Stay},
        more::More,
    },
    forge::*,
    *,
};
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
    card_extensions("Mallory", of.whisper_key(), 1)
}

/// The card of a guest that comes back.
fn card_again(of: &Identity) -> Extensions<LeafNode> {
    card_extensions("Mallory", of.whisper_key(), 2)
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
    let long = card_extensions(&"x".repeat(65), [1; 32], 1);
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
    let entry = join_with(&mut room, &alice, &returning, psk, b"", card_again(&returning));
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
    let again = join_with(&mut room, &alice, &mallory, psk, b"", card_again(&mallory));
    assert!(applied(bob.open(&again).unwrap()).again);
}

#[test]
fn a_return_keeps_whisper_key_and_admission_and_has_another_stay() {
    let (mut room, mut alice, mut bob) = Room::of_two();
    let mallory = Identity::new(&mut room.rng);
    let psk = |n| Some(join::psk_id(&alice.door, vec![n; 32]));
    let first = join_with(&mut room, &alice, &mallory, psk(1), b"", card(&mallory));
    for session in [&mut alice, &mut bob] {
        session.open(&first).unwrap();
    }
    let psk = |n| Some(join::psk_id(&alice.door, vec![n; 32]));
    let own = mallory.whisper_key();
    let ticket = Admission::Ticket { by: alice.key(), signature: no_signature() };
    let admitted = Card { admission: ticket, ..card_of("Mallory", own, 2) };
    for (n, card) in [
        (2, card_of("Mallory", own, 1)),
        (3, card_of("Mallory", bob.identity.whisper_key(), 2)),
        (4, admitted),
    ] {
        let card = leaf::leaf_extensions(&card).unwrap();
        let entry = join_with(&mut room, &alice, &mallory, psk(n), b"", card);
        assert_eq!(bob.open(&entry), Err(OpenError::Rejected { by: None }), "{n}");
    }
    // The name and the numbered fields may differ.
    let more = More(vec![(0x8000, vec![1, 2, 3])]);
    let other = Card { more, ..card_of("Trudy", own, 2) };
    let card = leaf::leaf_extensions(&other).unwrap();
    let entry = join_with(&mut room, &alice, &mallory, psk(5), b"", card);
    for session in [&mut alice, &mut bob] {
        assert!(applied(session.open(&entry).unwrap()).again);
    }
}

#[test]
fn no_newcomer_is_admitted_by_pass_or_ticket() {
    let (mut room, mut alice, mut bob) = Room::of_two();
    let mallory = Identity::new(&mut room.rng);
    let signature = no_signature();
    for admission in [
        Admission::Pass { key: mallory.key(), signature },
        Admission::Ticket { by: alice.key(), signature },
    ] {
        let card = Card { admission, ..card_of("Mallory", mallory.whisper_key(), 1) };
        let card = leaf::leaf_extensions(&card).unwrap();
        let psk = Some(join::psk_id(&alice.door, vec![1; 32]));
        let entry = join_with(&mut room, &alice, &mallory, psk, b"", card);
        assert_eq!(bob.open(&entry), Err(OpenError::Rejected { by: None }));
    }
    room.heard(&mut alice, &mut bob);
}

#[test]
fn a_return_is_of_the_same_key_and_id() {
    let (_, alice, bob) = Room::of_two();
    let (old, seat) = alice.roster.by_key(bob.key()).unwrap();
    let (stay, more) = (Stay::new([9; 16]), More::default());
    let leaf = || leaf::Leaf {
        id: old.id,
        key: old.key,
        nickname: old.nickname.clone(),
        whisper: seat.whisper,
        stay,
        admission: seat.admission.clone(),
        more: more.clone(),
    };
    assert!(rules::is_return(&leaf(), old, seat));
    assert!(!rules::is_return(&leaf::Leaf { key: alice.key(), ..leaf() }, old, seat));
    assert!(!rules::is_return(&leaf::Leaf { id: alice.me(), ..leaf() }, old, seat));
}
