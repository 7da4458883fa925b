//! Which members confirm a newcomer's view of the room, and when.

use super::{
    bench::{ALICE, BOB, Bench, CAROL},
    guest::{is_enter, is_publish, once},
};
use crate::wire::Refusal;

#[test]
fn a_member_behind_an_old_door_is_not_confirmed_by_later_joins() {
    let mut bench = Bench::with(1);
    bench.cut(ALICE);
    for who in [BOB, CAROL] {
        assert_eq!(bench.newcomer(), who);
        bench.connects(who);
        bench.pass(5);
    }
    bench.says(BOB, "is anybody here?", 60);
    bench.says(CAROL, "I am", 60);
    // Bob was there when Carol joined. No member that was there before Bob has sent an entry: both
    // may have been shown an outdated door.
    let confirmed = |bench: &Bench, who: usize| bench[who].machine.view().confirmed;
    assert!(confirmed(&bench, CAROL) && !confirmed(&bench, BOB));
    bench.connects(ALICE);
    bench.says(ALICE, "welcome", 60);
    assert!(confirmed(&bench, BOB));
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
        assert!(view.confirmed && view.here.len() == 2, "after {seconds} s: {view:?}");
    }
}

#[test]
fn a_new_member_without_heartbeat_is_sent_one() {
    let mut bench = slow(1);
    bench[BOB].machine.cx.config.presence = false;
    bench.pass(4);
    assert!(bench[BOB].machine.view().confirmed);
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
