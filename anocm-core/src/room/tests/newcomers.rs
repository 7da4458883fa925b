//! Which members confirm a newcomer's view of the room, and when.

use super::{
    bench::{ALICE, BOB, Bench, CAROL},
    guest::{is_enter, is_publish, once},
};
use crate::{room::Confirmation, wire::Refusal};

fn is_confirmed(bench: &Bench, who: usize) -> bool {
    matches!(bench[who].machine.view().confirmation, Confirmation::Confirmed { .. })
}

#[test]
fn members_are_heard_by_each_other_and_confirmed_by_the_owner() {
    let mut bench = Bench::with(1);
    bench.cut(ALICE);
    for who in [BOB, CAROL] {
        assert_eq!(bench.newcomer(), who);
        bench.connects(who);
        bench.pass(5);
    }
    bench.says(BOB, "is anybody here?", 60);
    bench.says(CAROL, "I am", 60);
    // The owner has sent nothing: both may have been shown a door of the past, or one of the
    // relay's making.
    for (who, by) in [(BOB, CAROL), (CAROL, BOB)] {
        let heard = Confirmation::Heard { by: bench[by].machine.me().unwrap() };
        assert_eq!(bench[who].machine.view().confirmation, heard);
    }
    bench.connects(ALICE);
    bench.says(ALICE, "welcome", 60);
    for who in [BOB, CAROL] {
        assert!(is_confirmed(&bench, who));
    }
}

/// Bob joins, and is in the room only after so many seconds.
fn slow(seconds: u32) -> Bench {
    let mut bench = Bench::with(1);
    assert_eq!(bench.newcomer(), BOB);
    bench[BOB].instead(once(is_enter, Err(Refusal::Busy { retry_after: seconds * 1_000 })));
    bench.connects(BOB);
    bench
}

#[test]
fn a_new_member_who_enters_late_soon_knows_who_is_present() {
    for seconds in [1, 5] {
        let mut bench = slow(seconds);
        bench.pass(u64::from(seconds) + 3);
        let view = bench[BOB].machine.view();
        assert!(is_confirmed(&bench, BOB) && view.here.len() == 2, "after {seconds} s");
    }
}

#[test]
fn a_new_member_without_heartbeat_is_sent_one() {
    let mut bench = slow(1);
    bench[BOB].machine.cx.config.presence = false;
    bench.pass(4);
    assert!(is_confirmed(&bench, BOB));
}

#[test]
fn one_heartbeat_is_enough_for_a_new_member() {
    let mut bench = Bench::with(1);
    assert_eq!(bench.newcomer(), BOB);
    bench.connects(BOB);
    bench[ALICE].forget();
    bench.pass(10);
    assert_eq!(bench[ALICE].count(is_publish), 1);
}
