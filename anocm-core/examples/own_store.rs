//! A store of one's own around another: it counts the sealed bytes that a relay is given to keep,
//! and refuses rooms after a number of them. All that it sees is sealed.
//!
//! `cargo run -p anocm-core --example own_store`

use std::{
    error::Error,
    io::{self, Write},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
};

use anocm_core::{
    NewRoom, RoomAddress, Seq, TokioClock,
    client::Client,
    relay::{Relay, RelayConfig},
    store::{
        MemoryLimits, MemoryStore, Store, StoreError, StoreStatus, StoredDoor, TakeBack, Watch,
    },
    wire::{CloseReason, Entry, Genesis, NextEpoch, Page, Posture},
};
use async_trait::async_trait;

struct Quota {
    inner: Arc<dyn Store>,
    rooms_left: AtomicUsize,
    bytes: AtomicUsize,
}

type Stored<T> = Result<T, StoreError>;

#[async_trait]
impl Store for Quota {
    async fn create(&self, room: &RoomAddress, genesis: Genesis) -> Stored<()> {
        let left = self.rooms_left.fetch_update(Relaxed, Relaxed, |left| left.checked_sub(1));
        left.map_err(|_| StoreError::Full)?;
        let created = self.inner.create(room, genesis).await;
        if created.is_err() {
            self.rooms_left.fetch_add(1, Relaxed);
        }
        created
    }
    async fn append(
        &self,
        room: &RoomAddress,
        entry: Entry,
        next: Option<NextEpoch>,
    ) -> Stored<Seq> {
        self.bytes.fetch_add(entry.sealed.len(), Relaxed);
        self.inner.append(room, entry, next).await
    }
    async fn read(&self, room: &RoomAddress, after: Seq, until: Seq) -> Stored<Page> {
        self.inner.read(room, after, until).await
    }
    async fn door(&self, room: &RoomAddress) -> Stored<StoredDoor> {
        self.inner.door(room).await
    }
    async fn watch(&self, room: &RoomAddress) -> Stored<Watch> {
        self.inner.watch(room).await
    }
    async fn touch(&self, room: &RoomAddress) -> Stored<()> {
        self.inner.touch(room).await
    }
    async fn void(&self, room: &RoomAddress, seq: Seq, restored: NextEpoch) -> Stored<()> {
        self.inner.void(room, seq, restored).await
    }
    async fn settle(&self, room: &RoomAddress, began: Seq) -> Stored<()> {
        self.inner.settle(room, began).await
    }
    async fn take_back(&self, room: &RoomAddress, seq: Seq, by: TakeBack) -> Stored<()> {
        self.inner.take_back(room, seq, by).await
    }
    async fn close(&self, room: &RoomAddress, reason: CloseReason) -> Stored<()> {
        self.inner.close(room, reason).await
    }
    async fn posture(&self) -> Posture {
        self.inner.posture().await
    }
    fn status(&self) -> StoreStatus {
        self.inner.status()
    }
    fn heartbeat(&self) {
        self.inner.heartbeat();
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    run(io::stdout()).await
}

/// Opens rooms until the store refuses one.
pub(crate) async fn run(mut output: impl Write) -> Result<(), Box<dyn Error>> {
    let clock = Arc::new(TokioClock::new());
    let inner = MemoryStore::new(clock.clone(), MemoryLimits::default())?;
    let store = Arc::new(Quota { inner, rooms_left: 2.into(), bytes: 0.into() });
    let relay = Relay::new(store.clone(), clock, RelayConfig::default())?;
    let (client, driver) = Client::new(relay.transport());
    tokio::spawn(driver);
    loop {
        let mut room = client.create(&NewRoom::default())?;
        if let Err(why) = room.entered().await {
            writeln!(output, "no more rooms: {why}")?;
            return Ok(());
        }
        let said = room.send("Hello, empty room.")?;
        while !room.history().iter().any(|message| message.id == said) {
            room.next_event().await;
        }
        writeln!(output, "a room; {} sealed bytes so far", store.bytes.load(Relaxed))?;
    }
}
