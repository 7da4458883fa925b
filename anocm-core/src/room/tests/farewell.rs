//! Whoever says that they leave is seen to depart.

use super::{
    bench::{ALICE, BOB, Bench, CAROL},
    guest::{is_commit, is_publish},
};
use crate::{
    room::{Command, Ended, RoomEvent},
    session::Departure,
    wire::{Refusal, Request},
};

fn saw_somebody_leave(bench: &Bench, who: usize) -> bool {
    let left =
        |event: &RoomEvent| matches!(event, RoomEvent::Departed { how: Departure::Left, .. });
    bench[who].events.iter().any(left)
}

#[test]
fn a_leave_whose_carrying_out_was_refused_is_carried_out_later() {
    let mut bench = Bench::with(3);
    for who in [ALICE, BOB] {
        bench[who].instead(|request| is_commit(request).then_some(Err(Refusal::Full)));
    }
    bench.does(CAROL, Command::Leave);
    assert_eq!(bench[CAROL].ended(), Some(Ended::Left));
    bench.pass(2);
    for who in [ALICE, BOB] {
        assert_eq!((bench[who].count(is_commit), bench[who].members()), (1, 3));
        bench[who].honest();
    }
    bench.pass(25);
    assert_eq!(bench[ALICE].members(), 3);
    bench.pass(5);
    for who in [ALICE, BOB] {
        assert!(saw_somebody_leave(&bench, who));
        assert_eq!(bench[who].members(), 2);
    }
}

#[test]
fn a_leave_whose_carrying_out_was_overtaken_is_carried_out_all_the_same() {
    let mut bench = Bench::with(3);
    bench.does(CAROL, Command::Leave);
    // Bob is faster, with something else.
    bench[ALICE].tells(|_| false);
    bench.does(BOB, Command::Rename("Bobby".parse().unwrap()));
    bench[BOB].instead(|request| is_commit(request).then_some(Err(Refusal::Full)));
    bench.pass(2);
    assert_eq!(bench[ALICE].count(is_commit), 2);
    bench[ALICE].honest();
    bench.lags(ALICE);
    assert_eq!((bench[ALICE].members(), bench[BOB].members()), (2, 2));
}

#[test]
fn whoever_leaves_a_full_room_says_so_live_and_is_seen_to_depart() {
    let mut bench = Bench::with(2);
    bench[BOB].instead(|request| match request {
        Request::Publish { entry, .. } if !entry.retention.is_live() => Some(Err(Refusal::Full)),
        _ => None,
    });
    bench.does(BOB, Command::Leave);
    assert_eq!(bench[BOB].count(is_publish), 2);
    assert_eq!(bench[BOB].ended(), Some(Ended::Left));
    bench.pass(2);
    assert!(saw_somebody_leave(&bench, ALICE));
    assert_eq!(bench[ALICE].members(), 1);
}
