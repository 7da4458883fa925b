//! What a guest's process leaves in its memory when it ends.
#![cfg(target_os = "linux")]
#![expect(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test, helpers included, that also tells how long it took"
)]

mod common;

use std::time::Instant;

use anocm_core::Invite;
use anocm_guard::testing::{AtExit, occurrences, was_run_as_root};
use common::{
    Anocm, PANIC_KEY, PATIENCE, Server, Terminal, assert_clean_at_exit, fragment, signal,
};
use rustix::process::Signal;

const MESSAGES: usize = 1_000;

const ALICE: &str = "Alice-in-Wonderland";
const BOB: &str = "Bob-the-Builder-of-Houses";
const HALF: &str = "half a sentence, unfinished";

/// Changes the name at run time. A name given as an argument stays in the memory area of the
/// arguments.
fn is_called(guest: &mut Anocm, name: &str) {
    guest.say(&format!("/nick {name}"));
    guest.wait("renamed: ");
}

/// Types one key at a time: input that is read at once stays in the terminal library.
fn types(guest: &mut Terminal, text: &str) {
    let mut typed = String::new();
    for key in text.chars() {
        typed.push(key);
        guest.keys(&key.to_string());
        guest.see(typed.trim_end());
    }
}

fn text(n: usize) -> String {
    format!("the words of message number {n:05}{}", " and so on".repeat(n * 7 % 20))
}

/// Returns the byte strings that must not be found.
fn markers(link: &str) -> Vec<Vec<u8>> {
    let said = (0..MESSAGES).map(|n| format!("the words of message number {n:05}").into_bytes());
    let invite = Invite::parse(link).unwrap();
    let names = [ALICE, BOB, HALF];
    let secrets = [fragment(link).as_bytes(), invite.secret().expose()];
    said.chain(names.map(|name| name.as_bytes().to_vec()))
        .chain(secrets.map(<[u8]>::to_vec))
        .collect()
}

/// Bob sends all messages, as far as possible without waiting.
fn fill(bob: &mut Anocm) {
    (0..MESSAGES).for_each(|n| bob.say(&text(n)));
    bob.wait(&format!("the words of message number {:05}", MESSAGES - 1));
}

#[test]
fn the_panic_key_leaves_a_clean_memory_at_once() {
    if was_run_as_root("the_panic_key_leaves_a_clean_memory_at_once") {
        return;
    }
    let server = Server::start(&["--requests-per-second", "10000"]);
    let words = ["new", "--relay", &server.url];
    let mut alice = Terminal::start(&words, 100, 30);
    let link = alice.see("Whoever has this link can come in").link();
    alice.go_back();
    types(&mut alice, &format!("/nick {ALICE}"));
    alice.keys("\r");
    alice.see(&format!("{ALICE} #"));
    let mut bob = Anocm::join(&link, &[]);
    is_called(&mut bob, BOB);
    fill(&mut bob);
    alice.see(&format!("{:05} and so on", MESSAGES - 1));
    types(&mut alice, HALF);
    let markers = markers(&link);
    // The first and last message, the names, the typed text, the secret; the link is no longer
    // shown.
    for marker in markers.iter().take(1).chain(markers.iter().skip(MESSAGES - 1)) {
        let found = occurrences(alice.pid(), std::slice::from_ref(marker)).unwrap();
        assert!(!found.is_empty() || marker == fragment(&link).as_bytes());
    }
    let exit = AtExit::of(alice.pid());
    let since = Instant::now();
    alice.keys(PANIC_KEY);
    assert_clean_at_exit(exit, alice.pid(), &markers, since);
    assert_eq!(alice.end().0, Some(0));
}

#[test]
fn a_relay_that_hangs_does_not_hold_up_the_panic_key() {
    if was_run_as_root("a_relay_that_hangs_does_not_hold_up_the_panic_key") {
        return;
    }
    let server = Server::start(&[]);
    let (mut alice, link) = Anocm::open(&["--relay", &server.url]);
    is_called(&mut alice, ALICE);
    alice.say(&text(7));
    alice.wait("> the words of message number 00007");
    server.signal(Signal::STOP);
    alice.say(&text(8));
    let exit = AtExit::of(alice.pid());
    let since = Instant::now();
    alice.say("/wipe");
    assert_clean_at_exit(exit, alice.pid(), &markers(&link), since);
    assert_eq!(alice.end().code(), Some(0));
}

#[test]
fn other_ends_leave_a_clean_memory() {
    if was_run_as_root("other_ends_leave_a_clean_memory") {
        return;
    }
    let server = Server::start(&["--requests-per-second", "10000"]);
    let ends: [fn(&mut Anocm, &mut Anocm); 5] = [
        |_, alice| alice.say(&format!("/kick {BOB}")),
        |bob, _| bob.say("/leave"),
        |bob, _| bob.close(),
        |bob, _| signal(bob.pid(), Signal::TERM),
        |bob, _| bob.say("/wipe"),
    ];
    for end in ends {
        let (mut alice, link) = Anocm::open(&["--relay", &server.url]);
        is_called(&mut alice, ALICE);
        let mut bob = Anocm::join(&link, &[]);
        is_called(&mut bob, BOB);
        alice.say(&text(7));
        bob.wait("> the words of message number 00007");
        let markers = markers(&link);
        assert!(!occurrences(bob.pid(), &markers).unwrap().is_empty());
        let exit = AtExit::of(bob.pid());
        end(&mut bob, &mut alice);
        exit.wait(PATIENCE);
        assert_eq!(occurrences(bob.pid(), &markers).unwrap(), []);
        drop(exit);
        bob.end();
    }
}
