//! What happens when the room moves on in the middle of a request, and when the store falters.

use std::sync::Mutex;

use async_trait::async_trait;

use super::*;
use crate::{
    store::{StoreError, StoredDoor, Watch},
    wire::{CloseReason, Posture},
};

/// A memory store in which something else happens just before a call.
struct Meddled {
    inner: Arc<MemoryStore>,
    before_watch: Mutex<Option<Meddling>>,
    door_fails: Mutex<u32>,
}

/// Entries that somebody else appends.
type Meddling = Vec<(Entry, Option<NextEpoch>)>;

impl Meddled {
    fn new(inner: Arc<MemoryStore>) -> Arc<Self> {
        Arc::new(Self { inner, before_watch: Mutex::default(), door_fails: Mutex::default() })
    }

    async fn meddle(&self) {
        let meddling = self.before_watch.lock().unwrap().take();
        for (entry, next) in meddling.into_iter().flatten() {
            self.inner.append(&ROOM, entry, next).await.unwrap();
        }
    }
}

#[async_trait]
impl Store for Meddled {
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
        let mut fails = *self.door_fails.lock().unwrap();
        if fails > 0 {
            fails -= 1;
            *self.door_fails.lock().unwrap() = fails;
            if fails == 0 {
                return Err(StoreError::Unavailable);
            }
        }
        self.inner.door(address).await
    }

    async fn watch(&self, address: &RoomAddress) -> Result<Watch, StoreError> {
        self.meddle().await;
        self.inner.watch(address).await
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

    async fn close(&self, address: &RoomAddress, reason: CloseReason) -> Result<(), StoreError> {
        self.inner.close(address, reason).await
    }

    async fn posture(&self) -> Posture {
        self.inner.posture().await
    }
}

/// A world with Alice in the room, and a second relay whose store is meddled with.
async fn worlds() -> (World, Guest, Arc<Meddled>, Arc<Relay>) {
    let world = World::new();
    let alice = world.alice().await;
    let meddled = Meddled::new(world.store.clone());
    let relay = Relay::new(meddled.clone(), world.clock.clone(), RelayConfig::default());
    (world, alice, meddled, relay)
}

fn commit(epoch: u8) -> (Entry, Option<NextEpoch>) {
    let commit = entry(EntryKind::Commit, epoch, policy().handshakes);
    (commit, Some(next(epoch + 1)))
}

fn message(epoch: u8) -> (Entry, Option<NextEpoch>) {
    (entry(EntryKind::Message, epoch, Retention::Live), None)
}

#[tokio::test(start_paused = true)]
async fn a_commit_that_the_hub_could_not_see_lapses_too() {
    let (_world, mut alice, meddled, relay) = worlds().await;
    let mut bob = Guest::of(&relay).await;
    *meddled.before_watch.lock().unwrap() = Some(vec![commit(0)]);
    let entered = bob.enter(0).await.unwrap();
    assert_eq!((entered.current, entered.head), (Epoch::new(1), Seq::new(1)));
    tokio::time::sleep(10 * SECOND).await;
    assert_eq!(bob.event().await, Event::Lapsed { address: ROOM });
    alice.enter(1).await.unwrap();
    alice.say(1, kept(MINUTE)).await.unwrap();
    bob.hears_nothing().await;
}

#[tokio::test(start_paused = true)]
async fn what_came_before_the_watch_is_in_the_head_that_is_named() {
    let (world, _alice, meddled, relay) = worlds().await;
    let mut bob = Guest::of(&relay).await;
    *meddled.before_watch.lock().unwrap() = Some(vec![message(0)]);
    world.store.append(&ROOM, message(0).0, None).await.unwrap();
    let entered = bob.enter(0).await.unwrap();
    assert_eq!(entered.head, Seq::new(2));
    assert!(bob.events.is_empty());
    world.store.append(&ROOM, message(0).0, None).await.unwrap();
    assert_eq!(bob.entry().await.seq, Seq::new(3));
    bob.hears_nothing().await;
}

#[tokio::test(start_paused = true)]
async fn an_admission_that_the_store_could_not_decide_can_be_asked_for_again() {
    let (world, _alice, meddled, relay) = worlds().await;
    let mut bob = Guest::of(&relay).await;
    // The second look at the door fails.
    *meddled.door_fails.lock().unwrap() = 2;
    assert_eq!(bob.enter(0).await, Err(Refusal::Unavailable));
    world.store.append(&ROOM, message(0).0, None).await.unwrap();
    bob.hears_nothing().await;
    assert_eq!(bob.enter(0).await.unwrap().head, Seq::new(1));
    world.store.append(&ROOM, message(0).0, None).await.unwrap();
    assert_eq!(bob.entry().await.seq, Seq::new(2));
}

#[tokio::test(start_paused = true)]
async fn a_hub_that_fell_behind_says_so_and_looks_at_the_door() {
    let world = World::new();
    let mut alice = world.alice().await;
    let mut bob = world.member().await;
    bob.hears_nothing().await;
    // More at one go than a watch holds back, with a commit among it.
    for _ in 0..300 {
        world.store.append(&ROOM, message(0).0, None).await.unwrap();
    }
    let (entry, next) = commit(0);
    world.store.append(&ROOM, entry, next).await.unwrap();
    let mut seen = 0;
    let lagging = loop {
        match bob.event().await {
            Event::Entry { item, .. } => {
                seen += 1;
                assert_eq!(item.seq.value(), seen);
            }
            other => break other,
        }
    };
    let address = ROOM;
    let after = Seq::new(seen);
    assert_eq!(lagging, Event::Lagging { address, after });
    assert_eq!(bob.say(0, kept(MINUTE)).await, stale(1));
    assert_eq!(bob.enter(1).await.unwrap().head, Seq::new(301));
    tokio::time::sleep(11 * SECOND).await;
    assert_eq!(bob.say(1, kept(MINUTE)).await, Ok(302));
    assert_eq!(bob.entry().await.seq, Seq::new(302));
    // Alice never proved what she could not see.
    assert_eq!(alice.last_event().await, Event::Lapsed { address });
}
