//! Measures how long a wipe takes: from the call, or the key, to the end of the process, seen from
//! outside. `cargo bench -p anocm-cli --bench wiping`.
#![cfg(target_os = "linux")]
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a benchmark measures and tells"
)]

#[path = "../tests/common/mod.rs"]
mod common;

use std::time::{Duration, Instant};

use common::{Embedder, PANIC_KEY, Speaker, Terminal, was_embedder};

const ROOMS: usize = 10;
const MESSAGES: usize = 1_000;
const ROUNDS: usize = 10;

/// A typical length of a message.
const LENGTH: usize = 100;

const LAST: &str = "that was all";

fn main() {
    if was_embedder() {
        return;
    }
    let (ends, calls): (Vec<_>, Vec<_>) = (0..ROUNDS).map(|_| wipe()).unzip();
    tell("ten rooms, the calls of wipe()", calls);
    tell("ten rooms, wipe() to the end of the process", ends);
    tell("ten rooms, dropped, to the end", (0..ROUNDS).map(|_| drop_all()).collect());
    tell("one room, panic key to the end", (0..ROUNDS).map(|_| panic_key(|_| ())).collect());
    let hung = (0..ROUNDS).map(|_| panic_key(Speaker::stop_relay)).collect();
    tell("the same while the relay hangs", hung);
}

fn tell(what: &str, mut times: Vec<Duration>) {
    times.sort_unstable();
    let (median, slowest) = (times.get(ROUNDS / 2).unwrap(), times.last().unwrap());
    println!("{what}: median {median:.1?}, slowest {slowest:.1?} of {ROUNDS}");
}

/// Returns `count` texts, of which the last is distinct.
fn texts(count: usize) -> Vec<String> {
    let mut texts = vec!["a".repeat(LENGTH); count];
    texts.pop();
    texts.push(LAST.to_owned());
    texts
}

/// Returns a program that embeds the library, after all messages were delivered in ten rooms.
fn talked() -> (Speaker, Embedder) {
    let mut alice = Speaker::open("Alice", ROOMS, MESSAGES);
    let mut bob = Embedder::start();
    alice.links().iter().for_each(|link| bob.enter(link, "Bob"));
    for room in 0..ROOMS {
        alice.say(room, &texts(MESSAGES));
        bob.hear(MESSAGES);
    }
    assert_eq!(bob.kept(), ROOMS * MESSAGES);
    (alice, bob)
}

/// Measures the time from the wipe order to the end, and the part of it spent in the wipe calls.
fn wipe() -> (Duration, Duration) {
    let (_alice, mut bob) = talked();
    let since = Instant::now();
    bob.wipe();
    bob.end();
    let took = since.elapsed();
    (took, Duration::from_micros(bob.wait("wiped").parse().unwrap()))
}

/// Measures the same without a wipe call: everything is dropped.
fn drop_all() -> Duration {
    let (_alice, mut bob) = talked();
    let since = Instant::now();
    bob.close();
    bob.end();
    since.elapsed()
}

/// Measures the time from the key to the end, with as many messages in one room, after `happens`.
fn panic_key(happens: fn(&Speaker)) -> Duration {
    let mut alice = Speaker::open("Alice", 1, ROOMS * MESSAGES);
    let mut bob = Terminal::start(&["join"], 100, 30);
    bob.enter(&alice.links().concat());
    bob.see("entered: ");
    alice.say(0, &texts(ROOMS * MESSAGES));
    bob.see(LAST);
    happens(&alice);
    let since = Instant::now();
    bob.keys(PANIC_KEY);
    assert_eq!(bob.end().0, Some(0));
    since.elapsed()
}
