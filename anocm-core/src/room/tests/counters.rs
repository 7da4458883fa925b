//! A counter that may have been received with one message is never used for another.

use super::{
    bench::{ALICE, BOB, Bench},
    guest::{is_publish, once},
};
use crate::{
    room::{RoomEvent, SendFailure},
    wire::Refusal,
};

/// Bob's entries are appended, but neither the reply nor the entry reaches him.
fn leave_bob_in_the_dark(bench: &mut Bench) {
    bench[BOB].answers(|request, _| !is_publish(request));
    bench[BOB].tells(|_| false);
}

/// The relay is honest again, but refuses Bob's next append.
fn refuse_bob_once(bench: &mut Bench) {
    bench[BOB].honest();
    bench[BOB].instead(once(is_publish, Err(Refusal::Full)));
}

/// Bob's next message is received, and no member reports a repeat or a gap of his.
fn bob_is_heard_and_believed(bench: &mut Bench) {
    bench.says(BOB, "now this", 60);
    assert_eq!(bench[ALICE].heard().last(), Some(&"now this"));
    bench.pass(1);
    assert_eq!(bench[ALICE].troubles(), []);
}

fn was_not_sent(bench: &Bench) -> bool {
    let given_up = |event: &RoomEvent| matches!(event, RoomEvent::NotSent { why, .. } if *why != SendFailure::Impossible);
    bench[BOB].events.iter().any(given_up)
}

#[test]
fn a_sign_of_life_given_up_after_it_may_have_been_heard_takes_its_counter_with_it() {
    let mut bench = Bench::with(2);
    leave_bob_in_the_dark(&mut bench);
    bench.pass(61);
    assert_eq!(bench[BOB].count(is_publish), 1, "a sign of life");
    bench.cut(BOB);
    refuse_bob_once(&mut bench);
    bench.connects(BOB);
    assert_eq!(bench[BOB].count(is_publish), 2);
    bob_is_heard_and_believed(&mut bench);
}

#[test]
fn a_message_given_up_after_it_may_have_been_heard_leaves_its_counter_to_a_sign_of_life() {
    let mut bench = Bench::with(2);
    leave_bob_in_the_dark(&mut bench);
    bench.says(BOB, "now or never", 0);
    assert_eq!(bench[ALICE].heard(), ["now or never"]);
    bench.cut(BOB);
    refuse_bob_once(&mut bench);
    bench.connects(BOB);
    assert!(was_not_sent(&bench));
    bob_is_heard_and_believed(&mut bench);
}

#[test]
fn a_message_accepted_before_a_rejoin_and_then_given_up_keeps_its_counter() {
    let mut bench = Bench::with(2);
    bench[BOB].tells(|_| false);
    bench.says(BOB, "accepted", 3_600);
    assert_eq!(bench[ALICE].heard(), ["accepted"]);
    refuse_bob_once(&mut bench);
    bench.sends_back(BOB);
    assert!(was_not_sent(&bench));
    bob_is_heard_and_believed(&mut bench);
}

#[test]
fn a_message_asked_for_before_a_rejoin_and_then_given_up_keeps_its_counter() {
    let mut bench = Bench::with(2);
    leave_bob_in_the_dark(&mut bench);
    bench.says(BOB, "no answer", 30);
    assert_eq!(bench[ALICE].heard(), ["no answer"]);
    bench[BOB].honest();
    bench.sends_back(BOB);
    bench.pass(31);
    assert!(was_not_sent(&bench));
    bob_is_heard_and_believed(&mut bench);
}
