//! What is said when a room ends with something unsaid.

use super::bench::{BOB, Bench};
use crate::{
    id::MessageId,
    room::{Command, Ended, RoomEvent, SendFailure},
};

/// What Bob is told was not sent, before anything else is said of the end.
fn unsent(bench: &Bench) -> Vec<MessageId> {
    let events = bench[BOB].events.iter();
    let ids = events.filter_map(|event| match event {
        RoomEvent::NotSent { id, why: SendFailure::Impossible } => Some(*id),
        _ => None,
    });
    ids.collect()
}

#[test]
fn what_was_not_said_when_the_room_ends_is_named() {
    let mut bench = Bench::with(2);
    bench.says(BOB, "said", 60);
    bench.cut(BOB);
    let ids = [bench.says(BOB, "one", 60), bench.says(BOB, "two", 60)];
    bench.does(BOB, Command::Leave);
    assert_eq!(unsent(&bench), ids);
    assert!(matches!(bench[BOB].events.last(), Some(RoomEvent::Ended(Ended::Left))));
}

#[test]
fn of_what_is_wiped_nothing_is_said() {
    let mut bench = Bench::with(2);
    bench.cut(BOB);
    bench.says(BOB, "unsaid", 60);
    bench[BOB].machine.wipe();
    bench[BOB].fetch();
    assert_eq!((unsent(&bench), bench[BOB].ended()), (Vec::new(), Some(Ended::Wiped)));
}
