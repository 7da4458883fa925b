//! Ends that are received while a query for missed changes is in progress.

use futures_util::{FutureExt as _, StreamExt as _};

use super::*;

const AT: RoomCursor =
    RoomCursor { instance: [1; 8], head: Seq::START, turn: 0, mark: [2; 8], fork: [2; 8] };

fn end(instance: u8) -> Announced {
    let what = What::Closed(CloseReason::Owner);
    Announced { instance: [instance; 8], after: [0; 8], mark: [0; 8], what }
}

/// A room at its first position, and a watch of it.
async fn room() -> (Room, Watch) {
    let room = Room::new(RoomAddress::new([7; 16]));
    assert!(room.set_subscribed());
    assert!(room.begin_query().is_none());
    assert!(room.end_query(QueryResult::Whole(AT, Vec::new())));
    let watch = room.watch(None).await.unwrap();
    (room, watch)
}

#[tokio::test]
async fn an_end_that_is_held_back_is_known_and_its_reason_is_told() {
    let (room, mut watch) = room().await;
    assert!(room.must_check());
    room.begin_query();
    // The end of an earlier room at this address.
    room.on_announcement(end(9));
    assert!(!room.has_ended());
    room.on_announcement(end(1));
    assert!(room.has_ended() && !room.is_over());
    assert!(room.as_it_was().is_none());
    assert!(room.end_query(QueryResult::Gone));
    let told = watch.next().now_or_never().flatten();
    assert_eq!(told, Some(Watched::Closed(CloseReason::Owner)));
}

#[tokio::test]
async fn a_room_that_is_gone_and_whose_end_was_not_heard_is_told_as_gone() {
    let (room, mut watch) = room().await;
    assert!(room.must_check());
    room.begin_query();
    assert!(room.end_query(QueryResult::Gone));
    let told = watch.next().now_or_never().flatten();
    assert_eq!(told, Some(Watched::Closed(CloseReason::Gone)));
}

#[tokio::test]
async fn a_room_of_a_dropped_store_has_not_ended() {
    let (room, _watch) = room().await;
    room.end(CloseReason::Gone);
    assert!(room.is_over() && !room.has_ended());
}
