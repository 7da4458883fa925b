//! Ten thousand messages are wiped at once, and nothing of them remains.
#![cfg(target_os = "linux")]
#![expect(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test, helpers included, that also tells how long it took"
)]

mod common;

use std::{ops::Range, time::Instant};

use anocm_core::Invite;
use anocm_guard::testing::{AtExit, occurrences, was_run_as_root};
use common::{
    Embedder, PANIC_KEY, Speaker, Terminal, assert_clean_at_exit, fragment, was_embedder,
};

const ROOMS: usize = 10;
const MESSAGES: usize = 1_000;

/// Returns a string that is in one message only, assembled so that no executable contains it.
fn marker(n: usize) -> String {
    format!("{n:05} is the number of what was said to {}; ", std::process::id())
}

/// How often the marker is repeated: texts have many lengths, so that a remaining part is found.
const fn times(n: usize) -> usize {
    1 + n * 7 % 20
}

/// Returns a thousand message numbers, those of one room where there are ten.
const fn part(n: usize) -> Range<usize> {
    n * MESSAGES..(n + 1) * MESSAGES
}

fn texts(numbers: Range<usize>) -> Vec<String> {
    numbers.map(|n| marker(n).repeat(times(n))).collect()
}

/// Returns the byte strings of these texts that must not be found.
fn markers(numbers: Range<usize>) -> Vec<Vec<u8>> {
    numbers.map(|n| marker(n).into_bytes()).collect()
}

/// Returns the byte strings of an invite that must not be found.
fn way(link: &str) -> [Vec<u8>; 2] {
    let invite = Invite::parse(link).unwrap();
    [fragment(link).as_bytes().to_vec(), invite.secret().expose().to_vec()]
}

/// Asserts that all of these texts are in memory.
fn assert_said(pid: u32, numbers: Range<usize>) {
    let found = occurrences(pid, &markers(numbers.clone())).unwrap().len();
    assert!(found >= numbers.clone().map(times).sum(), "{found} of {numbers:?}");
}

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
fn ten_wiped_rooms_leave_a_clean_memory_at_once() {
    if was_run_as_root("ten_wiped_rooms_leave_a_clean_memory_at_once") {
        return;
    }
    let number = std::process::id();
    let mut known = vec![("name", format!("AliceOfTheLongName{number}"))];
    let mut alice = Speaker::open(&known[0].1, ROOMS, MESSAGES);
    let links = alice.links();
    let mut bob = Embedder::start();
    bob.order("tell");
    for (room, link) in links.iter().enumerate() {
        let name = format!("Bob{room}OfTheLongName{number}");
        bob.enter(link, &name);
        known.push(("name", name));
    }
    for room in 0..ROOMS {
        alice.say(room, &texts(part(room)));
        bob.hear(MESSAGES);
    }
    assert_eq!(bob.kept(), ROOMS * MESSAGES);

    (0..ROOMS).for_each(|room| assert_said(bob.pid(), part(room)));
    let told = bob.looked_for(&known);
    assert!(told.len() > 8, "{:?}", told.keys());
    let before = bob.holds(&told);
    assert!(before.values().all(|places| !places.is_empty()), "{before:#?}");

    let ways = links.iter().flat_map(|link| way(link));
    let markers: Vec<_> = markers(0..ROOMS * MESSAGES)
        .into_iter()
        .chain(ways)
        .chain(told.into_values().flatten())
        .collect();
    let exit = AtExit::of(bob.pid());
    let since = Instant::now();
    bob.wipe();
    assert_clean_at_exit(exit, bob.pid(), &markers, since);
    bob.end();
}

#[test]
fn the_panic_key_leaves_nothing_of_as_many_messages_in_one_room() {
    if was_run_as_root("the_panic_key_leaves_nothing_of_as_many_messages_in_one_room") {
        return;
    }
    let name = format!("AliceOfTheLongName{}", std::process::id());
    let said = 0..ROOMS * MESSAGES;
    let mut alice = Speaker::open(&name, 1, said.len());
    let link = alice.links().pop().unwrap();
    let mut bob = Terminal::start(&["join"], 100, 30);
    bob.enter(&link);
    bob.see("entered: ");
    for said in (0..ROOMS).map(part) {
        alice.say(0, &texts(said.clone()));
        bob.see(marker(said.end - 1).trim_end());
    }

    assert_said(bob.pid(), said.clone());
    let markers: Vec<_> =
        markers(said).into_iter().chain(way(&link)).chain([name.into_bytes()]).collect();
    let exit = AtExit::of(bob.pid());
    let since = Instant::now();
    bob.keys(PANIC_KEY);
    assert_clean_at_exit(exit, bob.pid(), &markers, since);
    assert_eq!(bob.end().0, Some(0));
}
