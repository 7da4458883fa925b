//! Contract 16 and 19: every call is atomic, also across threads and when it is cancelled.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use super::{
    StoreFactory,
    kit::{Case, History, SECOND, assert_ended, commit, hash, kept, message, next, policy, told},
};
use crate::{
    id::Seq,
    retention::Retention,
    store::{MIN_WATCH_ITEMS, StoreError, StoredDoor, Watched},
    testing::parallel::{on_threads, poll_and_drop},
    wire::CloseReason,
};

const THREADS: u64 = 4;
/// Entries per thread: all of them together fit into the buffer of a watch that is not read
/// meanwhile.
const EACH: u64 = MIN_WATCH_ITEMS as u64 / THREADS - 2;
const ALL: u64 = THREADS * EACH;
/// How often a race is run.
const ROUNDS: usize = 5;
/// How often a thread polls for the effect of another thread.
const TRIES: usize = 10_000;
/// The numbers of polls after which futures are dropped, one after the other.
const POLLS: std::ops::Range<usize> = 0..12;

/// Tells reading threads whether the writing threads are still running.
#[derive(Clone)]
struct AtWork(Arc<AtomicUsize>, usize);

impl AtWork {
    fn new(threads: usize) -> Self {
        Self(Arc::new(AtomicUsize::new(threads)), TRIES)
    }

    fn ends(&self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }

    /// Whether to poll once more. The number of polls is bounded, in case a thread has failed.
    fn goes_on(&mut self) -> bool {
        self.1 = self.1.saturating_sub(1);
        self.1 > 0 && self.0.load(Ordering::Relaxed) > 0
    }
}

fn long() -> Retention {
    kept(60 * SECOND)
}

/// Contract 16: each sequence number is assigned once, and entries are delivered in their order.
pub async fn contract_16_threads_append_to_one_log(factory: &dyn StoreFactory) {
    let store = factory.store().await;
    for _ in 0..ROUNDS {
        let case = Case::on(Arc::clone(&store), policy()).await;
        let mut watch = case.watch().await;
        let threads = (0..THREADS).map(|_| {
            let case = case.clone();
            async move {
                let mut places = Vec::new();
                for _ in 0..EACH {
                    places.push(case.say(0, long(), 1).await.value());
                }
                assert!(places.is_sorted());
                places
            }
        });
        let mut places = on_threads(threads).await.concat();
        places.sort_unstable();
        assert_eq!(places, (1..=ALL).collect::<Vec<_>>());
        History::default().follow_to(&mut watch, Seq::new(ALL)).await;
        assert_eq!(case.places().await, places);
    }
}

/// Contract 16: epoch, hashes and group information belong to the same moment, in the door as well.
pub async fn contract_16_threads_see_a_whole_door(factory: &dyn StoreFactory) {
    let case = Case::new(factory).await;
    let mut watch = case.watch().await;
    let at_work = AtWork::new(2);
    let threads = (0_u8..4).map(|thread| {
        let (case, mut at_work) = (case.clone(), at_work.clone());
        async move {
            if thread >= 2 {
                while at_work.goes_on() {
                    assert_whole(&case.door().await);
                }
                return;
            }
            for n in 0_u8..30 {
                let epoch = case.door().await.epoch().value();
                let begun = case.append(commit(epoch, long()), Some(next(1 + n * 2 + thread)));
                assert!(matches!(begun.await, Ok(_) | Err(StoreError::StaleEpoch { .. })));
            }
            at_work.ends();
        }
    });
    on_threads(threads).await;
    let door = case.door().await;
    assert_whole(&door);
    let mut history = History::default();
    history.follow_to(&mut watch, door.head).await;
    assert_eq!(history.epoch, door.epoch());
}

fn assert_whole(door: &StoredDoor) {
    let mark = door.group_info.first().copied().unwrap_or_default();
    let member = door.epochs.last().map(|record| record.member);
    let whole = (Some(hash(mark)), next(mark).door, next(mark).group_info);
    assert!((member, door.door, door.group_info.clone()) == whole, "parts of two epochs");
    assert!(door.epochs.last().is_some_and(|record| record.began == door.head));
}

/// Contract 16: voids and entries are delivered as one history.
pub async fn contract_16_threads_tell_voids_in_order(factory: &dyn StoreFactory) {
    let store = factory.store().await;
    for _ in 0..ROUNDS {
        let case = Case::on(Arc::clone(&store), policy()).await;
        let mut watch = case.watch().await;
        let threads = (0..THREADS).map(|thread| {
            let case = case.clone();
            async move {
                if thread > 0 {
                    // Each is accepted as soon as the epoch has begun, or is restored.
                    say_at_once(&case, 1).await;
                    return say_at_once(&case, 0).await;
                }
                let seq = case.commit(0, long()).await;
                for _ in 0..TRIES {
                    if case.door().await.head > seq {
                        break;
                    }
                }
                assert_eq!(case.void(seq, next(0)).await, Ok(()));
            }
        });
        on_threads(threads).await;
        let last = case.say(0, long(), 2).await;
        History::default().follow_to(&mut watch, last).await;
    }
}

/// Appends a message in an epoch as soon as it is the current one.
async fn say_at_once(case: &Case, epoch: u64) {
    for _ in 0..TRIES {
        match case.append(message(epoch, long(), 1), None).await {
            Ok(_) => return,
            Err(error) => assert!(matches!(error, StoreError::StaleEpoch { .. })),
        }
    }
}

/// Contract 16: every entry up to a page's reach and the door's head is there.
pub async fn contract_16_threads_read_no_gap(factory: &dyn StoreFactory) {
    let case = Case::new(factory).await;
    let at_work = AtWork::new(2);
    let threads = (0..THREADS).map(|thread| {
        let (case, mut at_work) = (case.clone(), at_work.clone());
        async move {
            if thread < 2 {
                for _ in 0..ALL / 2 {
                    case.say(0, long(), 1).await;
                }
                return at_work.ends();
            }
            while at_work.goes_on() {
                let head = case.door().await.head.value();
                for until in [head, u64::MAX] {
                    let page = case.read(0, until).await;
                    let read = page.items.iter().map(|item| item.seq.value());
                    assert!(read.eq(1..=page.reaches.value()), "a gap");
                    assert!(page.reaches.value() >= head);
                }
            }
        }
    });
    on_threads(threads).await;
}

/// Contract 16: everything that was accepted is delivered before the end, and nothing after it.
pub async fn contract_16_threads_close_after_what_was_accepted(factory: &dyn StoreFactory) {
    let store = factory.store().await;
    for _ in 0..ROUNDS {
        let case = Case::on(Arc::clone(&store), policy()).await;
        let mut watch = case.watch().await;
        let threads = (0..THREADS).map(|thread| {
            let case = case.clone();
            async move {
                if thread == 0 {
                    // About in the middle of the other threads' appends.
                    for _ in 0..TRIES {
                        if case.door().await.head.value() >= EACH / 2 {
                            break;
                        }
                    }
                    let closed = case.store.close(&case.address, CloseReason::Owner).await;
                    assert_eq!(closed, Ok(()));
                    return 0;
                }
                for accepted in 0..EACH {
                    match case.append(message(0, long(), 1), None).await {
                        Ok(_) => {}
                        Err(StoreError::NoSuchRoom) => return accepted,
                        Err(error) => panic!("a message was refused: {error}"),
                    }
                }
                EACH
            }
        });
        let accepted: u64 = on_threads(threads).await.into_iter().sum();
        let mut history = History::default();
        loop {
            match told(&mut watch).await {
                Watched::Closed(CloseReason::Owner) => break,
                item => history.follow(&item),
            }
        }
        assert_eq!(history.head.value(), accepted, "accepted and not told");
        assert_ended(&mut watch).await;
    }
}

/// Contract 19: an entry is delivered exactly when it is in the log.
pub async fn contract_19_a_cancelled_append_is_told_or_never_was(factory: &dyn StoreFactory) {
    let case = Case::new(factory).await;
    let mut watch = case.watch().await;
    for polls in POLLS {
        poll_and_drop(case.append(message(0, long(), 1), None), polls).await;
        poll_and_drop(case.append(message(0, Retention::Live, 2), None), polls).await;
    }
    let last = case.say(0, long(), 3).await;
    History::default().follow_to(&mut watch, last).await;
}

/// Contract 19: a commit or void takes effect and is delivered to the watches, or neither.
pub async fn contract_19_a_cancelled_commit_or_void_is_told_or_never_was(
    factory: &dyn StoreFactory,
) {
    let case = Case::new(factory).await;
    let mut watch = case.watch().await;
    for polls in POLLS {
        let epoch = case.door().await.epoch().value();
        poll_and_drop(case.append(commit(epoch, long()), Some(next(1))), polls).await;
        let began = case.door().await.epochs.last().map_or(Seq::START, |record| record.began);
        poll_and_drop(case.void(began, next(2)), polls).await;
    }
    let last = loop {
        // A cancelled call may still be in progress.
        let epoch = case.door().await.epoch().value();
        match case.append(message(epoch, long(), 3), None).await {
            Ok(last) => break last,
            Err(error) => assert!(matches!(error, StoreError::StaleEpoch { .. })),
        }
    };
    History::default().follow_to(&mut watch, last).await;
}

/// Contract 19: a room is closed and its watches receive the close, or neither.
pub async fn contract_19_a_cancelled_close_is_told_or_never_was(factory: &dyn StoreFactory) {
    let store = factory.store().await;
    for polls in POLLS {
        let case = Case::on(Arc::clone(&store), policy()).await;
        let mut watch = case.watch().await;
        poll_and_drop(case.store.close(&case.address, CloseReason::Owner), polls).await;
        match case.append(message(0, long(), 1), None).await {
            Ok(seq) => History::default().follow_to(&mut watch, seq).await,
            Err(error) => {
                assert_eq!(error, StoreError::NoSuchRoom);
                assert_eq!(told(&mut watch).await, Watched::Closed(CloseReason::Owner));
                assert_ended(&mut watch).await;
            }
        }
    }
}
