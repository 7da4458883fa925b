//! A member that sends a leave statement is seen to depart.

use super::{
    bench::{ALICE, BOB, Bench, CAROL},
    guest::{is_commit, is_publish},
};
use crate::{
    room::{Command, CommandError, Ended, RoomEvent, SendFailure},
    session::Departure,
    wire::{CloseReason, Refusal, Request},
};

fn saw_a_leave(bench: &Bench, who: usize) -> bool {
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
        assert!(saw_a_leave(&bench, who));
        assert_eq!(bench[who].members(), 2);
    }
}

#[test]
fn a_leave_whose_carrying_out_was_overtaken_is_carried_out_all_the_same() {
    let mut bench = Bench::with(3);
    bench.does(CAROL, Command::Leave);
    // Bob's commit comes first, with another change.
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
fn a_leave_of_a_full_room_is_sent_live_and_seen() {
    let mut bench = Bench::with(2);
    bench[BOB].instead(|request| match request {
        Request::Publish { entry, .. } if !entry.retention.is_live() => Some(Err(Refusal::Full)),
        _ => None,
    });
    bench.does(BOB, Command::Leave);
    assert_eq!(bench[BOB].count(is_publish), 2);
    assert_eq!(bench[BOB].ended(), Some(Ended::Left));
    bench.pass(2);
    assert!(saw_a_leave(&bench, ALICE));
    assert_eq!(bench[ALICE].members(), 1);
}

/// Alice, and Bob, whose join Alice has not received yet.
fn unread_join() -> Bench {
    let mut bench = Bench::with(1);
    bench[ALICE].tells(|_| false);
    let bob = bench.newcomer();
    bench.connects(bob);
    bench.pass(5);
    assert_eq!((bench[ALICE].members(), bench[BOB].members()), (1, 2));
    bench[ALICE].honest();
    bench
}

#[test]
fn a_leave_sent_before_a_join_was_read_is_seen() {
    let mut bench = unread_join();
    bench.does(ALICE, Command::Leave);
    bench.pass(3);
    assert_eq!(bench[ALICE].ended(), Some(Ended::Left));
    assert!(saw_a_leave(&bench, BOB));
    assert_eq!(bench[BOB].members(), 1);
}

#[test]
fn messages_sent_before_a_leave_reach_a_new_member() {
    let mut bench = unread_join();
    let now = bench.now;
    let text = "see you".to_owned();
    bench[ALICE].machine.command(now, Command::Send { text, retention: None }).unwrap();
    bench.does(ALICE, Command::Leave);
    bench.pass(3);
    assert_eq!(bench[BOB].heard(), ["see you"]);
    assert_eq!(bench[BOB].members(), 1);
}

/// Alice sends a message and closes the room at once.
fn says_and_closes(bench: &mut Bench) -> crate::id::MessageId {
    let now = bench.now;
    let text = "that was all".to_owned();
    let said = bench[ALICE].machine.command(now, Command::Send { text, retention: None });
    bench.does(ALICE, Command::Close);
    said.unwrap().unwrap()
}

#[test]
fn what_was_said_before_closing_is_heard() {
    let mut bench = Bench::with(2);
    let refused = says_and_closes(&mut bench);
    bench.pass(1);
    assert_eq!(bench[BOB].heard(), ["that was all"]);
    assert_eq!(bench[ALICE].ended(), Some(Ended::Closed(CloseReason::Owner)));
    assert!(
        !bench[ALICE]
            .events
            .iter()
            .any(|event| matches!(event, RoomEvent::NotSent { id, .. } if *id == refused))
    );
}

#[test]
fn a_word_that_does_not_go_holds_up_the_end_for_a_while_only() {
    let mut bench = Bench::with(2);
    bench[ALICE].answers(|request, _| !is_publish(request));
    bench[ALICE].tells(|_| false);
    let id = says_and_closes(&mut bench);
    bench.pass(2);
    assert_eq!(bench[ALICE].ended(), None);
    let now = bench.now;
    let more = Command::Send { text: "more".to_owned(), retention: None };
    assert_eq!(bench[ALICE].machine.command(now, more), Err(CommandError::NotInRoom));
    bench.pass(2);
    assert_eq!(bench[ALICE].ended(), Some(Ended::Closed(CloseReason::Owner)));
    let not_sent = |event: &RoomEvent| {
        matches!(event,
        RoomEvent::NotSent { id: named, why: SendFailure::Unknown } if *named == id)
    };
    assert_eq!(bench[ALICE].events.iter().filter(|event| not_sent(event)).count(), 1);
}
