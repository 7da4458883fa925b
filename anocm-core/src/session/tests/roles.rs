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
        Change::Remove(alice.key()),
        Change::Remove(carol.key()),
        Change::Remove(bob.key()),
        Change::SetRole(bob.key(), Role::Moderator),
        Change::SetRetention(RoomRetention::default()),
        Change::ReplaceInvite,
    ] {
        assert_eq!(refused(&mut room, &mut bob, change), SessionError::NotAllowed);
    }
    let stranger = Change::Remove(MemberKey::new([9; 32]));
    assert_eq!(refused(&mut room, &mut bob, stranger), SessionError::NoSuchMember);
    room.heard(&mut bob, &mut { carol });
}

#[test]
fn a_moderator_removes_members_but_neither_owner_nor_moderators() {
    let (mut room, mut alice, mut bob, mut carol) = Room::of_three();
    let mut dave = room.join("Dave", &mut [&mut alice, &mut bob, &mut carol]);
    for who in [carol.key(), bob.key(), bob.key()] {
        let others = &mut [&mut bob, &mut carol, &mut dave];
        room.change(&mut alice, Change::SetRole(who, Role::Moderator), others);
    }
    assert_eq!(dave.member(bob.me()).unwrap().role, Role::Moderator);
    for (change, error) in [
        (Change::Remove(alice.key()), SessionError::NotAllowed),
        (Change::Remove(carol.key()), SessionError::NotAllowed),
        (Change::SetRole(carol.key(), Role::Member), SessionError::NotAllowed),
    ] {
        assert_eq!(refused(&mut room, &mut bob, change), error);
    }
    let gone = Change::Remove(dave.key());
    let applied = room.change(&mut bob, gone, &mut [&mut alice, &mut carol, &mut dave]);
    assert!(applied.invite_replaced && dave.is_removed());
    room.change(&mut carol, Change::ReplaceInvite, &mut [&mut alice, &mut bob]);
}

#[test]
fn a_moderator_whom_the_owner_removes_is_none_on_coming_back() {
    let (mut room, mut alice, mut bob, mut carol) = Room::of_three();
    let moderator = Change::SetRole(bob.key(), Role::Moderator);
    room.change(&mut alice, moderator, &mut [&mut bob, &mut carol]);
    let gone = Change::Remove(bob.key());
    let applied = room.change(&mut alice, gone, &mut [&mut carol, &mut bob]);
    assert!(applied.settings_changed && alice.settings().moderators.is_empty());
    let who = Joiner::Returning(bob.into_identity(), name("Bob"));
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
    let (mut room, mut alice, bob) = Room::of_two();
    let stranger = Change::SetRole(MemberKey::new([9; 32]), Role::Moderator);
    assert_eq!(refused(&mut room, &mut alice, stranger), SessionError::NoSuchMember);
    for change in [
        Change::SetRole(alice.key(), Role::Moderator),
        Change::SetRole(alice.key(), Role::Member),
        Change::SetRole(bob.key(), Role::Owner),
    ] {
        assert_eq!(refused(&mut room, &mut alice, change), SessionError::NotAllowed);
    }
}

#[test]
fn naming_a_moderator_keeps_the_link_and_dismissing_one_replaces_it() {
    let (mut room, mut alice, mut bob, mut carol) = Room::of_three();
    let role = |of: &Session, role| Change::SetRole(of.key(), role);
    room.change(&mut alice, role(&bob, Role::Moderator), &mut [&mut bob, &mut carol]);
    let word = bob.leave_statement().unwrap();
    room.change(&mut carol, Change::CarryOut(vec![word]), &mut [&mut alice, &mut bob]);
    assert_eq!(alice.settings().moderators, [key(&bob)]);
    let applied = room.change(&mut alice, role(&carol, Role::Moderator), &mut [&mut carol]);
    assert!(applied.settings_changed && !applied.invite_replaced);
    assert_eq!(alice.settings().moderators.len(), 2);
    let applied = room.change(&mut alice, role(&carol, Role::Member), &mut [&mut carol]);
    assert!(applied.settings_changed && applied.invite_replaced);
    assert!(alice.settings().moderators.is_empty());
}

#[test]
fn a_moderator_who_left_keeps_the_role_until_the_owner_strikes_it() {
    let (mut room, mut alice, mut bob, mut carol) = Room::of_three();
    let moderator = Change::SetRole(key(&bob), Role::Moderator);
    room.change(&mut alice, moderator, &mut [&mut bob, &mut carol]);
    let word = bob.leave_statement().unwrap();
    let gone = Change::CarryOut(vec![word]);
    let applied = room.change(&mut alice, gone, &mut [&mut carol, &mut bob]);
    // Not by the way: it would replace the link.
    assert!(!applied.settings_changed && !applied.invite_replaced);
    let strike = Change::StrikeModerators(Vec::new());
    let applied = room.change(&mut alice, strike, &mut [&mut carol]);
    assert!(applied.settings_changed && applied.invite_replaced);
    assert!(carol.settings().moderators.is_empty());
}

#[test]
fn the_owner_strikes_a_moderator_who_left_though_they_are_back_with_the_same_key() {
    let (mut room, mut alice, mut bob, mut carol) = Room::of_three();
    let moderator = Change::SetRole(key(&bob), Role::Moderator);
    room.change(&mut alice, moderator, &mut [&mut bob, &mut carol]);
    let word = bob.leave_statement().unwrap();
    room.change(&mut carol, Change::CarryOut(vec![word]), &mut [&mut alice, &mut bob]);
    // An honest client does not keep its key after leaving.
    let who = Joiner::Returning(bob.into_identity(), name("Bob"));
    let invite = alice.invite_secret().clone();
    let (mut bob, outgoing) = Session::join(&room.door, &invite, who, &mut room.rng).unwrap();
    room.append(outgoing, &mut [&mut alice, &mut carol]);
    assert_eq!(carol.member(bob.me()).unwrap().role, Role::Moderator);
    let strike = Change::StrikeModerators(vec![key(&bob)]);
    assert_eq!(refused(&mut room, &mut carol, strike.clone()), SessionError::NotAllowed);
    let applied = room.change(&mut alice, strike.clone(), &mut [&mut carol, &mut bob]);
    assert!(applied.settings_changed && applied.invite_replaced);
    for member in [&alice, &bob, &carol] {
        assert_eq!(member.member(bob.me()).unwrap().role, Role::Member);
    }
    assert_eq!(refused(&mut room, &mut alice, strike), SessionError::NoSuchMember);
}

#[test]
fn the_owner_strikes_every_moderator_who_is_not_in_the_room() {
    let (mut room, mut alice, mut bob, mut carol) = Room::of_three();
    for who in [key(&bob), key(&carol)] {
        let moderator = Change::SetRole(who, Role::Moderator);
        room.change(&mut alice, moderator, &mut [&mut bob, &mut carol]);
    }
    let word = bob.leave_statement().unwrap();
    room.change(&mut carol, Change::CarryOut(vec![word]), &mut [&mut alice]);
    room.change(&mut alice, Change::StrikeModerators(Vec::new()), &mut [&mut carol]);
    assert_eq!(carol.settings().moderators, [key(&carol)]);
}

#[test]
fn a_room_cannot_be_opened_beyond_its_own_policy() {
    let retention = RoomRetention::new(Retention::Live, kept(10), kept(25 * 3_600)).unwrap();
    let opened = Session::create(
        &secret(),
        policy(),
        retention,
        &name("Alice"),
        &mut ChaCha20Rng::seed_from_u64(1),
    );
    assert_eq!(opened.unwrap_err(), SessionError::NotAllowed);
}
