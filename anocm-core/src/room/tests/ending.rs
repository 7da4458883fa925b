//! Events when a room ends with messages unsent.

use super::bench::{ALICE, BOB, Bench};
use crate::{
    id::MessageId,
    room::{Command, Ended, RoomEvent, SendFailure},
    wire::{CloseReason, Refusal, Request},
};

const CLOSED: Option<Ended> = Some(Ended::Closed(CloseReason::Owner));

/// Returns the `NotSent` events of Bob.
fn unsent(bench: &Bench) -> Vec<(MessageId, SendFailure)> {
    let events = bench[BOB].events.iter();
    let ids = events.filter_map(|event| match event {
        RoomEvent::NotSent { id, why } => Some((*id, *why)),
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
    assert_eq!(unsent(&bench), ids.map(|id| (id, SendFailure::Impossible)));
    // No deadline is left either.
    assert_eq!(bench[BOB].machine.poll_timeout(), None);
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

#[test]
fn a_request_in_flight_is_reported_as_unknown() {
    let mut bench = Bench::with(2);
    bench[BOB].answers(|_, _| false);
    bench[BOB].tells(|_| false);
    let id = bench.says(BOB, "perhaps", 60);
    assert_eq!(bench[ALICE].heard(), ["perhaps"]);
    bench.cut(BOB);
    bench.does(BOB, Command::Leave);
    assert_eq!(unsent(&bench), [(id, SendFailure::Unknown)]);
}

#[test]
fn a_room_that_has_ended_has_no_deadline() {
    let mut bench = Bench::with(2);
    // Both are about to check the door, and the room ends before that.
    bench.does(ALICE, Command::Rename("Alicia".parse().unwrap()));
    assert!(bench[BOB].machine.poll_timeout().is_some());
    bench[BOB].machine.wipe();
    assert_eq!(bench[BOB].machine.poll_timeout(), None);
}

/// Closes the room, and leaves before the relay has received the request.
fn closes_and_leaves(bench: &mut Bench) {
    let now = bench.now;
    bench[ALICE].machine.command(now, Command::Close).unwrap();
    bench.does(ALICE, Command::Leave);
}

#[test]
fn a_close_followed_by_leave_closes_the_room() {
    for guests in [1, 2] {
        let mut bench = Bench::with(guests);
        closes_and_leaves(&mut bench);
        assert_eq!(bench[ALICE].ended(), CLOSED);
    }
}

#[test]
fn a_close_while_disconnected_is_sent_after_the_reconnect() {
    let mut bench = Bench::with(2);
    bench.cut(ALICE);
    closes_and_leaves(&mut bench);
    assert_eq!(bench[ALICE].ended(), None);
    bench.cut(ALICE);
    bench.connects(ALICE);
    assert_eq!(bench[ALICE].ended(), CLOSED);
}

#[test]
fn a_close_without_effect_becomes_a_leave() {
    let mut bench = Bench::with(2);
    let is_close = |request: &Request| matches!(request, Request::Close { .. });
    bench[ALICE].instead(move |request| is_close(request).then_some(Err(Refusal::Full)));
    closes_and_leaves(&mut bench);
    assert_eq!(bench[ALICE].ended(), None);
    bench.pass(6);
    assert_eq!(bench[ALICE].ended(), Some(Ended::Left));
}
