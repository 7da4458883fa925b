//! What guests see when the Redis in which their relays keep the rooms fails.
#![cfg(unix)]
#![expect(clippy::disallowed_methods, reason = "how soon guests are told is measured")]

mod common;

use std::time::{Duration, Instant};

use common::{Anocm, Guests, Redis, Server};

/// How soon guests are notified that a promise no longer holds.
const SOON: Duration = Duration::from_secs(5);

#[test]
fn guests_are_told_soon_that_the_promise_is_broken_and_go_on_once_it_is_kept_again() {
    let mut relays = Server::start_over(Redis::start_careless(&[]), &[]);
    let mut guests = Guests::meet(&relays.url);
    let before = relays_say(&guests);
    let since = Instant::now();
    relays.store().set("appendonly", "yes");
    guests.wait("relay: says its memory-only promise is broken");
    let told = since.elapsed();
    assert!(told <= SOON, "only after {told:?}");

    guests.say(2);
    guests.each(|guest| {
        for _ in 0..2 {
            guest.anocm.wait("trouble: the relay takes nothing new: its memory-only promise");
            guest.anocm.wait("not sent: the relay refused it: the relay is read-only");
        }
    });
    let mut newcomer = Anocm::start(&["join", "-"]);
    newcomer.say(&guests.link);
    newcomer.wait("ended: not let in: the relay refused: the relay is read-only");
    assert_eq!(newcomer.end().code(), Some(1));

    relays.store().set("appendonly", "no");
    guests.wait(before.as_ref().unwrap());
    guests.say(3);
    guests.see_the_last_words();
    guests.assert_same_view();
    // Not all messages were sent.
    guests.leave(1);
    assert_eq!(guests.assert_nothing_is_lost_or_doubled(), 4 * 2);
}

/// Returns the posture that the relays report normally: it depends on the machine.
fn relays_say(guests: &Guests) -> Option<String> {
    let mut said = guests.map(|guest| {
        let mut lines = guest.anocm.seen().iter().filter(|line| line.starts_with("relay: "));
        lines.next_back().cloned()
    });
    said.dedup();
    assert_eq!(said.len(), 1, "{said:?}");
    said.swap_remove(0)
}

#[test]
fn what_is_said_while_redis_pauses_arrives_when_it_goes_on() {
    let mut relays = Server::start_two(&[]);
    let mut guests = Guests::meet(&relays.url);
    guests.say(10);
    guests.wait("> Alice says 2.");
    relays.store().pause();
    guests.say(10);
    // Longer than the relays' liveness timeout for the server, whose clock keeps running.
    std::thread::sleep(Duration::from_secs(10));
    guests.say(10);
    relays.store().go_on();
    guests.see_the_last_words();
    guests.say(1);
    guests.see_the_last_words();
    guests.assert_undisturbed();
    guests.assert_same_view();
    guests.leave(0);
    assert_eq!(guests.assert_nothing_is_lost_or_doubled(), 0);
}

#[test]
fn words_on_their_way_into_a_redis_that_pauses_outlive_the_relay_that_sent_them() {
    let mut relays = Server::start_two(&[]);
    let mut guests = Guests::meet(&relays.url);
    relays.store().pause();
    guests.say(5);
    // Once this is answered, all messages are read and the first of them sent.
    guests.assert_same_view();
    relays.kill_relay(1);
    for number in [1, 3] {
        guests.get(number).anocm.wait("connection: trying again in ");
    }
    // What the relay left behind has been executed by now, unless it comes after what is sent
    // again.
    relays.store().go_on();
    guests.see_the_last_words();
    guests.say(5);
    guests.see_the_last_words();
    guests.assert_undisturbed();
    guests.assert_same_view();
    guests.leave(0);
    assert_eq!(guests.assert_nothing_is_lost_or_doubled(), 0);
}

#[test]
fn when_redis_starts_anew_everybody_is_told_that_the_room_is_gone() {
    let mut relays = Server::start_two(&[]);
    let mut guests = Guests::meet(&relays.url);
    relays.restart_store();
    guests.each(|guest| {
        guest.anocm.wait("ended: the room is gone");
        assert_eq!(guest.anocm.end().code(), Some(1), "{}", guest.name);
    });
    guests.assert_nothing_is_lost_or_doubled();
    let mut late = Anocm::start(&["join", "-"]);
    late.say(&guests.link);
    late.wait("ended: not let in: there is no such room");
    assert_eq!(late.end().code(), Some(1));
    // The relays keep running: new rooms can be created.
    let mut others = Guests::meet(&relays.url);
    others.leave(0);
}

#[test]
fn what_is_said_while_redis_is_away_is_owned_up_to_when_it_comes_back_empty() {
    let mut relays = Server::start_two(&[]);
    let mut guests = Guests::meet(&relays.url);
    relays.store().kill();
    guests.say(5);
    // Once this is answered, all messages are read.
    guests.assert_same_view();
    relays.restart_store();
    guests.each(|guest| {
        guest.anocm.wait("ended: the room is gone");
        assert_eq!(guest.anocm.end().code(), Some(1), "{}", guest.name);
    });
    assert_eq!(guests.assert_nothing_is_lost_or_doubled(), 4 * 5);
}

#[test]
fn a_full_redis_refuses_words_aloud_loses_none_and_takes_more_when_there_is_room() {
    const SPACE: u64 = 384 << 10;
    /// An entry longer than a kilobyte occupies four.
    const TAKES: u64 = 4_000;
    let mut relays = Server::start_two(&[]);
    let mut guests = Guests::meet(&relays.url);
    let most = relays.store().used_memory() + SPACE;
    relays.store().set("maxmemory", &most.to_string());
    // Each guest alone sends twice as much as fits.
    let count = usize::try_from(2 * SPACE / TAKES).unwrap();
    guests.say_long(count, &"x".repeat(1_500));
    guests.wait("not sent: the relay refused it: the room or the relay is full");
    // Live messages take no space.
    guests.each(|guest| guest.anocm.say("/live"));
    guests.say(2);
    guests.see_the_last_words();
    guests.each(|guest| guest.anocm.say("/keep 5m"));
    let refused = guests.assert_nothing_is_lost_or_doubled();
    assert!((4..4 * count).contains(&refused), "{refused} of {}", 4 * count);

    relays.store().set("maxmemory", "1gb");
    guests.say(5);
    guests.see_the_last_words();
    guests.assert_same_view();
    guests.leave(1);
    assert_eq!(guests.assert_nothing_is_lost_or_doubled(), refused);
}
