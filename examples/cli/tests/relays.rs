//! Several relays that keep their rooms in one Redis.
#![cfg(unix)]

mod common;

use common::{Anocm, Guests, Server};

#[test]
fn a_room_outlives_each_of_its_relays() {
    let mut relays = Server::start_two(&[]);
    // Connections alternate: Alice is at the first relay, Bob at the second, Carol at the first.
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
    // Guests at a relay that kept running have not noticed the end of the other one.
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

#[test]
fn a_relay_that_is_killed_in_mid_conversation_takes_no_word_along_and_doubles_none() {
    let mut relays = Server::start_two(&[]);
    let mut guests = Guests::meet(&relays.url);
    // First the guests at the second relay; then all, since all are at the first.
    for (killed, have_to_move) in [(1, &[1, 3][..]), (0, &[0, 1, 2, 3])] {
        let lost = guests.map(|guest| guest.lines("connection: trying again in ").count());
        guests.say(15);
        // In the middle: most of the messages are still in flight.
        guests.get(have_to_move[0]).anocm.wait("> Dave says ");
        relays.kill_relay(killed);
        guests.say(15);
        for &number in have_to_move {
            guests.get(number).anocm.wait("connection: trying again in ");
            guests.get(number).anocm.wait("connection: online");
        }
        guests.see_the_last_words();
        let lost_now = guests.map(|guest| guest.lines("connection: trying again in ").count());
        for number in 0..lost.len() {
            let has_moved = have_to_move.contains(&number);
            assert_eq!(lost_now[number] > lost[number], has_moved, "{number}");
        }
        relays.start_relay(killed);
    }
    guests.assert_undisturbed();
    guests.assert_same_view();
    guests.leave(0);
    assert_eq!(guests.assert_nothing_is_lost_or_doubled(), 0);
}
