//! A terminal that is not read, such as that of a stalled ssh session, blocks nothing.
#![cfg(target_os = "linux")]
#![expect(clippy::disallowed_methods, reason = "a test that also tells how long it took")]

mod common;

use std::time::{Duration, Instant};

use anocm_guard::testing::{AtExit, occurrences, was_run_as_root};
use common::{Anocm, Ending, PANIC_KEY, PATIENCE, Pane, Server, assert_clean_at_exit, signal};
use rustix::process::Signal;

const MESSAGES: usize = 300;

fn text(n: usize) -> String {
    format!("the words of message number {n:05} {}", "and so on ".repeat(n * 7 % 30))
}

fn markers() -> Vec<Vec<u8>> {
    (0..MESSAGES).map(|n| format!("the words of message number {n:05}").into_bytes()).collect()
}

/// Starts Bob on a terminal that is full, with all messages of Alice, which he keeps for `cap`.
fn stuck(server: &Server, cap: &str) -> (Anocm, Pane) {
    let (mut alice, link) = Anocm::open(&["--relay", &server.url]);
    let mut bob = Pane::start(&["join", "--nick", "Bob", "--cap", cap]);
    bob.enter(&link);
    bob.see("entered: Bob #");
    alice.wait("joined: Bob #");
    alice.say(&format!("/keep {cap}"));
    alice.say(&format!("/cap {cap}"));
    for n in 0..MESSAGES {
        alice.say(&text(n));
    }
    alice.wait(&format!("> the words of message number {:05}", MESSAGES - 1));
    (alice, bob)
}

/// Polls until the condition holds: another process's memory can only be polled.
fn wait_until(what: &str, holds: impl Fn() -> bool) {
    let since = Instant::now();
    while !holds() {
        assert!(since.elapsed() < PATIENCE, "waited in vain for {what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn what_has_had_its_time_is_forgotten_on_a_stuck_terminal_and_signals_are_heard() {
    if was_run_as_root(
        "what_has_had_its_time_is_forgotten_on_a_stuck_terminal_and_signals_are_heard",
    ) {
        return;
    }
    let server = Server::start(&["--requests-per-second", "10000"]);
    let (mut alice, mut bob) = stuck(&server, "5s");
    let markers = markers();
    assert!(!occurrences(bob.pid(), &markers).unwrap().is_empty());
    let expired =
        |alice: &Anocm| alice.seen().iter().filter(|line| line.starts_with("expired: ")).count();
    while expired(&alice) < MESSAGES {
        alice.wait("expired: a message of Alice #");
    }
    assert!(bob.waits() > 2_000, "the terminal is not full: {}", bob.waits());
    wait_until("a clean memory", || occurrences(bob.pid(), &markers).unwrap().is_empty());
    let ending = Ending::of(bob.pid());
    signal(bob.pid(), Signal::TERM);
    alice.wait("left: Bob #");
    ending.wait();
    assert_eq!(bob.end().code(), Some(0));
    // The terminal has received the sequences that clear it.
    bob.see_end();
}

#[test]
fn the_panic_key_works_on_a_stuck_terminal() {
    if was_run_as_root("the_panic_key_works_on_a_stuck_terminal") {
        return;
    }
    let server = Server::start(&["--requests-per-second", "10000"]);
    let (_alice, mut bob) = stuck(&server, "1h");
    let last = format!("the words of message number {:05}", MESSAGES - 1).into_bytes();
    let last = [last];
    wait_until("the last message", || !occurrences(bob.pid(), &last).unwrap().is_empty());
    assert!(bob.waits() > 2_000, "the terminal is not full: {}", bob.waits());
    let exit = AtExit::of(bob.pid());
    let since = Instant::now();
    bob.keys(PANIC_KEY);
    assert_clean_at_exit(exit, bob.pid(), &markers(), since);
    assert_eq!(bob.end().code(), Some(0));
    bob.see_end();
}

#[test]
fn a_terminal_that_is_read_again_shows_what_there_is() {
    let server = Server::start(&["--requests-per-second", "10000"]);
    let (mut alice, mut bob) = stuck(&server, "1h");
    alice.say("at-last");
    bob.see("at-last");
    bob.keys("\x03");
    bob.see_end();
    assert_eq!(bob.end().code(), Some(0));
}
