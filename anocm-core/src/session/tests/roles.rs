use super::*;

fn key(of: &Session) -> MemberKey {
    of.identity.key()
}

fn refused(room: &mut Room, by: &mut Session, change: Change) -> SessionError {
    let error = by.propose(change, &mut room.rng).unwrap_err();
    assert!(!by.has_pending());
    error
}

#[test]
fn a_member_can_neither_remove_nor_change_the_room() {
    let (mut room, alice, mut bob, carol) = Room::of_three();
    for change in [
        Change::Remove(alice.me()),
        Change::Remove(carol.me()),
        Change::Remove(bob.me()),
        Change::SetModerators(vec![key(&bob)]),
        Change::SetRetention(RoomRetention::default()),
        Change::ReplaceInvite,
    ] {
        assert_eq!(refused(&mut room, &mut bob, change), SessionError::NotAllowed);
    }
    let stranger = crate::MemberId::new([9; 16]);
    assert_eq!(refused(&mut room, &mut bob, Change::Remove(stranger)), SessionError::NoSuchMember);
    room.heard(&mut bob, &mut { carol });
}

#[test]
fn a_moderator_removes_members_but_neither_owner_nor_moderators() {
    let (mut room, mut alice, mut bob, mut carol) = Room::of_three();
    let mut dave = room.join("Dave", &mut [&mut alice, &mut bob, &mut carol]);
    let moderators = Change::SetModerators(vec![key(&carol), key(&bob), key(&bob)]);
    let applied = room.change(&mut alice, moderators, &mut [&mut bob, &mut carol, &mut dave]);
    assert!(applied.settings_changed);
    assert_eq!(dave.member(bob.me()).unwrap().role, Role::Moderator);
    for (change, error) in [
        (Change::Remove(alice.me()), SessionError::NotAllowed),
        (Change::Remove(carol.me()), SessionError::NotAllowed),
        (Change::SetModerators(vec![]), SessionError::NotAllowed),
    ] {
        assert_eq!(refused(&mut room, &mut bob, change), error);
    }
    let gone = Change::Remove(dave.me());
    let applied = room.change(&mut bob, gone, &mut [&mut alice, &mut carol, &mut dave]);
    assert!(applied.invite_replaced && dave.is_removed());
    room.change(&mut carol, Change::ReplaceInvite, &mut [&mut alice, &mut bob]);
}

#[test]
fn a_moderator_whom_the_owner_removes_is_none_on_coming_back() {
    let (mut room, mut alice, mut bob, mut carol) = Room::of_three();
    let moderators = Change::SetModerators(vec![key(&bob)]);
    room.change(&mut alice, moderators, &mut [&mut bob, &mut carol]);
    let gone = Change::Remove(bob.me());
    let applied = room.change(&mut alice, gone, &mut [&mut carol, &mut bob]);
    assert!(applied.settings_changed && alice.settings().moderators.is_empty());
    let who = Newcomer::Returning(bob.into_identity(), name("Bob"));
    let invite = alice.invite_secret().clone();
    let (bob, outgoing) = Session::join(&room.door, &invite, who, &mut room.rng).unwrap();
    let seen = room.append(outgoing, &mut [&mut alice, &mut carol]);
    assert!(!seen[0].again);
    assert_eq!(carol.member(bob.me()).unwrap().role, Role::Member);
}

#[test]
fn the_owner_changes_what_the_room_allows_within_its_policy() {
    let (mut room, mut alice, mut bob) = Room::of_two();
    let shorter = RoomRetention::new(Retention::Live, kept(10), kept(60)).unwrap();
    let applied = room.change(&mut alice, Change::SetRetention(shorter), &mut [&mut bob]);
    assert!(applied.settings_changed);
    assert_eq!(bob.settings().retention, shorter);
    let envelope = room.envelope(text("hello"));
    assert_eq!(bob.seal(&envelope, kept(61), &mut room.rng), Err(SessionError::NotAllowed));
    let longer = RoomRetention::new(Retention::Live, kept(10), kept(25 * 3_600)).unwrap();
    let error = refused(&mut room, &mut alice, Change::SetRetention(longer));
    assert_eq!(error, SessionError::NotAllowed);
}

#[test]
fn moderators_are_members_and_not_the_owner() {
    let (mut room, mut alice, _bob) = Room::of_two();
    let stranger = Change::SetModerators(vec![MemberKey::new([1; 32])]);
    assert_eq!(refused(&mut room, &mut alice, stranger), SessionError::NoSuchMember);
    // In whatever order their keys are.
    let mut everyone = vec![];
    for who in ["Carol", "Dave", "Erin"] {
        everyone.push(room.join(who, &mut [&mut alice]));
    }
    let keys = everyone.iter().map(key).collect();
    alice.propose(Change::SetModerators(keys), &mut room.rng).unwrap();
    alice.discard();
    let owner = Change::SetModerators(vec![key(&alice)]);
    assert_eq!(refused(&mut room, &mut alice, owner), SessionError::NotAllowed);
}

#[test]
fn a_moderator_who_left_stops_no_change_of_the_moderators() {
    let (mut room, mut alice, mut bob, mut carol) = Room::of_three();
    let appoint = |keys: &[MemberKey]| Change::SetModerators(keys.to_vec());
    room.change(&mut alice, appoint(&[key(&bob)]), &mut [&mut bob, &mut carol]);
    let word = bob.leave_statement().unwrap();
    room.change(&mut carol, Change::CarryOut(vec![word]), &mut [&mut alice, &mut bob]);
    // With the old one still on the list, or without.
    room.change(&mut alice, appoint(&[key(&bob), key(&carol)]), &mut [&mut carol]);
    room.change(&mut alice, appoint(&[key(&carol)]), &mut [&mut carol]);
    assert_eq!(refused(&mut room, &mut alice, appoint(&[key(&bob)])), SessionError::NoSuchMember);
}

#[test]
fn a_room_cannot_be_opened_beyond_its_own_policy() {
    let retention = RoomRetention::new(Retention::Live, kept(10), kept(25 * 3_600)).unwrap();
    let opened = Session::create(
        RoomAddress::new([5; 16]),
        &secret(),
        policy(),
        retention,
        &name("Alice"),
        &mut ChaCha20Rng::seed_from_u64(1),
    );
    assert_eq!(opened.unwrap_err(), SessionError::NotAllowed);
}
