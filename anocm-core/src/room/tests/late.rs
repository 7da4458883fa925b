//! Replies that come late, and a relay that asks for a long backoff.

use super::{
    bench::{ALICE, BOB, Bench},
    guest::{Answer, is_enter, is_join, is_look, is_publish, is_read},
};
use crate::wire::{Refusal, Request};

/// Ten hours.
const BUSY: Answer = Err(Refusal::Busy { retry_after: 36_000_000 });

#[test]
fn a_guest_inside_asks_again_after_a_minute_however_busy_the_relay_says_it_is() {
    let kinds: [fn(&Request) -> bool; 3] = [is_enter, is_read, is_publish];
    for kind in kinds {
        let mut bench = Bench::with(2);
        bench[BOB].tells(|_| false);
        bench.says(ALICE, "read this", 3_600);
        bench[BOB].forget();
        bench[BOB].instead(move |request| kind(request).then_some(BUSY));
        bench.lapses(BOB);
        bench.says(BOB, "and this", 3_600);
        bench[BOB].honest();
        bench.pass(50);
        assert_eq!(bench[BOB].count(kind), 1);
        bench.pass(12);
        assert_eq!(bench[BOB].heard(), ["read this", "and this"]);
        assert_eq!(bench[ALICE].heard(), ["read this", "and this"]);
    }
}

#[test]
fn a_guest_at_the_door_asks_again_after_a_minute_however_busy_the_relay_says_it_is() {
    let kinds: [fn(&Request) -> bool; 2] = [is_look, is_join];
    for kind in kinds {
        let mut bench = Bench::with(1);
        let bob = bench.newcomer();
        bench[bob].instead(move |request| kind(request).then_some(BUSY));
        bench.connects(bob);
        bench[bob].honest();
        bench.pass(50);
        assert_eq!(bench[bob].count(kind), 1);
        bench.pass(12);
        assert!(bench[bob].is_online());
        assert_eq!(bench[ALICE].members(), 2);
    }
}

#[test]
fn what_is_left_out_while_the_log_is_read_is_read_as_well() {
    let mut bench = Bench::with(2);
    bench[BOB].answers(|request, _| !is_read(request));
    bench[BOB].tells(|_| false);
    bench.lags(BOB);
    // The reply is in flight, and does not include this entry yet.
    bench.says(ALICE, "left out", 3_600);
    bench.lags(BOB);
    bench[BOB].honest();
    bench.late_answer_arrives(BOB);
    assert_eq!(bench[BOB].heard(), ["left out"]);
    assert_eq!(bench[BOB].troubles(), []);
}
