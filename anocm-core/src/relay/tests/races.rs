//! Races: the room changes in the middle of a request, or the store fails.

use std::sync::Mutex;

use async_trait::async_trait;

use super::*;
use crate::{
    store::{StoreError, StoredDoor, TakeBack, Watch},
    transport::{Closing, TransportError, TrySend},
    wire::{CloseReason, Posture},
};

/// A memory store that runs something else just before a call.
struct Meddled {
    inner: Arc<MemoryStore>,
    before_watch: Mutex<Option<Meddling>>,
    door_fails: Mutex<u32>,
}

/// Entries that another client appends.
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
        self.inner.posture().await
    }
}

/// A world with Alice in the room, and a second relay whose store is meddled with.
async fn worlds() -> (World, Guest, Arc<Meddled>, Arc<Relay>) {
    let world = World::new();
    let alice = world.alice().await;
    let meddled = Meddled::new(world.store.clone());
    let relay = Relay::new(meddled.clone(), world.clock.clone(), RelayConfig::default()).unwrap();
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
    // The second read of the door fails.
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
    // More entries at once than a watch buffers, with a commit among them.
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
    // Alice never proved the epoch whose commit she did not receive.
    assert_eq!(alice.last_event().await, Event::Lapsed { address });
}

/// A shard's task is split in two here, where another thread may run in between: it has copied the
/// outboxes, and then sends to them.
#[tokio::test(start_paused = true)]
async fn nothing_of_a_room_that_ended_is_told_in_a_new_one_at_its_address() {
    use crate::{
        relay::delivery::broadcast::{Broadcast, EncodedEntry},
        time::Clock,
    };

    let world = World::new();
    let mut alice = world.alice().await;
    let mut bob = world.member().await;
    let shard = world.relay.shards.of_room(&ROOM).pop().unwrap();
    let outboxes = shard.outboxes(None, world.clock.now());
    let item =
        LogItem { seq: Seq::new(5), age: 0, entry: entry(EntryKind::Message, 0, Retention::Live) };
    let frame = encode(&RelayFrame::Event(Event::Entry { address: ROOM, item }));
    let told = world.clock.now();
    let told = Broadcast::new(
        shard.id,
        ROOM,
        told,
        vec![EncodedEntry { seq: Seq::new(5), frame, encoded_at: told, expires: None }],
    );

    assert_eq!(alice.ask(close(OWNER)).await, Ok(Reply::Done));
    assert!(matches!(bob.event().await, Event::Closed { .. }));
    assert_eq!(alice.ask(create(ROOM, policy())).await, Ok(Reply::Done));
    assert!(bob.enter(0).await.is_ok());
    for outbox in &*outboxes {
        outbox.push_entries(&told, world.clock.now());
    }
    alice.events.clear();
    for place in 1..=6 {
        assert_eq!(alice.say(0, kept(MINUTE)).await, Ok(place));
    }
    let mut heard = Vec::new();
    while let Ok(Some(RelayFrame::Event(Event::Entry { item, .. }))) =
        tokio::time::timeout(MOMENT, bob.frame()).await
    {
        heard.push(item.seq.value());
    }
    assert_eq!(heard, [1, 2, 3, 4, 5, 6]);
}

/// A link like a socket: it takes frames at once, but cannot write any of them yet.
struct Lazy {
    inner: Box<dyn Link>,
    left: Mutex<Vec<Payload>>,
}

#[async_trait]
impl Link for Lazy {
    async fn send(&self, frames: &[Payload]) -> Result<(), TransportError> {
        let left = std::mem::take(&mut *self.left.lock().unwrap());
        self.inner.send(&left).await?;
        self.inner.send(frames).await
    }

    fn try_send(&self, frames: &[Payload]) -> TrySend {
        let mut left = self.left.lock().unwrap();
        let taken = if left.is_empty() { frames } else { &[] };
        left.extend_from_slice(taken);
        TrySend { accepted: taken.len(), pending: true }
    }

    async fn recv(&self) -> Result<Option<Payload>, TransportError> {
        self.inner.recv().await
    }

    async fn close(&self, why: Closing) {
        self.inner.close(why).await;
    }
}

/// A read of the store takes ten seconds.
#[tokio::test(start_paused = true)]
async fn what_went_at_once_does_not_wait_for_an_answer_of_the_store() {
    struct Slow(Arc<MemoryStore>);

    #[async_trait]
    impl Store for Slow {
        async fn create(&self, a: &RoomAddress, genesis: Genesis) -> Result<(), StoreError> {
            self.0.create(a, genesis).await
        }
        async fn append(
            &self,
            a: &RoomAddress,
            entry: Entry,
            next: Option<NextEpoch>,
        ) -> Result<Seq, StoreError> {
            self.0.append(a, entry, next).await
        }
        async fn read(&self, a: &RoomAddress, after: Seq, until: Seq) -> Result<Page, StoreError> {
            tokio::time::sleep(10 * SECOND).await;
            self.0.read(a, after, until).await
        }
        async fn door(&self, a: &RoomAddress) -> Result<StoredDoor, StoreError> {
            self.0.door(a).await
        }
        async fn watch(&self, a: &RoomAddress) -> Result<Watch, StoreError> {
            self.0.watch(a).await
        }
        async fn touch(&self, a: &RoomAddress) -> Result<(), StoreError> {
            self.0.touch(a).await
        }
        async fn void(&self, a: &RoomAddress, s: Seq, r: NextEpoch) -> Result<(), StoreError> {
            self.0.void(a, s, r).await
        }
        async fn settle(&self, a: &RoomAddress, s: Seq) -> Result<(), StoreError> {
            self.0.settle(a, s).await
        }
        async fn take_back(&self, a: &RoomAddress, s: Seq, by: TakeBack) -> Result<(), StoreError> {
            self.0.take_back(a, s, by).await
        }
        async fn close(&self, a: &RoomAddress, reason: CloseReason) -> Result<(), StoreError> {
            self.0.close(a, reason).await
        }
        async fn posture(&self) -> Posture {
            self.0.posture().await
        }
    }

    let world = World::new();
    let mut alice = world.alice().await;
    let slow = Arc::new(Slow(world.store.clone()));
    let relay = Relay::new(slow, world.clock.clone(), RelayConfig::default()).unwrap();
    let (near, far) = crate::transport::pair();
    let far = Lazy { inner: Box::new(far), left: Mutex::default() };
    tokio::spawn(async move { relay.serve(Box::new(far)).await });
    near.send(&[ClientHello::default().to_frame()]).await.unwrap();
    near.recv().await.unwrap().unwrap();
    let mut bob = Guest { link: Box::new(near), last_id: 0, events: VecDeque::new() };
    bob.enter(0).await.unwrap();
    assert_eq!(alice.say(0, kept(MINUTE)).await, Ok(1));
    assert_eq!(bob.entry().await.seq.value(), 1);
    bob.send(read(0)).await;
    tokio::time::sleep(MOMENT).await;
    assert_eq!(alice.say(0, kept(MINUTE)).await, Ok(2));
    assert_eq!(bob.entry().await.seq.value(), 2);
}

/// The grace is over and an entry is published before the shard's task has run.
#[tokio::test]
async fn an_expired_connection_gets_no_later_entry() {
    use crate::testing::ManualClock;

    let clock = Arc::new(ManualClock::new());
    let store = MemoryStore::new(clock.clone(), MemoryLimits::default()).unwrap();
    let relay = Relay::new(store.clone(), clock.clone(), RelayConfig::default()).unwrap();
    let mut alice = Guest::of(&relay).await;
    assert_eq!(alice.ask(create(ROOM, policy())).await, Ok(Reply::Done));
    let mut bob = Guest::of(&relay).await;
    bob.enter(0).await.unwrap();
    assert_eq!(alice.commit(0).await, Ok(1));
    alice.enter(1).await.unwrap();
    assert!(matches!(bob.frame().await, Some(RelayFrame::Event(Event::Entry { .. }))));
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    clock.advance(10 * SECOND + Duration::from_millis(5));
    let (said, next) = message(1);
    assert_eq!(store.append(&ROOM, said, next).await, Ok(Seq::new(2)));
    let heard = bob.frame().await;
    assert_eq!(heard, Some(RelayFrame::Event(Event::Lapsed { address: ROOM })));
}
