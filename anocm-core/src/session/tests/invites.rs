use openmls_traits::OpenMlsProvider as _;

use super::*;

fn join(
    room: &mut Room,
    secret: &Secret<32>,
    who: Joiner,
) -> Result<(Session, CommitBundle), NotJoined> {
    Session::join(&room.door, secret, who, &mut room.rng)
}

#[test]
fn a_removed_member_hears_nothing_more_and_the_new_invite_works() {
    let (mut room, mut alice, mut bob, mut carol) = Room::of_three();
    let old = alice.invite_secret().clone();
    let old_token = alice.door_token().clone();
    let outgoing = alice.propose(Change::Remove(carol.key()), &mut room.rng).unwrap();
    let seen = room.append(outgoing.clone(), &mut [&mut bob]);
    let mine = alice.accept().unwrap();
    assert_eq!(seen[0], mine);
    assert!(mine.invite_replaced && !mine.removed_me);
    let [(gone, how)] = mine.departed.as_slice() else {
        panic!("one was removed");
    };
    assert_eq!(gone.id, carol.me());
    assert_eq!(*how, crate::session::Departure::Removed { by: alice.me() });
    agree(&alice, &bob);

    // Carol opens her own removal, and nothing after it.
    let told = applied(carol.open(&outgoing.entry).unwrap());
    assert!(told.removed_me);
    let entry = room.seal(&mut alice, text("gone?"));
    assert_eq!(carol.open(&entry), Err(OpenError::Removed));
    assert!(bob.open(&entry).is_ok());

    // The old link neither passes the relay's door check nor opens the door's seal.
    assert_ne!(*alice.invite_secret(), old);
    assert!(!room.door_token.admits(&old_token));
    let again = Joiner::Returning(carol.into_identity(), name("Carol"));
    let refused = join(&mut room, &old, again).unwrap_err();
    assert_eq!(refused.why, JoinError::WrongLink);
    assert!(refused.identity.is_some());
    let mut dave = room.join("Dave", &mut [&mut alice, &mut bob]);
    room.heard(&mut dave, &mut alice);
    room.heard(&mut bob, &mut dave);
}

#[test]
fn a_removed_session_refuses_everything() {
    let (mut room, mut alice, mut bob) = Room::of_two();
    let outgoing = alice.propose(Change::Remove(bob.key()), &mut room.rng).unwrap();
    assert!(applied(bob.open(&outgoing.entry).unwrap()).removed_me);
    assert!(bob.is_removed());
    assert_eq!(openmls_traits::OpenMlsProvider::storage(&bob.provider).len(), 0);
    let envelope = room.envelope(text("hello"));
    let removed = SessionError::Removed;
    assert_eq!(bob.seal(&envelope, kept(1), &mut room.rng), Err(removed));
    assert_eq!(bob.propose(Change::Refresh, &mut room.rng), Err(removed));
    assert_eq!(bob.accept(), Err(removed));
    assert_eq!(bob.restored(&mut room.rng), Err(removed));
    assert_eq!(bob.leave_statement(), Err(removed));
    assert_eq!(bob.whisper(alice.me(), &text("x"), &mut room.rng), Err(removed));
    assert_eq!(bob.member_token(), Err(removed));
    assert_eq!(bob.safety_code(), Err(removed));
    assert_eq!(bob.open(&outgoing.entry), Err(OpenError::Removed));
    bob.discard();
}

#[test]
fn replacing_the_invite_locks_no_member_out() {
    let (mut room, mut alice, mut bob) = Room::of_two();
    let old = alice.invite_secret().clone();
    let applied = room.change(&mut alice, Change::ReplaceInvite, &mut [&mut bob]);
    assert!(applied.invite_replaced && applied.departed.is_empty());
    let refused = join(&mut room, &old, Joiner::New(name("Carol"))).unwrap_err();
    assert_eq!(refused.why, JoinError::WrongLink);
    assert!(refused.identity.is_none());
    let mut carol = room.join("Carol", &mut [&mut bob, &mut alice]);
    room.heard(&mut carol, &mut alice);
    // Once more: a door that was replaced twice opens too.
    room.change(&mut alice, Change::ReplaceInvite, &mut [&mut bob, &mut carol]);
    room.join("Dave", &mut [&mut carol, &mut bob, &mut alice]);
}

#[test]
fn each_new_door_has_the_next_number_and_its_link_says_so() {
    let (mut room, mut alice, mut bob) = Room::of_two();
    assert_eq!(alice.door_number(), 0);
    for number in 1..=3_u32 {
        room.change(&mut alice, Change::ReplaceInvite, &mut [&mut bob]);
        assert_eq!(alice.door_number(), number);
        assert_eq!(alice.invite_secret().expose()[28..], number.to_be_bytes());
    }
    // The others are exported, in that length: 28 bytes are not the first of 32.
    let live = alice.live.as_ref().unwrap();
    let export = |length| {
        let (crypto, context) = (alice.provider.crypto(), alice.address.as_bytes());
        live.group.export_secret(crypto, "anocm/1 invite secret", context, length).unwrap()
    };
    assert_eq!(alice.invite_secret().expose()[..28], export(28));
    assert_ne!(export(28), export(32)[..28]);
    // Other commits replace no door.
    room.change(&mut bob, Change::Refresh, &mut [&mut alice]);
    let carol = room.join("Carol", &mut [&mut alice, &mut bob]);
    assert_eq!((carol.door_number(), bob.door_number()), (3, 3));
}

/// Takes this session's door for the one of that number.
fn renumber(session: &mut Session, number: u32) {
    let mut invite = *session.invite.expose();
    invite[28..].copy_from_slice(&number.to_be_bytes());
    session.invite = Secret::new(invite);
}

#[test]
fn the_last_door_is_never_replaced() {
    let (mut room, mut alice, mut bob) = Room::of_two();
    renumber(&mut bob, u32::MAX);
    // A modified client, which does not count.
    let commit = alice.propose(Change::ReplaceInvite, &mut room.rng).unwrap();
    assert_eq!(bob.open(&commit.entry), Err(OpenError::Rejected { by: Some(alice.me()) }));
    alice.discard();
    renumber(&mut alice, u32::MAX);
    for change in [Change::ReplaceInvite, Change::Remove(bob.key())] {
        let refused = alice.propose(change, &mut room.rng);
        assert_eq!(refused.unwrap_err(), SessionError::NotAllowed);
    }
    renumber(&mut alice, u32::MAX - 1);
    renumber(&mut bob, u32::MAX - 1);
    room.change(&mut alice, Change::ReplaceInvite, &mut [&mut bob]);
    assert_eq!(bob.door_number(), u32::MAX);
}

#[test]
fn nor_does_a_moderator_replace_the_last_door() {
    let (mut room, mut alice, mut bob, mut carol) = Room::of_three();
    let named = Change::SetRole(bob.key(), Role::Moderator);
    room.change(&mut alice, named, &mut [&mut bob, &mut carol]);
    renumber(&mut carol, u32::MAX);
    let commit = bob.propose(Change::ReplaceInvite, &mut room.rng).unwrap();
    assert_eq!(carol.open(&commit.entry), Err(OpenError::Rejected { by: Some(bob.me()) }));
}

#[test]
fn a_room_begins_with_door_0() {
    let second = Secret::new([1; 32]);
    let (retention, name) = (RoomRetention::default(), name("Alice"));
    let mut rng = ChaCha20Rng::seed_from_u64(1);
    let opened = Session::create(&second, policy(), retention, &name, &mut rng);
    assert_eq!(opened.unwrap_err(), SessionError::NotAllowed);
}

#[test]
fn a_door_of_another_epoch_or_room_or_policy_is_refused() {
    let (mut room, _alice) = Room::open();
    let valid = room.door.clone();
    let mut why = |door: Door| {
        room.door = door;
        join(&mut room, &secret(), Joiner::New(name("Bob"))).unwrap_err().why
    };
    let wrong_epoch = Door { epoch: Epoch::new(1), ..valid.clone() };
    assert_eq!(why(wrong_epoch), JoinError::WrongLink);
    let wrong_room = Door { address: RoomAddress::new([6; 16]), ..valid.clone() };
    assert_eq!(why(wrong_room), JoinError::WrongLink);
    let policy = Policy { max_age: 1, ..valid.policy };
    assert_eq!(why(Door { policy, ..valid.clone() }), JoinError::PolicyMismatch);
}

#[test]
fn what_is_behind_a_door_must_be_group_information() {
    let (mut room, alice) = Room::open();
    let place = seal::SealContext {
        address: room.door.address,
        epoch: room.door.epoch,
        kind: seal::SealKind::GroupInfo,
        retention: Retention::Live,
    };
    room.door.group_info = seal::seal(&alice.door.key, &place, b"junk", &mut room.rng).unwrap();
    let refused = join(&mut room, &secret(), Joiner::New(name("Bob"))).unwrap_err();
    assert_eq!(refused.why, JoinError::BadDoor);
}

#[test]
fn a_member_who_fell_behind_returns_as_the_same_member() {
    let (mut room, mut alice, mut bob, carol) = Room::of_three();
    // Carol does not receive this commit.
    room.change(&mut alice, Change::Refresh, &mut [&mut bob]);
    let (me, key) = (carol.me(), carol.identity.key());
    let who = Joiner::Returning(carol.into_identity(), name("Carol again"));
    let (mut carol, outgoing) = join(&mut room, &secret(), who).unwrap();
    let seen = room.append(outgoing, &mut [&mut alice, &mut bob]);
    assert_eq!((carol.me(), carol.identity.key()), (me, key));
    assert_eq!(seen[0], seen[1]);
    assert!(seen[0].again && seen[0].departed.is_empty());
    assert_eq!(seen[0].joined.as_ref().unwrap().id, me);
    assert_eq!(alice.members().len(), 3);
    agree(&alice, &carol);
    room.heard(&mut carol, &mut bob);
    room.heard(&mut alice, &mut carol);
}

#[test]
fn the_owner_returns_as_the_owner() {
    let (mut room, alice, mut bob) = Room::of_two();
    let owner = alice.owner_token().unwrap();
    assert!(owner.is_some());
    let who = Joiner::Returning(alice.into_identity(), name("Alice"));
    let (mut alice, outgoing) = join(&mut room, &secret(), who).unwrap();
    room.append(outgoing, &mut [&mut bob]);
    assert_eq!(alice.owner_token().unwrap(), owner);
    assert_eq!(alice.member(alice.me()).unwrap().role, Role::Owner);
    assert_eq!(bob.owner_token(), Ok(None));
    room.change(&mut alice, Change::ReplaceInvite, &mut [&mut bob]);
}

#[test]
fn an_old_session_of_a_returned_member_is_over() {
    let (mut room, mut alice, mut bob) = Room::of_two();
    // The same identity, copied, as by a session restored in another window.
    let mut old = {
        let carol = Identity::new(&mut ChaCha20Rng::seed_from_u64(9));
        let who = Joiner::Returning(carol, name("Carol"));
        let (session, outgoing) = join(&mut room, &secret(), who).unwrap();
        room.append(outgoing, &mut [&mut alice, &mut bob]);
        session
    };
    let carol = Identity::new(&mut ChaCha20Rng::seed_from_u64(9));
    let who = Joiner::Returning(carol, name("Carol"));
    let (_, outgoing) = join(&mut room, &secret(), who).unwrap();
    let told = applied(old.open(&outgoing.entry).unwrap());
    assert!(told.removed_me && told.again);
    assert_eq!(old.open(&outgoing.entry), Err(OpenError::Removed));
}

#[test]
fn of_two_who_join_at_once_the_second_tries_again() {
    let (mut room, mut alice) = Room::open();
    let new = |who| Joiner::New(name(who));
    let (mut bob, first) = join(&mut room, &secret(), new("Bob")).unwrap();
    let (carol, second) = join(&mut room, &secret(), new("Carol")).unwrap();
    room.append(first, &mut [&mut alice]);
    assert_eq!(alice.open(&second.entry), Err(OpenError::Decrypt));
    let who = Joiner::Returning(carol.into_identity(), name("Carol"));
    let (carol, second) = join(&mut room, &secret(), who).unwrap();
    let seen = room.append(second, &mut [&mut alice, &mut bob]);
    assert!(!seen[0].again);
    agree(&bob, &carol);
    assert_eq!(names(&alice), ["Alice", "Bob", "Carol"]);
}
