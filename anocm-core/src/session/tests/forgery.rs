//! Commits that members refuse.

use openmls::prelude::{
    BasicCredential, Capabilities, CredentialWithKey, ExtensionType, Extensions, KeyPackage,
    LeafNode, LeafNodeParameters, PreSharedKeyProposal, Proposal,
};
use tls_codec::Serialize as _;

use super::super::card::{Admission, Card};
use super::{forge::*, *};
use crate::wire::EntryKind;

#[test]
fn the_forge_makes_lawful_commits_too() {
    let (mut room, mut alice, mut bob) = Room::of_two();
    let valid = notice(vec![], false);
    let entry = commit(&mut room, &mut alice, &valid, handshakes(), |builder| builder);
    assert!(bob.open(&entry).is_ok());
}

#[test]
fn a_member_without_a_role_cannot_remove() {
    for new_door in [false, true] {
        let (mut room, mut alice, mut bob, mut carol) = Room::of_three();
        let target = seat(&bob, &carol);
        let notice = notice(vec![], new_door);
        let entry = commit(&mut room, &mut bob, &notice, handshakes(), |builder| {
            builder.propose_removals([target])
        });
        // The member to be removed decides like all others.
        forbidden(&mut room, &entry, &mut bob, &mut [&mut alice, &mut carol]);
    }
}

#[test]
fn a_removal_needs_a_new_door() {
    let (mut room, mut alice, mut bob, mut carol) = Room::of_three();
    let target = seat(&alice, &carol);
    let notice = notice(vec![], false);
    let entry = commit(&mut room, &mut alice, &notice, handshakes(), |builder| {
        builder.propose_removals([target])
    });
    forbidden(&mut room, &entry, &mut alice, &mut [&mut bob, &mut carol]);
}

#[test]
fn a_new_door_is_not_for_members() {
    let (mut room, mut alice, mut bob) = Room::of_two();
    let notice = notice(vec![], true);
    let entry = commit(&mut room, &mut bob, &notice, handshakes(), |builder| builder);
    forbidden(&mut room, &entry, &mut bob, &mut [&mut alice]);
}

#[test]
fn a_forged_leave_statement_removes_no_member() {
    let (mut room, mut alice, mut bob, mut carol) = Room::of_three();
    let target = seat(&bob, &carol);
    let mut forged = postcard::to_allocvec(&bob.leave_statement().unwrap()).unwrap();
    forged[..16].copy_from_slice(carol.me().as_bytes());
    let forged: LeaveStatement = postcard::from_bytes(&forged).unwrap();
    for leaves in [vec![forged], vec![bob.leave_statement().unwrap()]] {
        let notice = notice(leaves, false);
        let entry = commit(&mut room, &mut bob, &notice, handshakes(), |builder| {
            builder.propose_removals([target])
        });
        let error = OpenError::Rejected { by: Some(bob.me()) };
        assert_eq!(alice.open(&entry), Err(error));
        assert_eq!(carol.open(&entry), Err(error));
    }
    // An invalid statement is refused even from the owner, which needs none for a removal.
    room.heard(&mut alice, &mut carol);
}

#[test]
fn a_statement_beside_no_removal_is_refused() {
    let (mut room, mut alice, mut bob, mut carol) = Room::of_three();
    let statement = carol.leave_statement().unwrap();
    let target = seat(&alice, &carol);
    let idle = notice(vec![statement.clone()], false);
    let entry = commit(&mut room, &mut bob, &idle, handshakes(), |builder| builder);
    forbidden(&mut room, &entry, &mut bob, &mut [&mut alice, &mut carol]);
    let twice = notice(vec![statement.clone(), statement], false);
    let entry = commit(&mut room, &mut alice, &twice, handshakes(), |builder| {
        builder.propose_removals([target])
    });
    assert!(bob.open(&entry).is_err());
}

#[test]
fn a_notice_that_cannot_be_read_is_refused() {
    for bad in [b"".as_slice(), b"\0\x02", b"\0\0\0", b"\x80\0\0", &[0xff; 40], &[0; 9_000]] {
        let (mut room, mut alice, mut bob) = Room::of_two();
        let entry = commit(&mut room, &mut bob, bad, handshakes(), |builder| builder);
        forbidden(&mut room, &entry, &mut bob, &mut [&mut alice]);
    }
}

#[test]
fn a_commit_is_kept_as_long_as_the_policy_says() {
    let (mut room, mut alice, mut bob) = Room::of_two();
    let valid = notice(vec![], false);
    for retention in [Retention::Live, kept(60)] {
        let entry = commit(&mut room, &mut bob, &valid, retention, |builder| builder);
        // Any member can have re-sealed Bob's commit.
        assert_eq!(alice.open(&entry), Err(OpenError::Rejected { by: None }));
    }
    room.heard(&mut alice, &mut bob);
}

#[test]
fn add_proposals_are_refused() {
    let (mut room, mut alice, mut bob) = Room::of_two();
    let stranger = Identity::new(&mut room.rng);
    let provider = provider::Provider::default();
    let package = KeyPackage::builder()
        .leaf_node_capabilities(leaf::capabilities())
        .leaf_node_extensions(card_extensions("Mallory", [9; 32], 1))
        .build(leaf::SUITE, &provider, &stranger, stranger.credential())
        .unwrap();
    let package = package.key_package().clone();
    let valid = notice(vec![], false);
    let entry = commit(&mut room, &mut alice, &valid, handshakes(), |builder| {
        builder.propose_adds([package])
    });
    forbidden(&mut room, &entry, &mut alice, &mut [&mut bob]);
}

#[test]
fn a_psk_in_a_members_commit_is_refused() {
    let (mut room, mut alice, mut bob) = Room::of_two();
    let valid = notice(vec![], false);
    let psk = join::psk_id(&bob.door, vec![1; 32]);
    let entry = commit(&mut room, &mut bob, &valid, handshakes(), |builder| {
        builder.add_proposal(Proposal::PreSharedKey(Box::new(PreSharedKeyProposal::new(psk))))
    });
    forbidden(&mut room, &entry, &mut bob, &mut [&mut alice]);
}

#[test]
fn a_member_keeps_id_key_whisper_key_and_admission() {
    let (mut room, mut alice, mut bob, mut carol) = Room::of_three();
    let valid = notice(vec![], false);
    let credential = CredentialWithKey {
        credential: BasicCredential::new(carol.me().as_bytes().to_vec()).into(),
        signature_key: bob.identity.key().as_bytes().to_vec().into(),
    };
    let other_id = LeafNodeParameters::builder().with_credential_with_key(credential);
    let extensions = card_extensions("Bob", [9; 32], 1);
    let other_whisper = LeafNodeParameters::builder().with_extensions(extensions);
    let ticket = Admission::Ticket { by: alice.key(), signature: no_signature() };
    let admitted = Card { admission: ticket, ..card_of("Bob", bob.identity.whisper_key(), 1) };
    let admitted = leaf::leaf_extensions(&admitted).unwrap();
    let admitted = LeafNodeParameters::builder().with_extensions(admitted);
    let bare = LeafNodeParameters::builder().with_extensions(Extensions::<LeafNode>::empty());
    let long = card_extensions(&"x".repeat(65), bob.identity.whisper_key(), 1);
    let long = LeafNodeParameters::builder().with_extensions(long);
    let mut more = leaf::capabilities().extensions().to_vec();
    more.push(ExtensionType::Unknown(0xf0ff));
    let capable = Capabilities::new(None, None, Some(&more), None, None);
    let capable = LeafNodeParameters::builder().with_capabilities(capable);
    for parameters in [other_id, other_whisper, admitted, bare, long, capable] {
        let parameters = parameters.build();
        let entry = commit(&mut room, &mut bob, &valid, handshakes(), |builder| {
            builder.leaf_node_parameters(parameters)
        });
        let error = OpenError::Rejected { by: Some(bob.me()) };
        assert_eq!(alice.open(&entry), Err(error));
        assert_eq!(carol.open(&entry), Err(error));
    }
    room.heard(&mut alice, &mut carol);
}

#[test]
fn a_message_passed_off_as_a_commit_burns_nothing() {
    let (mut room, mut alice, mut bob) = Room::of_two();
    let envelope = room.envelope(text("hello"));
    let bytes = envelope.encode().unwrap();
    let live = alice.live.as_mut().unwrap();
    live.group.set_aad(messages::aad(kept(60)));
    let message = live.group.create_message(&alice.provider, &alice.identity, &bytes).unwrap();
    for kind in [EntryKind::Commit, EntryKind::Join] {
        let entry = envelop(&mut room, &alice, kind, handshakes(), &message);
        assert_eq!(bob.open(&entry), Err(OpenError::Rejected { by: None }));
    }
    let entry = envelop(&mut room, &alice, EntryKind::Message, kept(60), &message);
    assert!(bob.open(&entry).is_ok());
}

#[test]
fn a_commit_passed_off_as_a_message_is_not_applied() {
    let (mut room, mut alice, mut bob) = Room::of_two();
    let valid = notice(vec![], false);
    let commit = raw_commit(&mut alice, &valid, |builder| builder);
    let as_message = envelop(&mut room, &alice, EntryKind::Message, kept(60), &commit);
    assert_eq!(bob.open(&as_message), Err(OpenError::RatchetSkipped));
    let as_join = envelop(&mut room, &alice, EntryKind::Join, handshakes(), &commit);
    assert_eq!(bob.open(&as_join), Err(OpenError::Rejected { by: None }));
    let as_commit = envelop(&mut room, &alice, EntryKind::Commit, handshakes(), &commit);
    assert!(bob.open(&as_commit).is_ok());
}

#[test]
fn a_message_kept_longer_than_the_room_allows_does_not_open() {
    let (mut room, mut alice, mut bob) = Room::of_two();
    let envelope = room.envelope(text("hello"));
    let bytes = envelope.encode().unwrap();
    for (retention, opens) in [(kept(90_000), false), (kept(86_400), true)] {
        let live = alice.live.as_mut().unwrap();
        live.group.set_aad(messages::aad(retention));
        let message = live.group.create_message(&alice.provider, &alice.identity, &bytes).unwrap();
        let entry = envelop(&mut room, &alice, EntryKind::Message, retention, &message);
        assert_eq!(bob.open(&entry).is_ok(), opens);
    }
}

#[test]
fn a_message_sealed_again_by_a_member_is_not_kept_for_longer() {
    let (mut room, mut alice, mut bob, mut carol) = Room::of_three();
    let envelope = room.envelope(text("only now"));
    let entry = alice.seal(&envelope, Retention::Live, &mut room.rng).unwrap();
    assert!(bob.open(&entry).is_ok());
    // Carol was offline. Bob opens the seal and seals the message again with a retention of one
    // day, which needs only keys that all members have.
    let key = bob.live.as_ref().unwrap().keys.envelope.clone();
    let message = seal::open(
        &key,
        &bob.seal_context(seal::SealKind::Message, Retention::Live),
        &entry.sealed,
    )
    .unwrap();
    let place = bob.seal_context(seal::SealKind::Message, kept(86_400));
    let sealed = seal::seal(&key, &place, &message, &mut room.rng).unwrap();
    let again = Entry { retention: kept(86_400), sealed, ..entry };
    assert_eq!(carol.open(&again), Err(OpenError::RatchetSkipped));
    room.heard(&mut alice, &mut carol);
}

#[test]
fn a_room_goes_on_after_a_forbidden_commit_was_voided() {
    let (mut room, mut alice, mut bob, mut carol) = Room::of_three();
    let target = seat(&bob, &carol);
    let valid = notice(vec![], false);
    let entry = commit(&mut room, &mut bob, &valid, handshakes(), |builder| {
        builder.propose_removals([target])
    });
    assert!(alice.open(&entry).is_err() && carol.open(&entry).is_err());
    // The relay voids the commit and restores the epoch; guests can join through the restored door.
    let restored = alice.restored(&mut room.rng).unwrap();
    room.door.group_info = restored.group_info;
    let mut dave = room.join("Dave", &mut [&mut alice, &mut carol, &mut bob]);
    room.heard(&mut dave, &mut bob);
    room.change(&mut alice, Change::Remove(bob.key()), &mut [&mut carol, &mut dave, &mut bob]);
}

#[test]
fn a_commit_damaged_behind_a_valid_seal_accuses_no_member() {
    let (mut room, mut alice, mut bob) = Room::of_two();
    let valid = notice(vec![], false);
    let message = raw_commit(&mut alice, &valid, |builder| builder);
    let bytes = message.tls_serialize_detached().unwrap();
    let place = alice.seal_context(seal::SealKind::Commit, handshakes());
    for at in (0..bytes.len()).step_by(7) {
        let mut damaged = bytes.clone();
        damaged[at] ^= 1;
        let key = &alice.live.as_ref().unwrap().keys.envelope;
        let entry = Entry {
            kind: EntryKind::Commit,
            epoch: alice.epoch(),
            retention: handshakes(),
            sealed: seal::seal(key, &place, &damaged, &mut room.rng).unwrap(),
        };
        assert_eq!(bob.open(&entry), Err(OpenError::Rejected { by: None }));
    }
    let entry = envelop(&mut room, &alice, EntryKind::Commit, handshakes(), &message);
    assert!(bob.open(&entry).is_ok());
}
