//! What has had its time is nowhere in the memory of a guest's process any more.
#![cfg(target_os = "linux")]

mod common;

use anocm_guard::testing::{occurrences, was_run_as_root};
use common::{Anocm, Server};

const MESSAGES: usize = 1_000;

/// A text of many lengths, so that buffers grow and shrink.
fn text(n: usize) -> String {
    format!("the words of message number {n:05}{}", " and so on".repeat(n * 7 % 90))
}

#[test]
fn nothing_said_outlives_its_time_at_a_guest() {
    if was_run_as_root("nothing_said_outlives_its_time_at_a_guest") {
        return;
    }
    let server = Server::start(&["--requests-per-second", "10000"]);
    let (mut alice, link) = Anocm::open(&["--relay", &server.url]);
    let mut bob = Anocm::join(&link, &["--nick", "Bob"]);
    alice.wait("joined: Bob #");
    let markers: Vec<_> =
        (0..MESSAGES).map(|n| format!("the words of message number {n:05}").into_bytes()).collect();
    let found = |guest: &Anocm| occurrences(guest.pid(), &markers).unwrap();

    alice.say("/keep 5m");
    alice.say(&text(0));
    for guest in [&mut alice, &mut bob] {
        guest.wait("> the words of message number 00000");
        // What is kept is there to be found.
        assert!(!found(guest).is_empty());
    }
    alice.say("/cap 2s");
    bob.say("/cap 2s");
    alice.say("/keep 2s");
    for n in 1..MESSAGES {
        alice.say(&text(n));
        bob.wait(&format!("> the words of message number {n:05}"));
    }
    for guest in [&mut alice, &mut bob] {
        let expired = |guest: &Anocm| {
            guest.seen().iter().filter(|line| line.starts_with("expired: ")).count()
        };
        while expired(guest) < MESSAGES {
            guest.wait("expired: a message of Alice #");
        }
        assert_eq!(found(guest), []);
    }
}
