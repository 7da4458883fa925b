//! A relay's background task, and the consequences of its end.

use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;

use super::*;
use crate::{
    store::{Health, StoreError, StoreStatus, StoredDoor, TakeBack, Watch},
    time::{Clock, Timestamp},
    wire::{CloseReason, Posture},
};

/// The faults of a store.
#[derive(Clone, Copy, Default)]
struct Faults {
    /// The number of the posture query at which it panics, counted from zero.
    posture_panics_at: Option<u64>,
    /// Whether it stops responding to posture queries after the first greeting.
    posture_hangs: bool,
    /// Whether its watches panic when they yield an entry.
    watch_panics: bool,
    /// It is unreachable between these moments.
    outage: Option<(Timestamp, Timestamp)>,
}

struct Faulty {
    inner: Arc<MemoryStore>,
    clock: Arc<TokioClock>,
    faults: Faults,
    asked: AtomicU64,
}

fn faulty(faults: Faults) -> (Arc<Relay>, Arc<Faulty>) {
    let clock = Arc::new(TokioClock::new());
    let inner = MemoryStore::new(clock.clone(), MemoryLimits::default()).unwrap();
    inner.state_posture(Posture::Kept);
    let store = Arc::new(Faulty { inner, clock: clock.clone(), faults, asked: AtomicU64::new(0) });
    (Relay::new(store.clone(), clock, RelayConfig::default()).unwrap(), store)
}

#[async_trait]
impl Store for Faulty {
    async fn create(&self, address: &RoomAddress, genesis: Genesis) -> Result<(), StoreError> {
        self.inner.create(address, genesis).await
    }

    async fn append(
        &self,
        address: &RoomAddress,
        entry: Entry,
        next: Option<NextEpoch>,
    ) -> Result<Seq, StoreError> {
        self.inner.append(address, entry, next).await
    }

    async fn read(
        &self,
        address: &RoomAddress,
        after: Seq,
        until: Seq,
    ) -> Result<Page, StoreError> {
        self.inner.read(address, after, until).await
    }

    async fn door(&self, address: &RoomAddress) -> Result<StoredDoor, StoreError> {
        self.inner.door(address).await
    }

    async fn watch(&self, address: &RoomAddress) -> Result<Watch, StoreError> {
        use futures_util::StreamExt;
        let watch = self.inner.watch(address).await?;
        let panics = self.faults.watch_panics;
        Ok(Watch::new(watch.inspect(move |_| assert!(!panics, "a fault of the store"))))
    }

    async fn touch(&self, address: &RoomAddress) -> Result<(), StoreError> {
        self.inner.touch(address).await
    }

    async fn void(
        &self,
        address: &RoomAddress,
        seq: Seq,
        restored: NextEpoch,
    ) -> Result<(), StoreError> {
        self.inner.void(address, seq, restored).await
    }

    async fn settle(&self, address: &RoomAddress, began: Seq) -> Result<(), StoreError> {
        self.inner.settle(address, began).await
    }

    async fn take_back(
        &self,
        address: &RoomAddress,
        seq: Seq,
        by: TakeBack,
    ) -> Result<(), StoreError> {
        self.inner.take_back(address, seq, by).await
    }

    async fn close(&self, address: &RoomAddress, reason: CloseReason) -> Result<(), StoreError> {
        self.inner.close(address, reason).await
    }

    async fn posture(&self) -> Posture {
        let asked = self.asked.fetch_add(1, Ordering::Relaxed);
        assert!(self.faults.posture_panics_at != Some(asked), "a fault of the store");
        if self.faults.posture_hangs && asked > 1 {
            std::future::pending::<()>().await;
        }
        self.inner.posture().await
    }

    fn status(&self) -> StoreStatus {
        let now = self.clock.now();
        let mut status = self.inner.status();
        if self.faults.outage.is_some_and(|(from, to)| (from..to).contains(&now)) {
            status.health = Health::Unreachable;
        }
        status
    }

    fn heartbeat(&self) {
        self.inner.heartbeat();
    }
}

#[tokio::test(start_paused = true)]
async fn the_end_of_what_looks_after_the_promise_is_told() {
    let (relay, _) = faulty(Faults { posture_panics_at: Some(2), ..Faults::default() });
    let alice = Guest::of(&relay).await;
    assert!(relay.is_ready());
    tokio::time::timeout(5 * MINUTE, relay.failed()).await.unwrap();
    assert!(!relay.is_ready());
    drop(alice);
}

#[tokio::test(start_paused = true)]
async fn a_relay_that_is_told_to_end_has_not_failed() {
    let (relay, _) = faulty(Faults::default());
    drop(Guest::of(&relay).await);
    relay.shutdown(true).await;
    assert!(tokio::time::timeout(SECOND, relay.failed()).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn a_store_that_does_not_say_what_it_promises_is_not_believed() {
    let (relay, _) = faulty(Faults { posture_hangs: true, ..Faults::default() });
    let mut alice = Guest::of(&relay).await;
    assert_eq!(alice.ask(create(ROOM, policy())).await, Ok(Reply::Done));
    tokio::time::sleep(2 * MINUTE).await;
    assert_eq!(alice.event().await, Event::Posture(Posture::Unknown));
}

#[tokio::test(start_paused = true)]
async fn a_member_whose_feed_ends_is_told_and_can_come_back() {
    let (relay, _) = faulty(Faults { watch_panics: true, ..Faults::default() });
    let mut alice = Guest::of(&relay).await;
    assert_eq!(alice.ask(create(ROOM, policy())).await, Ok(Reply::Done));
    assert_eq!(alice.say(0, kept(MINUTE)).await, Ok(1));
    assert_eq!(alice.event().await, Event::Lapsed { address: ROOM });
    assert_eq!(alice.enter(0).await.unwrap().head, Seq::new(1));
}

#[tokio::test(start_paused = true)]
async fn a_relay_is_not_ready_while_its_store_does_not_answer() {
    let at = Timestamp::from_millis;
    let (relay, _) = faulty(Faults { outage: Some((at(5_000), at(9_000))), ..Faults::default() });
    let alice = Guest::of(&relay).await;
    let mut seen = Vec::new();
    for _ in 0..12 {
        seen.push(relay.is_ready());
        assert_eq!(relay.statistics().store.health == Health::Ready, relay.is_ready());
        tokio::time::sleep(SECOND).await;
    }
    assert_eq!(seen.iter().filter(|ready| !**ready).count(), 4, "{seen:?}");
    drop(alice);
}

/// Lets time pass while the process is suspended.
async fn is_stopped_for(time: Duration) {
    tokio::time::advance(time).await;
}

#[tokio::test(start_paused = true)]
async fn a_relay_that_was_stopped_ends_no_room_when_it_goes_on() {
    let world = World::new();
    let mut alice = world.alice().await;
    let mut bob = world.member().await;
    tokio::time::sleep(10 * SECOND).await;
    drop(bob);
    is_stopped_for(60 * MINUTE).await;
    assert_eq!(alice.say(0, kept(MINUTE)).await, Ok(1));
    // Nor does it end a room without a connection at that moment.
    drop(alice);
    tokio::time::sleep(MINUTE).await;
    is_stopped_for(60 * MINUTE).await;
    bob = world.member().await;
    drop(bob);
    tokio::time::sleep(2 * MINUTE + SECOND).await;
    let mut late = world.guest().await;
    assert_eq!(late.ask(look(DOOR)).await, Err(Refusal::NoSuchRoom));
}
