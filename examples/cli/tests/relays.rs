//! Several relays that keep their rooms in one Redis.
#![cfg(unix)]

mod common;

use common::{Anocm, Server};

#[test]
fn a_room_outlives_each_of_its_relays() {
    let mut relays = Server::start_two(&[]);
    // One after the other: Alice is at the first relay, Bob at the second, Carol at the first.
    let (mut alice, link) = Anocm::open(&["--relay", &relays.url]);
    let mut bob = Anocm::join(&link, &["--nick", "Bob"]);
    alice.wait("joined: Bob #");
    let mut carol = Anocm::join(&link, &["--nick", "Carol"]);
    alice.wait("joined: Carol #");
    bob.wait("joined: Carol #");

    assert_eq!(relays.end_relay(1).code(), Some(0));
    bob.wait("connection: trying again in ");
    bob.wait("connection: online");
    alice.say("is Bob still here?");
    for guest in [&mut bob, &mut carol] {
        guest.wait("> is Bob still here?");
    }
    relays.start_relay(1);
    assert_eq!(relays.end_relay(0).code(), Some(0));
    for guest in [&mut alice, &mut bob, &mut carol] {
        guest.wait("connection: trying again in ");
        guest.wait("connection: online");
    }
    bob.say("are you?");
    for guest in [&mut alice, &mut carol] {
        guest.wait("> are you?");
    }
    // Who was at a relay that went on has noticed nothing of the first end.
    let lost = |guest: &Anocm| {
        guest.seen().iter().filter(|line| line.starts_with("connection: trying again in ")).count()
    };
    assert_eq!([lost(&alice), lost(&carol)], [1, 1]);
    relays.start_relay(0);
    let mut dave = Anocm::join(&link, &["--nick", "Dave"]);
    dave.say("so many relays");
    for guest in [&mut alice, &mut bob, &mut carol] {
        guest.wait("> so many relays");
    }
}
