//! A store that blocks in the middle of a step, until a test lets it continue.

use async_trait::async_trait;
use futures_util::StreamExt;
use tokio::sync::watch;

use super::*;
use crate::{
    store::{StoreError, StoredDoor, TakeBack, Watch, Watched},
    wire::{CloseReason, Posture},
};

/// A gate at which a step can be blocked.
#[derive(Default)]
pub(super) struct Gate(watch::Sender<Stand>);

#[derive(Clone, Copy, Default, PartialEq)]
enum Stand {
    #[default]
    Open,
    /// Lets `after` callers pass, and is shut then.
    Shut { after: u32 },
    /// Shut, and a caller waits at it.
    Reached,
}

impl Gate {
    pub(super) fn shut(&self) {
        self.shut_after(0);
    }

    /// Shuts the gate after `after` more callers have passed.
    pub(super) fn shut_after(&self, after: u32) {
        self.0.send_replace(Stand::Shut { after });
    }

    pub(super) fn open(&self) {
        self.0.send_replace(Stand::Open);
    }

    /// Returns when a caller waits at the gate.
    pub(super) async fn reached(&self) {
        self.wait_for(Stand::Reached).await;
    }

    async fn pass(&self) {
        let mut passes = false;
        self.0.send_modify(|stand| match stand {
            Stand::Shut { after: 0 } => *stand = Stand::Reached,
            Stand::Shut { after } => {
                *after -= 1;
                passes = true;
            }
            Stand::Open | Stand::Reached => {}
        });
        if !passes {
            self.wait_for(Stand::Open).await;
        }
    }

    async fn wait_for(&self, stand: Stand) {
        self.0.subscribe().wait_for(|now| *now == stand).await.unwrap();
    }
}

/// A memory store with gates.
pub(super) struct Held {
    inner: Arc<MemoryStore>,
    /// After a door was read, before it is returned.
    pub(super) door: Gate,
    /// Before a room is touched.
    pub(super) touch: Gate,
    /// After a page was read, before it is returned.
    pub(super) read: Gate,
    /// After a room was closed, before the call returns.
    pub(super) closed: Gate,
    /// Before a watch yields an entry.
    pub(super) told: Arc<Gate>,
    /// Before a watch yields the end of its room.
    pub(super) end: Arc<Gate>,
}

impl Held {
    pub(super) fn new(inner: Arc<MemoryStore>) -> Arc<Self> {
        let [door, touch, read, closed] = [(); 4].map(|()| Gate::default());
        let [told, end] = [(); 2].map(|()| Arc::default());
        Arc::new(Self { inner, door, touch, read, closed, told, end })
    }
}

#[async_trait]
impl Store for Held {
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
        let page = self.inner.read(address, after, until).await;
        self.read.pass().await;
        page
    }

    async fn door(&self, address: &RoomAddress) -> Result<StoredDoor, StoreError> {
        let door = self.inner.door(address).await;
        self.door.pass().await;
        door
    }

    async fn watch(&self, address: &RoomAddress) -> Result<Watch, StoreError> {
        let watch = self.inner.watch(address).await?;
        let (told, end) = (Arc::clone(&self.told), Arc::clone(&self.end));
        Ok(Watch::new(watch.then(move |item| {
            let (told, end) = (Arc::clone(&told), Arc::clone(&end));
            async move {
                match item {
                    Watched::Entry(_) => told.pass().await,
                    Watched::Closed(_) => end.pass().await,
                    _ => {}
                }
                item
            }
        })))
    }

    async fn touch(&self, address: &RoomAddress) -> Result<(), StoreError> {
        self.touch.pass().await;
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
        let closed = self.inner.close(address, reason).await;
        self.closed.pass().await;
        closed
    }

    async fn posture(&self) -> Posture {
        self.inner.posture().await
    }
}

/// A relay whose store can be blocked, with Alice and Bob in a room of it.
pub(super) struct Stage {
    pub(super) store: Arc<Held>,
    pub(super) relay: Arc<Relay>,
    pub(super) alice: Guest,
    pub(super) bob: Guest,
}

impl Stage {
    pub(super) async fn new(config: RelayConfig) -> Self {
        let world = World::new();
        let store = Held::new(world.store);
        let relay = Relay::new(store.clone(), world.clock, config).unwrap();
        let mut alice = Guest::of(&relay).await;
        assert_eq!(alice.ask(create(ROOM, policy())).await, Ok(Reply::Done));
        let mut bob = Guest::of(&relay).await;
        assert!(bob.enter(0).await.is_ok());
        Self { store, relay, alice, bob }
    }
}
