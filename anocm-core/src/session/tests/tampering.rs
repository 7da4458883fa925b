use openmls_traits::{OpenMlsProvider, signatures::Signer as _};
use proptest::prelude::*;
use tls_codec::{Serialize as _, VLBytes};

use super::*;
use crate::wire::EntryKind;

fn altered(entry: &Entry) -> Vec<Entry> {
    let other = |kind| Entry { kind, ..entry.clone() };
    let mut altered = vec![
        Entry { epoch: entry.epoch.next(), ..entry.clone() },
        Entry { retention: kept(61), ..entry.clone() },
        Entry { retention: Retention::Live, ..entry.clone() },
        Entry { sealed: entry.sealed[1..].to_vec().into(), ..entry.clone() },
        Entry { sealed: vec![0; 1_000].into(), ..entry.clone() },
        Entry { sealed: Vec::new().into(), ..entry.clone() },
    ];
    let kinds = [EntryKind::Message, EntryKind::Commit, EntryKind::Join];
    altered.extend(kinds.into_iter().filter(|kind| *kind != entry.kind).map(other));
    for at in [0, 23, 24, 28, 500, entry.sealed.len() - 1] {
        let mut sealed = entry.sealed.to_vec();
        sealed[at] ^= 1;
        altered.push(Entry { sealed: sealed.into(), ..entry.clone() });
    }
    altered
}

#[test]
fn a_tampered_message_does_not_open_and_the_original_does() {
    let (mut room, mut alice, mut bob) = Room::of_two();
    let entry = room.seal(&mut alice, text("hello"));
    for tampered in altered(&entry) {
        assert_eq!(bob.open(&tampered), Err(OpenError::Decrypt));
    }
    assert_eq!(message(bob.open(&entry).unwrap()).1, text("hello"));
}

#[test]
fn a_tampered_commit_does_not_open_and_the_original_does() {
    let (mut room, mut alice, mut bob) = Room::of_two();
    let outgoing = alice.propose(Change::Rename(name("A")), &mut room.rng).unwrap();
    for tampered in altered(&outgoing.entry) {
        assert_eq!(bob.open(&tampered), Err(OpenError::Decrypt));
    }
    room.append(outgoing, &mut [&mut bob]);
    alice.accept().unwrap();
    agree(&alice, &bob);
}

#[test]
fn a_tampered_join_does_not_open_and_the_original_does() {
    let (mut room, mut alice, mut bob) = Room::of_two();
    let who = Joiner::New(name("Carol"));
    let (carol, outgoing) = Session::join(&room.door, &secret(), who, &mut room.rng).unwrap();
    for tampered in altered(&outgoing.entry) {
        assert_eq!(bob.open(&tampered), Err(OpenError::Decrypt));
    }
    room.append(outgoing, &mut [&mut alice, &mut bob]);
    agree(&bob, &carol);
}

#[test]
fn a_repeated_entry_does_not_open_again() {
    let (mut room, mut alice, mut bob) = Room::of_two();
    let said = room.seal(&mut alice, text("hello"));
    assert!(bob.open(&said).is_ok());
    assert_eq!(bob.open(&said), Err(OpenError::RatchetSkipped));
    let outgoing = alice.propose(Change::Refresh, &mut room.rng).unwrap();
    let commit = outgoing.entry.clone();
    room.append(outgoing, &mut [&mut bob]);
    assert_eq!(bob.open(&commit), Err(OpenError::Decrypt));
    // No entry of an epoch that has ended opens either.
    assert_eq!(bob.open(&said), Err(OpenError::Decrypt));
}

#[test]
fn who_was_away_walks_forward_through_the_epochs() {
    let (mut room, mut alice, mut bob, mut carol) = Room::of_three();
    let mut log = vec![];
    for n in 0..10 {
        log.push(room.seal(&mut alice, text(&n.to_string())));
        let change = match n % 3 {
            0 => Change::Refresh,
            1 => Change::ReplaceInvite,
            _ => Change::Rename(name(&n.to_string())),
        };
        let outgoing = alice.propose(change, &mut room.rng).unwrap();
        log.push(outgoing.entry.clone());
        room.append(outgoing, &mut [&mut bob]);
        alice.accept().unwrap();
    }
    for entry in &log {
        carol.open(entry).unwrap();
    }
    agree(&alice, &carol);
    // Only the keys of the current epoch and the PSK of its door are stored.
    for session in [&alice, &carol] {
        assert_eq!(session.provider.storage().len(), 2);
    }
    room.heard(&mut carol, &mut bob);
}

#[test]
fn own_messages_do_not_open() {
    let (mut room, mut alice, mut bob) = Room::of_two();
    let said = room.seal(&mut alice, text("hello"));
    assert_eq!(alice.open(&said), Err(OpenError::RatchetSkipped));
    assert!(bob.open(&said).is_ok());
    room.heard(&mut alice, &mut bob);
}

#[test]
fn messages_open_in_any_order_within_their_epoch() {
    let (mut room, mut alice, mut bob) = Room::of_two();
    let entries: Vec<_> = (0..10).map(|n| room.seal(&mut alice, text(&n.to_string()))).collect();
    for n in [9, 0, 5, 1, 8] {
        let (_, content) = message(bob.open(&entries[n]).unwrap());
        assert_eq!(content, text(&n.to_string()));
    }
}

#[test]
fn the_commit_that_came_first_wins() {
    let (mut room, mut alice, mut bob) = Room::of_two();
    let winner = alice.propose(Change::Rename(name("A")), &mut room.rng).unwrap();
    let loser = bob.propose(Change::Rename(name("B")), &mut room.rng).unwrap();
    assert_eq!(bob.propose(Change::Refresh, &mut room.rng), Err(SessionError::Pending));
    assert!(bob.has_pending());
    bob.discard();
    assert!(!bob.has_pending());
    room.append(winner, &mut [&mut bob]);
    alice.accept().unwrap();
    assert_eq!(alice.open(&loser.entry), Err(OpenError::Decrypt));
    assert_eq!(bob.accept(), Err(SessionError::NotPending));
    room.change(&mut bob, Change::Rename(name("B")), &mut [&mut alice]);
    assert_eq!(names(&alice), ["A", "B"]);
}

#[test]
fn an_own_commit_that_was_beaten_is_forgotten_unasked() {
    let (mut room, mut alice, mut bob) = Room::of_two();
    let winner = alice.propose(Change::Refresh, &mut room.rng).unwrap();
    bob.propose(Change::ReplaceInvite, &mut room.rng).unwrap_err();
    bob.propose(Change::Refresh, &mut room.rng).unwrap();
    room.append(winner, &mut [&mut bob]);
    alice.accept().unwrap();
    assert!(!bob.has_pending());
    agree(&alice, &bob);
    room.change(&mut bob, Change::Refresh, &mut [&mut alice]);
}

#[test]
fn an_own_commit_read_back_from_the_log_is_accepted() {
    let (mut room, mut alice, mut bob) = Room::of_two();
    let outgoing = alice.propose(Change::Refresh, &mut room.rng).unwrap();
    let entry = outgoing.entry.clone();
    room.append(outgoing, &mut [&mut bob]);
    assert_eq!(applied(alice.open(&entry).unwrap()).by, alice.me());
    assert!(!alice.has_pending());
    agree(&alice, &bob);
}

#[test]
fn one_can_talk_while_an_own_commit_waits() {
    let (mut room, mut alice, mut bob) = Room::of_two();
    alice.propose(Change::Refresh, &mut room.rng).unwrap();
    room.heard(&mut alice, &mut bob);
    room.heard(&mut bob, &mut alice);
    alice.discard();
    room.heard(&mut alice, &mut bob);
}

#[test]
fn a_restored_door_lets_guests_in() {
    let (mut room, mut alice, mut bob) = Room::of_two();
    let restored = alice.restored(&mut room.rng).unwrap();
    assert_eq!((restored.member, restored.door), (room.member, room.door_token));
    assert_ne!(restored.group_info, room.door.group_info);
    assert!(!restored.member.admits(&wrong_token()));
    room.door.group_info = restored.group_info;
    let mut carol = room.join("Carol", &mut [&mut alice, &mut bob]);
    room.heard(&mut carol, &mut alice);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn bytes_of_no_meaning_never_panic(
        bytes in proptest::collection::vec(any::<u8>(), 0..2_000),
        kind in 0_usize..3,
        cut in any::<bool>(),
    ) {
        let (mut room, mut alice, mut bob) = Room::of_two();
        let kind = [EntryKind::Message, EntryKind::Commit, EntryKind::Join][kind];
        let sealed = if cut {
            bytes.into()
        } else {
            // Behind a valid seal, so that they reach the decoder.
            let place = bob.seal_context(kind.into(), kept(60));
            let live = bob.live.as_ref().unwrap();
            let key = if kind == EntryKind::Join { &bob.door.key } else { &live.keys.envelope };
            seal::seal(key, &place, &bytes, &mut room.rng).unwrap()
        };
        let entry = Entry { kind, epoch: bob.epoch(), retention: kept(60), sealed };
        prop_assert!(bob.open(&entry).is_err());
        room.heard(&mut alice, &mut bob);
    }
}

#[test]
fn a_member_vouches_for_a_sound_door_only() {
    let (mut room, mut alice, mut bob) = Room::of_two();
    let sound = room.door.clone();
    assert!(alice.vouches_for(&sound, &mut room.rng));
    assert!(bob.vouches_for(&sound, &mut room.rng));
    let useless = |group_info: Vec<u8>| Door { group_info: group_info.into(), ..sound.clone() };
    assert!(!bob.vouches_for(&useless(vec![0; 4_000]), &mut room.rng));
    let mut altered = sound.group_info.to_vec();
    altered[100] ^= 1;
    assert!(!bob.vouches_for(&useless(altered), &mut room.rng));
    // Signed by a member, but false in parts that a joining guest cannot check.
    for from_the_end in [SIGNER + 1, SIGNER + 33 + 20] {
        let poisoned = signed_again(&bob, &sound, from_the_end, &mut room.rng);
        assert!(
            Session::join(&poisoned, &secret(), Joiner::New(name("Dave")), &mut room.rng).is_ok()
        );
        assert!(!alice.vouches_for(&poisoned, &mut room.rng), "{from_the_end}");
    }
    assert!(alice.vouches_for(&sound, &mut room.rng));
    // A valid door, but of an epoch that Bob is not in.
    let outgoing = alice.propose(Change::Refresh, &mut room.rng).unwrap();
    let elsewhere =
        Door { epoch: outgoing.entry.epoch.next(), group_info: outgoing.next.group_info, ..sound };
    assert!(!bob.vouches_for(&elsewhere, &mut room.rng));
}

/// The number of bytes from the signer of group information to its end.
const SIGNER: usize = 4 + 2 + 64;

/// Returns the door with one bit of its group information changed, and a valid signature of `by`,
/// its signer.
fn signed_again(by: &Session, door: &Door, from_the_end: usize, rng: &mut ChaCha20Rng) -> Door {
    let place = by.seal_context(seal::SealKind::GroupInfo, Retention::Live);
    let mut bytes = seal::open(&by.door.key, &place, &door.group_info).unwrap().to_vec();
    let end = bytes.len();
    bytes[end - from_the_end] ^= 1;
    // RFC 9420, section 5.1.2: the label and the content with their lengths. The message's own
    // header is not signed.
    let content = VLBytes::new(bytes[4..end - 2 - 64].to_vec());
    let signed = [
        VLBytes::new(b"MLS 1.0 GroupInfoTBS".to_vec()).tls_serialize_detached().unwrap(),
        content.tls_serialize_detached().unwrap(),
    ];
    let signature = by.identity.sign(&signed.concat()).unwrap();
    bytes[end - 64..].copy_from_slice(&signature);
    let sealed = seal::seal(&by.door.key, &place, &bytes, rng).unwrap();
    Door { group_info: sealed, ..door.clone() }
}
