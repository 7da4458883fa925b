//! A [`Store`] around another, which refuses rooms after a number of them. All that it sees is
//! sealed.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering::Relaxed},
};

use anocm_core::{
    RoomAddress, Seq,
    store::{Store, StoreError, StoreStatus, StoredDoor, TakeBack, Watch},
    wire::{CloseReason, Entry, Genesis, NextEpoch, Page, Posture},
};
use async_trait::async_trait;

type Stored<T> = Result<T, StoreError>;

pub(crate) struct Quota {
    pub(crate) inner: Arc<dyn Store>,
    pub(crate) rooms_left: AtomicUsize,
}

#[async_trait]
impl Store for Quota {
    async fn create(&self, room: &RoomAddress, genesis: Genesis) -> Stored<()> {
        let left = self.rooms_left.fetch_update(Relaxed, Relaxed, |left| left.checked_sub(1));
        left.map_err(|_| StoreError::Full)?;
        self.inner.create(room, genesis).await.inspect_err(|_| {
            self.rooms_left.fetch_add(1, Relaxed);
        })
    }
    async fn append(
        &self,
        room: &RoomAddress,
        entry: Entry,
        next: Option<NextEpoch>,
    ) -> Stored<Seq> {
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
