//! How long a room outlives its last touch: for less without any join, and not counting the time in
//! which the relay was not running.
#![expect(clippy::unwrap_used, reason = "a test, helpers included")]

mod common;

use std::time::Duration;

use anocm_core::{
    Retention, RoomAddress, Seq,
    store::{Store as _, StoreError, UNJOINED_LINGER, Watched},
    wire::{CloseReason, EntryKind, NextEpoch, Policy},
};
use common::{
    Server,
    rooms::{SECOND, create, entry, kept, next, policy, say, store, told, told_entry},
};

const HERE: RoomAddress = RoomAddress::new([7; 16]);
const DAY: Duration = Duration::from_secs(24 * 3_600);

/// Returns the longest remaining time to live of a room's keys.
fn lives(server: &Server) -> Duration {
    let keys = server.keys();
    let longest = keys.iter().map(|(_, left)| *left).max().unwrap();
    Duration::from_millis(longest.try_into().unwrap())
}

#[tokio::test]
async fn a_room_without_a_join_lingers_for_ten_minutes_at_most() {
    let server = Server::start(&[]);
    let store = store(&server).await;
    let policy = Policy { max_age: 7 * 86_400_000, ..policy(DAY) };
    create(&store, &HERE, policy).await;
    store.touch(&HERE).await.unwrap();
    let slack = 20 * SECOND;
    assert!(lives(&server) < UNJOINED_LINGER + slack, "{:?}", lives(&server));
    // A commit of the creator does not prolong it, either.
    let commit = entry(EntryKind::Commit, 0, kept(20 * SECOND), &[2; 1_000]);
    let same_door = |mark| NextEpoch { door: next(0).door, ..next(mark) };
    store.append(&HERE, commit, Some(same_door(1))).await.unwrap();
    store.touch(&HERE).await.unwrap();
    assert!(lives(&server) < UNJOINED_LINGER + slack, "{:?}", lives(&server));
    let join = entry(EntryKind::Join, 1, kept(20 * SECOND), &[3; 1_000]);
    store.append(&HERE, join, Some(same_door(2))).await.unwrap();
    store.touch(&HERE).await.unwrap();
    assert!(lives(&server) > DAY - slack, "{:?}", lives(&server));
    store.close(&HERE, CloseReason::Owner).await.unwrap();
}

#[tokio::test]
async fn a_relay_that_did_not_run_for_a_while_ends_no_room_with_members() {
    let server = Server::start(&[]);
    // Heartbeats are missing here for a while, though all else continues. A process that is
    // suspended as a whole, and for longer, is covered by the server's tests.
    let store = store(&server).await;
    create(&store, &HERE, policy(3 * SECOND)).await;
    let mut watch = store.watch(&HERE).await.unwrap();
    store.door(&HERE).await.unwrap();
    store.heartbeat();
    let first = say(&store, &HERE, kept(20 * SECOND), &[1; 1_000]).await.unwrap();
    assert_eq!(told_entry(&mut watch).await.seq, first);
    tokio::time::sleep(5 * SECOND).await;
    // A guest's message may come before the relay's own touch.
    let second = say(&store, &HERE, Retention::Live, &[2; 1_000]).await.unwrap();
    assert_eq!(second, first.next());
    assert_eq!(told_entry(&mut watch).await.seq, second);
    store.heartbeat();
    store.touch(&HERE).await.unwrap();
    let page = store.read(&HERE, Seq::START, Seq::new(u64::MAX)).await.unwrap();
    // Nothing has expired yet: keys are held for some seconds longer than the room.
    assert_eq!(page.items.iter().map(|item| item.seq).collect::<Vec<_>>(), [first]);
    store.close(&HERE, CloseReason::Owner).await.unwrap();
    assert_eq!(told(&mut watch).await, Watched::Closed(CloseReason::Owner));
}

#[tokio::test]
async fn a_relay_that_did_not_run_does_not_take_another_room_for_its_own() {
    let server = Server::start(&[]);
    let (ours, theirs) = (store(&server).await, store(&server).await);
    create(&ours, &HERE, policy(30 * SECOND)).await;
    let mut watch = ours.watch(&HERE).await.unwrap();
    ours.door(&HERE).await.unwrap();
    ours.heartbeat();
    // Its room is lost without an announcement, and another one is opened at its address.
    for key in server.keys_of_rooms() {
        let () = server.ask(&["UNLINK", &key]);
    }
    create(&theirs, &HERE, policy(30 * SECOND)).await;
    tokio::time::sleep(3 * SECOND).await;
    ours.touch(&HERE).await.unwrap();
    // The watch must end before the relay forgets, after a minute, that it was not running.
    let closed = tokio::time::timeout(20 * SECOND, told(&mut watch)).await.unwrap();
    assert_eq!(closed, Watched::Closed(CloseReason::Gone));
    // A new watch is one of the new room.
    let mut watch = ours.watch(&HERE).await.unwrap();
    let seq = say(&theirs, &HERE, Retention::Live, &[1; 1_000]).await.unwrap();
    assert_eq!(told_entry(&mut watch).await.seq, seq);
}

#[tokio::test]
async fn an_empty_room_lingers_out_whether_the_relay_ran_or_not() {
    let server = Server::start(&[]);
    let store = store(&server).await;
    store.heartbeat();
    create(&store, &HERE, policy(3 * SECOND)).await;
    say(&store, &HERE, kept(20 * SECOND), &[1; 1_000]).await.unwrap();
    tokio::time::sleep(5 * SECOND).await;
    // The room has no watch, so the suspended relay has not prevented any touch.
    assert_eq!(store.door(&HERE).await.unwrap_err(), StoreError::NoSuchRoom);
    tokio::time::sleep(6 * SECOND).await;
    assert_eq!(server.keys_of_rooms(), [""; 0]);
}
