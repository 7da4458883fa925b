//! An entry cannot be older than the time since the relay reported that its sequence number was
//! still empty.

use std::time::Duration;

use super::{
    bench::{ALICE, BOB, Bench, CAROL, keep},
    guest::{Answer, is_enter, is_publish},
};
use crate::{
    retention::GuestRetention,
    room::{Command, RoomEvent, Trouble},
    time::Timestamp,
    wire::{Event, LogItem, Reply, Request},
};

/// How many seconds a new guest of [`CommitContext::with`] has been in the room.
const SETTLED: u64 = 5;

fn cap(bench: &mut Bench, who: usize, seconds: u64) {
    let retention = GuestRetention { default: None, cap: Some(keep(seconds)) };
    bench.does(who, Command::SetGuestRetention(retention));
}

/// Has the relay claim to this guest that every entry is `seconds` old, in events and pages.
fn claims_age(bench: &mut Bench, who: usize, seconds: u64) {
    let age = seconds * 1_000;
    bench[who].tells(move |item| {
        item.age = age;
        true
    });
    bench[who].answers(move |_, answer: &mut Answer| {
        if let Ok(Reply::Page(page)) = answer {
            page.items.iter_mut().for_each(|item| item.age = age);
        }
        true
    });
}

/// Returns when the last message received is wiped.
fn expires(bench: &Bench, who: usize) -> Timestamp {
    let mut messages = bench[who].events.iter().rev().filter_map(|event| match event {
        RoomEvent::Message(message) => message.expires,
        _ => None,
    });
    messages.next().unwrap()
}

fn since(bench: &Bench, seconds: u64) -> Timestamp {
    bench.now.saturating_sub(Duration::from_secs(seconds))
}

#[test]
fn a_message_told_while_watching_is_shown_whatever_age_is_claimed() {
    // Above the guest's own cap, and above the sender's retention.
    for age in [31, 7_200] {
        let mut bench = Bench::with(2);
        cap(&mut bench, BOB, 30);
        claims_age(&mut bench, BOB, age);
        bench.says(ALICE, "hello", 3_600);
        assert_eq!(bench[BOB].heard(), ["hello"]);
        assert_eq!(bench[BOB].troubles(), [Trouble::DishonestRelay]);
        // It is taken to be as old as it can be, and no younger.
        let asked = since(&bench, SETTLED);
        let wiped = expires(&bench, BOB);
        assert!(wiped >= asked.saturating_add(Duration::from_secs(30)), "{wiped:?}");
        assert!(wiped <= bench.now.saturating_add(Duration::from_secs(30)), "{wiped:?}");
    }
}

#[test]
fn what_is_not_shown_for_its_claimed_age_is_told() {
    let mut bench = Bench::with(2);
    cap(&mut bench, BOB, 30);
    bench.pass(50);
    bench[BOB].forget();
    // The claim may be true: the relay may have been slow for as long as this guest sent no
    // request.
    claims_age(&mut bench, BOB, 31);
    bench.says(ALICE, "one", 3_600);
    assert_eq!(bench[BOB].troubles(), [Trouble::Missed { count: 1 }]);
    // The claim is false, and yet the message may be older than the cap.
    bench[BOB].forget();
    claims_age(&mut bench, BOB, 600);
    bench.says(ALICE, "two", 3_600);
    assert_eq!(bench[BOB].troubles(), [Trouble::DishonestRelay, Trouble::Missed { count: 1 }]);
    assert_eq!(bench[BOB].heard(), [""; 0]);
}

#[test]
fn what_was_said_while_away_is_no_older_than_the_absence() {
    let mut bench = Bench::with(2);
    bench.cut(BOB);
    bench.pass(10);
    bench.says(ALICE, "while you were away", 3_600);
    bench.pass(10);
    claims_age(&mut bench, BOB, 7_200);
    bench.connects(BOB);
    assert_eq!(bench[BOB].heard(), ["while you were away"]);
    assert_eq!(bench[BOB].troubles(), [Trouble::DishonestRelay]);
    let left = since(&bench, 20 + SETTLED);
    assert!(expires(&bench, BOB) >= left.saturating_add(Duration::from_secs(3_600)));
}

#[test]
fn what_a_new_member_reads_is_no_older_than_their_own_join() {
    let mut bench = Bench::with(1);
    let bob = bench.newcomer();
    // Alice sends after Bob's join and before his proof.
    bench[bob].answers(|request, _| !is_enter(request));
    bench[bob].connected = true;
    bench.connects(bob);
    bench.says(ALICE, "welcome", 3_600);
    claims_age(&mut bench, bob, 7_200);
    bench.lapses(bob);
    bench.pass(1);
    assert_eq!(bench[bob].heard(), ["welcome"]);
    assert!(bench[bob].troubles().contains(&Trouble::DishonestRelay));
}

#[test]
fn what_one_said_oneself_is_no_older_than_the_asking() {
    let mut bench = Bench::with(2);
    bench.pass(50);
    bench[BOB].forget();
    claims_age(&mut bench, BOB, 40);
    bench.says(BOB, "mine", 30);
    assert_eq!(bench[BOB].screen().len(), 1);
    assert_eq!(bench[BOB].troubles(), [Trouble::DishonestRelay]);
    assert_eq!(expires(&bench, BOB), bench.now.saturating_add(Duration::from_secs(30)));
}

/// Delivers to Bob the entry that was left out until now, as an event with its true age.
fn told_late(bench: &mut Bench) {
    let address = *bench[BOB].machine.address();
    let item: LogItem = bench.relay.item(bench.now, bench.relay.head());
    bench.tell(BOB, Event::Entry { address, item });
}

#[test]
fn an_entry_that_waited_in_a_queue_is_believed() {
    for waited in [1, 20, 40] {
        let mut bench = Bench::with(2);
        bench[BOB].tells(|_| false);
        bench.says(ALICE, "slow", 3_600);
        bench.pass(waited);
        bench[BOB].honest();
        told_late(&mut bench);
        assert_eq!(bench[BOB].heard(), ["slow"]);
        assert_eq!(bench[BOB].troubles(), []);
        assert_eq!(
            expires(&bench, BOB),
            since(&bench, waited).saturating_add(Duration::from_secs(3_600))
        );
    }
}

#[test]
fn what_follows_a_head_that_was_long_on_its_way_is_believed() {
    let mut bench = Bench::with(2);
    // The head is taken when the relay handles the proof; the reply arrives together with the
    // event.
    bench[BOB].answers(|request, _| !is_enter(request));
    bench[BOB].tells(|_| false);
    bench.lapses(BOB);
    bench.says(ALICE, "right after that", 3_600);
    bench.pass(20);
    bench[BOB].honest();
    bench.late_answer_arrives(BOB);
    told_late(&mut bench);
    assert_eq!(bench[BOB].heard(), ["right after that"]);
    assert_eq!(bench[BOB].troubles(), []);
}

#[test]
fn what_was_left_out_and_is_read_is_believed() {
    let mut bench = Bench::with(2);
    bench[BOB].tells(|_| false);
    bench.says(ALICE, "left out", 3_600);
    bench.pass(30);
    bench[BOB].honest();
    bench.lags(BOB);
    assert_eq!(bench[BOB].heard(), ["left out"]);
    assert_eq!(bench[BOB].troubles(), []);
}

#[test]
fn clocks_may_differ_a_little_over_an_hour() {
    let mut bench = Bench::with(2);
    bench.cut(BOB);
    bench.says(ALICE, "an hour ago", 24 * 3_600);
    bench.pass(3_600);
    claims_age(&mut bench, BOB, 3_600 + 36);
    bench[BOB].tells = None;
    bench.connects(BOB);
    assert_eq!(bench[BOB].heard(), ["an hour ago"]);
    assert!(!bench[BOB].troubles().contains(&Trouble::DishonestRelay));
}

#[test]
fn an_entry_ages_while_it_waits_for_the_one_before_it() {
    let mut bench = Bench::with(3);
    // Bob receives the second message at once, and the first one twenty seconds later.
    let mut told = 0;
    bench[BOB].tells(move |_| {
        told += 1;
        told == 2
    });
    bench[BOB].answers(|request, _| !matches!(request, Request::Read { .. }));
    bench.says(ALICE, "first", 3_600);
    bench.says(CAROL, "second", 3_600);
    let said = bench.now;
    bench.pass(20);
    bench[BOB].honest();
    bench.late_answer_arrives(BOB);
    assert_eq!(bench[BOB].heard(), ["first", "second"]);
    assert_eq!(expires(&bench, BOB), said.saturating_add(Duration::from_secs(3_600)));
    assert_eq!(bench[BOB].count(is_publish), 0);
}
