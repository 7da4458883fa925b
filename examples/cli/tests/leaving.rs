//! After a room was left, nothing of it remains in the memory of the process, which keeps running.
//!
//! A separate program that embeds the library is a guest. It reports each secret of its rooms in
//! disguised form, so these tests know what to look for in its memory.
#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "a test, helpers included")]

mod common;

use std::time::Duration;

use anocm_guard::testing::{AtExit, occurrences, was_run_as_root};
use common::{
    Anocm, Embedder, Markers, PATIENCE, Server, Told, disguised, fragment, was_embedder, words,
};

#[test]
fn the_embedder_starts_and_ends() {
    if was_embedder() {
        return;
    }
    let mut guest = Embedder::start();
    assert_eq!(guest.kept(), 0);
    guest.close();
    guest.end();
}

#[test]
fn what_is_public_is_not_looked_for_beside_a_secret_either() {
    let bytes = |from: u8, to: u8| (from..to).collect::<Vec<u8>>();
    let (address, secret) = (bytes(0, 16), bytes(64, 96));
    // As in a group's context and in its message secrets, which encode the address differently.
    let public = [&address[..], &bytes(200, 220)].concat();
    let structure = [&secret[..], &[16], &address, &[0; 7], &bytes(100, 120)].concat();
    let output =
        format!("secret public: {}\nsecret s: {}", disguised(&public), disguised(&structure));
    let (told, lines) = Told::by(std::io::Cursor::new(output));
    assert_eq!(lines.iter().count(), 0);

    let looked_for = told.markers().remove("s").unwrap();
    let (inside, across): (Vec<_>, Vec<_>) =
        looked_for.into_iter().partition(|marker| marker.iter().all(|byte| secret.contains(byte)));
    assert_eq!(inside.len(), 9);
    let has_a_piece = |marker: &Vec<u8>| {
        marker.windows(8).any(|piece| address.windows(8).any(|known| known == piece))
    };
    assert!(!across.iter().any(has_a_piece), "{across:02x?}");
}

/// The data of a room that the test knows without a report.
type Known = Vec<(&'static str, String)>;

/// Alice and the guest have exchanged messages, and all data is found in memory.
fn talked() -> (Server, Anocm, Embedder, Known) {
    // None of the searched strings is in the executable, which is the same for tests and guest.
    let number = std::process::id();
    let name = format!("AliceOfTheLongName{number}");
    let own_name = format!("BobOfTheLongName{number}");
    let server = Server::start(&[]);
    let (mut alice, link) = Anocm::open(&["--relay", &server.url]);
    alice.say(&format!("/nick {name}"));
    alice.wait("renamed: ");
    let mut guest = Embedder::start();
    guest.order("tell");
    guest.enter(&link, &own_name);
    alice.wait("joined: ");
    for n in 0..5 {
        guest.order(&format!("say {n}"));
        alice.wait(&words(n));
        alice.say(&format!("{number} times {n} Alice answers him"));
        guest.wait("message");
        guest.wait("message");
        // Each new epoch replaces keys.
        alice.say("/newlink");
        guest.wait("epoch");
    }
    guest.order("whisper 5");
    alice.wait(&words(5));
    alice.say(&format!("/w {own_name} {number} times Alice whispers to him"));
    guest.wait("message");
    guest.wait("message");

    let mut known = vec![
        ("name", name),
        ("own name", own_name),
        ("said", words(3)),
        ("heard", format!("{number} times 3 Alice answers him")),
        ("whispered", words(5)),
        ("whisper heard", format!("{number} times Alice whispers to him")),
    ];
    let before = guest.holds(&guest.looked_for(&known));
    assert!(before.len() > known.len() + 7, "{:?}", before.keys());
    assert!(before.values().all(|places| !places.is_empty()), "{before:#?}");
    // The guest never shows the link.
    known.push(("link", fragment(&link).to_owned()));
    (server, alice, guest, known)
}

/// Whether anything of the room is still in memory after there was time to forget it.
fn still_holds(guest: &Embedder, looked_for: &Markers) -> bool {
    let everything: Vec<_> = looked_for.values().flatten().cloned().collect();
    // The end is reported to the caller shortly before it reaches the connection. Another process's
    // memory can only be polled.
    (0..20).all(|_| {
        let holds = !occurrences(guest.pid(), &everything).unwrap().is_empty();
        if holds {
            std::thread::sleep(Duration::from_millis(100));
        }
        holds
    })
}

/// Asserts this after `end` has ended the room for the guest, whose process continues.
fn nothing_is_left_after(end: impl FnOnce(&mut Anocm, &mut Embedder)) {
    let (_server, mut alice, mut guest, known) = talked();
    end(&mut alice, &mut guest);
    guest.wait("ended");
    let looked_for = guest.looked_for(&known);
    assert!(!still_holds(&guest, &looked_for), "{:#?}", guest.holds(&looked_for));
    assert!(guest.lives());
}

#[test]
fn nothing_of_a_room_is_left_at_the_end_of_the_process() {
    if was_run_as_root("nothing_of_a_room_is_left_at_the_end_of_the_process") {
        return;
    }
    let (_server, _alice, mut guest, known) = talked();
    let exit = AtExit::of(guest.pid());
    guest.close();
    exit.wait(PATIENCE);
    let everything: Vec<_> = guest.looked_for(&known).into_values().flatten().collect();
    assert_eq!(occurrences(guest.pid(), &everything).unwrap(), []);
}

#[test]
fn nothing_of_a_room_is_left_after_leaving_it() {
    if !was_run_as_root("nothing_of_a_room_is_left_after_leaving_it") {
        nothing_is_left_after(|_, guest| guest.order("leave"));
    }
}

#[test]
fn nothing_of_a_room_is_left_after_wiping_it() {
    if !was_run_as_root("nothing_of_a_room_is_left_after_wiping_it") {
        nothing_is_left_after(|_, guest| guest.order("wipe"));
    }
}

#[test]
fn nothing_of_a_room_is_left_after_being_removed() {
    if !was_run_as_root("nothing_of_a_room_is_left_after_being_removed") {
        nothing_is_left_after(|alice, _| {
            alice.say(&format!("/kick BobOfTheLongName{}", std::process::id()));
        });
    }
}

#[test]
fn nothing_of_a_room_is_left_after_its_end() {
    if !was_run_as_root("nothing_of_a_room_is_left_after_its_end") {
        nothing_is_left_after(|alice, _| {
            alice.say("/burn");
            alice.say("/burn");
        });
    }
}
