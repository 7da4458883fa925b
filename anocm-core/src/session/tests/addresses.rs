//! A link names its room: the group behind it names who opened that.

use super::{
    hostile::{group_behind, room_of_another},
    *,
};

/// What the relay shows of a room of one's own behind a link of another.
fn false_door(room: &mut Room, alice: &Session) -> Door {
    let mallory = room_of_another(&room.door, alice.invite_secret(), &mut room.rng);
    let group_info = mallory.restored(&mut room.rng).unwrap().group_info;
    Door { epoch: mallory.epoch(), group_info, ..room.door.clone() }
}

#[test]
fn the_address_follows_from_the_key_of_who_opened_the_room() {
    let (room, alice) = Room::open();
    assert_eq!(*alice.address(), RoomAddress::of(&alice.key()));
    assert_eq!(room.door.address, *alice.address());
    let other = RoomAddress::of(&MemberKey::new([1; 32]));
    assert_ne!(other, RoomAddress::of(&MemberKey::new([2; 32])));
}

#[test]
fn a_newcomer_refuses_a_room_of_another_owner_behind_the_link() {
    let (mut room, alice) = Room::open();
    let door = false_door(&mut room, &alice);
    let newcomer = Joiner::New(name("Bob"));
    let refused = Session::join(&door, &secret(), newcomer, &mut room.rng).unwrap_err();
    assert_eq!(refused.why, JoinError::BadDoor);
}

#[test]
fn who_returns_refuses_it_and_keeps_the_identity() {
    let (mut room, alice, bob) = Room::of_two();
    let door = false_door(&mut room, &alice);
    let returning = Joiner::Returning(bob.into_identity(), name("Bob"));
    let refused = Session::join(&door, &secret(), returning, &mut room.rng).unwrap_err();
    assert_eq!(refused.why, JoinError::BadDoor);
    assert!(refused.identity.is_some());
}

#[test]
fn a_room_that_is_opened_again_keeps_address_and_owner_and_has_another_door() {
    let (mut room, mut alice) = Room::open();
    let before = (*alice.address(), alice.key(), alice.owner_token().unwrap().unwrap().hash());
    let old = alice.door_token().hash();
    let again = first_door(8);
    let retention = RoomRetention::default();
    let genesis =
        alice.create_again(&again, policy(), retention, &name("Alice"), &mut room.rng).unwrap();
    let owner = alice.owner_token().unwrap().unwrap().hash();
    assert_eq!((*alice.address(), alice.key(), owner), before);
    assert_eq!(genesis.owner, owner);
    assert_ne!(genesis.first.door, old);
    room.door.group_info = genesis.first.group_info;
    room.member = genesis.first.member;
    room.door_token = genesis.first.door;
    assert_eq!(alice.invite_secret().expose(), again.expose());
    let mut bob = room.join("Bob", &mut [&mut alice]);
    room.heard(&mut bob, &mut alice);
}

#[test]
fn a_room_is_opened_again_only_with_another_secret_and_before_anything_else() {
    let (mut room, mut alice, _) = Room::of_two();
    let retention = RoomRetention::default();
    let mut again = |alice: &mut Session, secret: &Secret<32>| {
        alice.create_again(secret, policy(), retention, &name("Alice"), &mut room.rng)
    };
    // Bob has joined.
    assert_eq!(again(&mut alice, &first_door(8)).unwrap_err(), SessionError::NotAllowed);
    let (_, mut alice) = Room::open();
    for refused in [secret(), Secret::new([8; 32])] {
        assert_eq!(again(&mut alice, &refused).unwrap_err(), SessionError::NotAllowed);
    }
    assert!(again(&mut alice, &first_door(8)).is_ok());
}

#[test]
fn who_did_not_open_a_room_cannot_open_it_again() {
    let (mut room, _, mut bob) = Room::of_two();
    let retention = RoomRetention::default();
    let name = name("Bob");
    let again = bob.create_again(&secret(), policy(), retention, &name, &mut room.rng);
    assert_eq!(again.unwrap_err(), SessionError::NotAllowed);
}

/// The door of a group that Mallory made up with these settings.
fn door_with(room: &mut Room, alice: &Session, settings: &Settings, mallory: &Identity) -> Door {
    let group = group_behind(&room.door, alice.invite_secret(), settings, mallory.copy());
    let group_info = group.restored(&mut room.rng).unwrap().group_info;
    Door { epoch: group.epoch(), group_info, ..room.door.clone() }
}

#[test]
fn settings_are_of_the_owner_that_the_address_follows_from() {
    let (mut room, alice) = Room::open();
    let (address, mallory) = (*alice.address(), Identity::owner(&mut room.rng).unwrap());
    // Only the address is wrong.
    let mut own = Settings::first(policy(), RoomRetention::default(), &mallory).unwrap();
    own.sign(&address, &mallory).unwrap();
    // Only the signature is wrong.
    let mut named = Settings::unsigned(alice.key());
    named.sign(&address, &mallory).unwrap();
    // Signed with other content.
    let mut changed = alice.settings().clone();
    changed.moderators = vec![mallory.key()];
    for settings in [&own, &named, &changed] {
        let door = door_with(&mut room, &alice, settings, &mallory);
        let refused = Session::join(&door, &secret(), Joiner::New(name("Bob")), &mut room.rng);
        assert_eq!(refused.unwrap_err().why, JoinError::BadDoor);
    }
    // The owner's own settings pass: what is left is who confirms.
    let door = door_with(&mut room, &alice, &alice.settings().clone(), &mallory);
    assert!(Session::join(&door, &secret(), Joiner::New(name("Bob")), &mut room.rng).is_ok());
}

#[test]
fn settings_of_a_later_door_than_the_links_are_no_door() {
    let (mut room, mut alice, mut bob) = Room::of_two();
    let old = alice.invite_secret().clone();
    room.change(&mut alice, Change::ReplaceInvite, &mut [&mut bob]);
    for (link, why) in [(old, Some(JoinError::BadDoor)), (hostile::link_of_door(1), None)] {
        hostile::moves_behind(&mut bob, &link);
        let next = bob.propose(Change::Refresh, &mut room.rng).unwrap().next;
        bob.discard();
        let (epoch, group_info) = (bob.epoch().next(), next.group_info);
        let door = Door { epoch, group_info, ..room.door.clone() };
        let joined = Session::join(&door, &link, Joiner::New(name("Carol")), &mut room.rng);
        assert_eq!(joined.err().map(|refused| refused.why), why);
    }
}
