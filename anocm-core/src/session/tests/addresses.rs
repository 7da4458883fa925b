//! A link names its room: the group behind it names who opened that.

use super::{hostile::room_of_another, *};

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
fn a_newcomer_refuses_a_room_of_somebody_else_behind_the_link() {
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
