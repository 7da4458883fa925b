//! Expired messages are nowhere in the memory of a guest's process.
#![cfg(target_os = "linux")]

mod common;

use anocm_guard::testing::{memory, occurrences, was_run_as_root};
use common::{Anocm, Server, Terminal};

const MESSAGES: usize = 1_000;

/// Returns texts of many lengths, so that buffers grow and shrink.
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
        // Kept messages are found.
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

/// One word, so that it is in one row of a screen and is never abbreviated.
const UNSPEAKABLE: &str = "Quite-unspeakable-unmentionable";

/// Whether the word is in writable memory of a process, in one piece or as the cells of a screen,
/// each of which has a character and its colours.
fn holds(pid: u32) -> bool {
    let mut found = false;
    let looked = memory(pid, |map, _, bytes| {
        if map.contains(" rw") {
            found |= bytes.iter().enumerate().any(|(start, byte)| {
                *byte == b'Q'
                    && std::iter::once(1).chain((16..=96).step_by(8)).any(|width| {
                        let cells = bytes.get(start..).unwrap_or_default().iter().step_by(width);
                        UNSPEAKABLE.bytes().eq(cells.take(UNSPEAKABLE.len()).copied())
                    })
            });
        }
    });
    assert!(looked.is_ok(), "{looked:?}");
    found
}

/// Starts Bob on a screen, in Alice's room.
fn on_screen() -> (Server, Anocm, Terminal) {
    let server = Server::start(&[]);
    let (mut alice, link) = Anocm::open(&["--relay", &server.url]);
    let mut bob = Terminal::start(&["join", "--nick", "Bob"], 120, 40);
    bob.enter(&link);
    alice.wait("joined: Bob #");
    bob.see("2 of 2 here");
    (server, alice, bob)
}

#[test]
fn what_was_typed_and_deleted_is_nowhere() {
    if was_run_as_root("what_was_typed_and_deleted_is_nowhere") {
        return;
    }
    let (_server, _alice, mut bob) = on_screen();
    let each = |key: &str| key.repeat(UNSPEAKABLE.len());
    let deletions = [
        each("\x7f"),
        "\x15".to_owned(),
        "\x17".repeat(8),
        format!("\x1b[H{}", each("\x1b[3~")),
        "\x01\x0b".to_owned(),
    ];
    for deletion in deletions {
        for pasted in [false, true] {
            if pasted {
                bob.paste(UNSPEAKABLE);
            } else {
                bob.keys(UNSPEAKABLE);
            }
            bob.see(UNSPEAKABLE);
            assert!(holds(bob.pid()));
            bob.keys(&deletion);
            bob.see("> a message, or /help");
            assert!(!holds(bob.pid()), "{deletion:?}, pasted: {pasted}");
        }
    }
}

#[test]
fn what_has_had_its_time_is_nowhere_behind_a_screen() {
    if was_run_as_root("what_has_had_its_time_is_nowhere_behind_a_screen") {
        return;
    }
    let (_server, mut alice, bob) = on_screen();
    alice.say("/keep 10s");
    // Clearing takes fewer bytes than drawing, so the end of the drawn bytes could remain.
    alice.say(&format!("{} {UNSPEAKABLE}", "😀".repeat(100)));
    bob.see(UNSPEAKABLE);
    assert!(holds(bob.pid()));
    bob.wait("its end", |look| !look.has(UNSPEAKABLE));
    assert!(!holds(bob.pid()));
}
