//! How a guest ends when its environment fails.
#![cfg(unix)]
#![expect(clippy::unwrap_used, reason = "a test, helpers included")]

mod common;

use std::{
    io::Write as _,
    process::{Child, Command, Stdio},
};

use common::{Anocm, Server, Terminal, Wire, signal};
use rustix::process::Signal;

/// A proxy at a port that is too low for any test: nothing listens there.
const NOBODY: [&str; 2] = ["--socks5", "127.0.0.1:1"];

/// Starts Bob with pipes that the test does not read.
fn unread(words: &[&str], link: &str) -> Child {
    let bob = Command::new(env!("CARGO_BIN_EXE_anocm"))
        .args([&["join", "-", "--nick", "Bob"], words].concat())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    writeln!(bob.stdin.as_ref().unwrap(), "{link}").unwrap();
    bob
}

/// Waits until the unread pipe is full.
///
/// No event reports that. But a pipe reports how many bytes it holds: a full one at least half of
/// its 64 KiB, and then the number no longer changes.
fn wait_until_full(bob: &mut Child) {
    let mut looks = 0;
    let mut before = 0;
    while before < 32_000 || looks < 10_000 {
        assert!(bob.try_wait().unwrap().is_none());
        let now = rustix::io::ioctl_fionread(bob.stdout.as_ref().unwrap()).unwrap();
        looks = if now == before { looks + 1 } else { 0 };
        before = now;
        std::thread::yield_now();
    }
}

#[test]
fn an_unread_standard_error_is_no_fault() {
    let (mut alice, link) = Anocm::open(&[]);
    let mut bob = unread(&["-vvv"], &link);
    drop(bob.stderr.take());
    writeln!(bob.stdin.as_ref().unwrap(), "still here").unwrap();
    alice.wait("> still here");
    drop(bob.stdin.take());
    assert_eq!(bob.wait().unwrap().code(), Some(0));
    alice.wait("left: Bob #");
}

#[test]
fn output_that_cannot_be_written_is_said_on_standard_error() {
    for words in ["new --plain --stay", "new --json --stay", "--help", "--version"] {
        let script = format!("\"$0\" {words} > /dev/full");
        let ended = Command::new("sh")
            .args(["-c", &script, env!("CARGO_BIN_EXE_anocm")])
            .stdin(Stdio::null())
            .output()
            .unwrap();
        assert_eq!(ended.status.code(), Some(1), "{words}");
        let said = String::from_utf8(ended.stderr).unwrap();
        assert!(said.contains("cannot be written"), "{words}: {said:?}");
    }
}

#[test]
fn a_reader_that_stalls_does_not_keep_a_guest_from_leaving() {
    let (mut alice, link) = Anocm::open(&[]);
    let mut bob = unread(&[], &link);
    alice.wait("joined: Bob #");
    for _ in 0..400 {
        writeln!(bob.stdin.as_ref().unwrap(), "/help").unwrap();
    }
    wait_until_full(&mut bob);
    signal(bob.id(), Signal::TERM);
    alice.wait("left: Bob #");
    // Not all output could be written.
    assert_eq!(bob.wait().unwrap().code(), Some(1));
}

#[test]
fn what_was_said_before_leaving_without_a_connection_is_not_forgotten_in_silence() {
    let server = Server::start(&[]);
    let wire = Wire::to(&server.address());
    let (mut alice, link) = Anocm::open(&["--relay", &server.url]);
    let mut bob = Anocm::join(&wire.link(&link), &["--nick", "Bob"]);
    alice.wait("joined: Bob #");
    wire.cut();
    bob.wait("connection: trying again in ");
    bob.say("am I heard?");
    bob.say("/members");
    bob.wait("member: Alice #");
    signal(bob.pid(), Signal::TERM);
    bob.wait("warning: not all that was said");
    assert_eq!(bob.end().code(), Some(1));
}

#[test]
fn a_program_that_says_something_and_leaves_is_heard_first() {
    let server = Server::start(&[]);
    let wire = Wire::to(&server.address());
    let (mut alice, link) = Anocm::open(&["--relay", &server.url]);
    let mut bob = Anocm::start(&["join", "--json", "--nick", "Bob", "-"]);
    bob.say(&wire.link(&link));
    bob.wait("\"state\":\"online\"");
    alice.wait("joined: Bob #");
    wire.cut();
    bob.wait("\"state\":\"waiting\"");
    bob.say(r#"{"do":"say","text":"good bye"}"#);
    bob.say(r#"{"do":"leave"}"#);
    bob.wait("\"event\":\"done\"");
    bob.wait("\"state\":\"waiting\"");
    wire.mend();
    alice.wait("> good bye");
    assert_eq!(bob.end().code(), Some(0));
    alice.wait("left: Bob #");
}

#[test]
fn a_room_that_cannot_be_entered_in_time_is_given_up() {
    let server = Server::start(&[]);
    let (_alice, link) = Anocm::open(&["--relay", &server.url]);
    for json in [false, true] {
        let words = [&["join", "-", "--enter-within", "1s"], &NOBODY[..]].concat();
        let words = if json { [&words[..], &["--json"]].concat() } else { words };
        let mut bob = Anocm::start(&words);
        bob.say(&link);
        bob.wait("not in the room within 1s: the proxy cannot be reached");
        assert_eq!(bob.end().code(), Some(1));
    }
}

#[test]
fn a_screen_gives_up_only_when_told_to() {
    let server = Server::start(&[]);
    let (_alice, link) = Anocm::open(&["--relay", &server.url]);
    let words = [&["join", "--enter-within", "1s"], &NOBODY[..]].concat();
    let mut bob = Terminal::start(&words, 80, 24);
    bob.wait("readiness for a paste", |look| look.pastes);
    bob.paste(&link);
    bob.keys("\r");
    let (code, left) = bob.end();
    assert_eq!(code, Some(1));
    assert!(!left.taken && left.has("within 1s: the proxy cannot be reached"), "{left:#?}");
}

#[test]
fn a_screen_tells_what_was_not_sent_before_it_was_left() {
    let server = Server::start(&[]);
    let wire = Wire::to(&server.address());
    let (mut alice, link) = Anocm::open(&["--relay", &server.url]);
    let mut bob = Terminal::start(&["join", "--nick", "Bob"], 80, 24);
    bob.wait("readiness for a paste", |look| look.pastes);
    bob.paste(&wire.link(&link));
    bob.keys("\r");
    bob.see("2 of 2 here");
    alice.wait("joined: Bob #");
    wire.cut();
    bob.see("trying again in ");
    bob.say("am I heard?");
    bob.see("1 waiting to be sent");
    bob.keys("\x03");
    let (code, left) = bob.end();
    assert_eq!(code, Some(1));
    assert!(left.has("warning: not all that was said"), "{left:#?}");
}
