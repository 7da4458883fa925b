//! Contract 21: a door that is shut to joins.

use std::time::Duration;

use tokio::time::Instant;

use super::{
    StoreFactory,
    kit::{Case, INSTANT, SECOND, entry, kept, next},
};
use crate::{
    id::Seq,
    retention::Retention,
    store::{SETTLES, SHUT_FIRST},
    wire::{EntryKind, NextEpoch},
};

fn long() -> Retention {
    kept(60 * SECOND)
}

/// An epoch that can be told from others, with the door of the first.
fn same_door(mark: u8) -> NextEpoch {
    NextEpoch { door: next(0).door, ..next(mark) }
}

/// A room whose epochs have one door, until told otherwise.
struct Doors<'a> {
    case: Case,
    is_exact: bool,
    factory: &'a dyn StoreFactory,
}

impl<'a> Doors<'a> {
    async fn new(factory: &'a dyn StoreFactory) -> Self {
        Self { case: Case::new(factory).await, is_exact: factory.is_exact(), factory }
    }

    /// Appends a join or a commit that must be accepted.
    async fn begin(&self, kind: EntryKind, next: NextEpoch) -> Seq {
        let epoch = self.case.door().await.epoch();
        match self.case.append(entry(kind, epoch.value(), long(), 1), Some(next)).await {
            Ok(seq) => seq,
            Err(error) => panic!("refused: {error}"),
        }
    }

    async fn join(&self) -> Seq {
        self.begin(EntryKind::Join, same_door(1)).await
    }

    async fn void(&self, seq: Seq, restored: NextEpoch) {
        assert_eq!(self.case.void(seq, restored).await, Ok(()));
    }

    /// Asserts that the door was shut for so long after `since`.
    async fn assert_shut(&self, time: Duration, since: Instant) {
        let left = self.case.door().await.shut;
        // The clock of a store that is not exact has gone on, and need not be the one of this test.
        let slack = if self.is_exact { Duration::ZERO } else { since.elapsed() + SECOND };
        assert!(left <= time && left + slack >= time, "shut for {left:?} and not for {time:?}");
    }

    async fn assert_open(&self) {
        assert_eq!(self.case.door().await.shut, Duration::ZERO);
    }
}

/// Contract 21: however they were voided.
pub async fn contract_21_the_door_is_shut_for_longer_each_time(factory: &dyn StoreFactory) {
    let doors = Doors::new(factory).await;
    doors.assert_open().await;
    for (n, seconds) in [10, 20, 40, 80, 120, 120].into_iter().enumerate() {
        let seq = doors.join().await;
        let since;
        if n == 1 {
            doors.factory.pass(SETTLES).await;
            since = Instant::now();
            assert_eq!(doors.case.take_back(seq, 0, 0).await, Ok(()));
        } else {
            since = Instant::now();
            doors.void(seq, same_door(0)).await;
        }
        doors.assert_shut(Duration::from_secs(seconds), since).await;
    }
    if doors.is_exact {
        factory.pass(SECOND).await;
        assert_eq!(doors.case.door().await.shut, Duration::from_secs(119));
    }
}

/// Contract 21: by itself, and the next time counts as the next one.
pub async fn contract_21_a_shut_door_opens_in_time(factory: &dyn StoreFactory) {
    let doors = Doors::new(factory).await;
    let seq = doors.join().await;
    doors.void(seq, same_door(0)).await;
    if doors.is_exact {
        factory.pass(SHUT_FIRST - INSTANT).await;
        assert_eq!(doors.case.door().await.shut, INSTANT);
        factory.pass(INSTANT).await;
    } else {
        factory.pass(SHUT_FIRST).await;
    }
    doors.assert_open().await;
    let (seq, since) = (doors.join().await, Instant::now());
    doors.void(seq, same_door(0)).await;
    doors.assert_shut(2 * SHUT_FIRST, since).await;
}

/// Contract 21.
pub async fn contract_21_commits_that_are_voided_shut_nothing(factory: &dyn StoreFactory) {
    let doors = Doors::new(factory).await;
    let seq = doors.begin(EntryKind::Commit, same_door(1)).await;
    doors.void(seq, same_door(0)).await;
    doors.assert_open().await;
    // A join that goes with a commit was not voided for its own sake.
    let seq = doors.begin(EntryKind::Commit, same_door(1)).await;
    doors.join().await;
    doors.void(seq, same_door(0)).await;
    doors.assert_open().await;
    // Nor do they shut it for longer, nor open it.
    let (seq, since) = (doors.join().await, Instant::now());
    doors.void(seq, same_door(0)).await;
    let seq = doors.begin(EntryKind::Commit, same_door(1)).await;
    doors.assert_shut(SHUT_FIRST, since).await;
    doors.void(seq, same_door(0)).await;
    doors.assert_shut(SHUT_FIRST, since).await;
    // What is refused does nothing.
    assert!(doors.case.void(seq, same_door(0)).await.is_err());
    assert!(doors.case.take_back(seq, 0, 0).await.is_err());
    doors.assert_shut(SHUT_FIRST, since).await;
}

/// Contract 21: a commit after the join has another door hash, and goes with it.
pub async fn contract_21_a_door_that_is_voided_opens_nothing(factory: &dyn StoreFactory) {
    let doors = Doors::new(factory).await;
    for time in [SHUT_FIRST, 2 * SHUT_FIRST] {
        let seq = doors.join().await;
        doors.begin(EntryKind::Commit, next(9)).await;
        doors.assert_open().await;
        factory.pass(SETTLES).await;
        let since = Instant::now();
        assert_eq!(doors.case.take_back(seq, 0, 0).await, Ok(()));
        doors.assert_shut(time, since).await;
    }
}

/// Contract 21: while it is in force.
pub async fn contract_21_another_door_begins_anew(factory: &dyn StoreFactory) {
    let doors = Doors::new(factory).await;
    for _ in 0..2 {
        let seq = doors.join().await;
        doors.void(seq, same_door(0)).await;
    }
    doors.begin(EntryKind::Commit, next(9)).await;
    doors.assert_open().await;
    let join = NextEpoch { door: next(9).door, ..next(10) };
    let (seq, since) = (doors.begin(EntryKind::Join, join).await, Instant::now());
    doors.void(seq, next(9)).await;
    doors.assert_shut(SHUT_FIRST, since).await;
    // And the owner's void may itself bring another.
    let join = NextEpoch { door: next(9).door, ..next(10) };
    let (seq, since) = (doors.begin(EntryKind::Join, join).await, Instant::now());
    doors.void(seq, next(11)).await;
    doors.assert_shut(SHUT_FIRST, since).await;
    assert_eq!(doors.case.door().await.door, next(11).door);
}
