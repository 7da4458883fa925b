//! The store in the memory of this process.

mod ledger;
mod replaced;
mod room;
mod rooms;
mod shut;
#[cfg(test)]
mod tests;

use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    time::Duration,
};

use async_trait::async_trait;
use tokio::{runtime::Handle, sync::Notify, task::JoinHandle};

use self::{
    room::{Room, Spare},
    rooms::Rooms,
};
use super::{Feeds, Store, StoreError, StoreStatus, StoredDoor, TakeBack, Watch};
use crate::{
    SettingError,
    id::{RoomAddress, Seq},
    time::{Clock, Timestamp},
    wire::{CloseReason, Entry, Genesis, NextEpoch, Page, Posture},
};

/// How long the janitor sleeps when nothing is due; the store wakes it earlier when needed.
const NOTHING_DUE: Duration = Duration::from_secs(24 * 3_600);

/// The store in the memory of this process.
///
/// Expired data is erased by the next call of any kind, and in an idle store by a task that sleeps
/// until the next deadline. The task starts with the first room, on the runtime that `create` is
/// polled on, and ends when the store is dropped.
///
/// # Examples
/// ```
/// use std::sync::Arc;
/// use anocm_core::{TokioClock, store::{MemoryLimits, MemoryStore}};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), anocm_core::SettingError> {
/// let store = MemoryStore::new(Arc::new(TokioClock::new()), MemoryLimits::default())?;
/// # drop(store);
/// # Ok(())
/// # }
/// ```
pub struct MemoryStore {
    clock: Arc<dyn Clock>,
    state: Mutex<State>,
    /// Wakes the janitor when a deadline is earlier than its planned wake-up.
    earlier: Arc<Notify>,
    this: Weak<Self>,
}

struct State {
    rooms: Rooms,
    posture: Posture,
    janitor: Option<JoinHandle<()>>,
    /// The planned wake-up of the janitor.
    wakes: Timestamp,
}

/// The capacity of a [`MemoryStore`].
#[derive(Clone, Copy, Debug)]
pub struct MemoryLimits {
    /// Maximum number of rooms. 100,000 by default.
    pub max_rooms: usize,
    /// Maximum number of bytes in all rooms together: entries, doors, and bookkeeping. 1 GiB by
    /// default. New rooms and messages are refused when only a [reserve](Self::reserve) is left.
    /// When more than half of the rest is used, messages to a room are refused if the room would
    /// use more than a 64th of what is left.
    pub max_bytes: usize,
}

impl MemoryLimits {
    /// What a kept entry counts for besides its sealed bytes: its places in the log and the expiry
    /// index, the header of the shared buffer, the record of the epoch that it ends. 256 bytes.
    pub const PER_ENTRY: usize = 256;
    /// What a room counts for besides its entries and door. 1 KiB.
    pub const PER_ROOM: usize = 1_024;

    /// Checks that a store can work with these limits.
    ///
    /// # Errors
    /// [`SettingError`] names the first field that is out of its range.
    pub fn check(&self) -> Result<(), SettingError> {
        SettingError::unless_in(&(1..=usize::MAX), &self.max_rooms, "max_rooms", "at least 1")?;
        let bytes = Self::LEAST..=usize::MAX;
        SettingError::unless_in(&bytes, &self.max_bytes, "max_bytes", "at least 4096")
    }

    /// Space for one small room.
    const LEAST: usize = 4 * Self::PER_ROOM;

    /// Returns the part of [`max_bytes`](Self::max_bytes) in bytes that is reserved for commits,
    /// joins and voids in existing rooms: a tenth. Each room may use the same share of it.
    #[must_use]
    pub const fn reserve(&self) -> usize {
        self.max_bytes / 10
    }
}

impl Default for MemoryLimits {
    fn default() -> Self {
        Self { max_rooms: 100_000, max_bytes: 1 << 30 }
    }
}

impl MemoryStore {
    /// Creates an empty store that uses `clock`. Its [`posture`](Store::posture) is unknown until
    /// [`state_posture`](Self::state_posture) is called.
    ///
    /// # Errors
    /// [`SettingError`] when `limits` are too small for any room.
    pub fn new(clock: Arc<dyn Clock>, limits: MemoryLimits) -> Result<Arc<Self>, SettingError> {
        limits.check()?;
        Ok(Arc::new_cyclic(|this| Self {
            clock,
            state: Mutex::new(State {
                rooms: Rooms::new(limits),
                posture: Posture::Unknown,
                janitor: None,
                wakes: Timestamp::ZERO,
            }),
            earlier: Arc::new(Notify::new()),
            this: this.clone(),
        }))
    }

    /// Sets what the program has determined about its own memory: swap, core dumps, wiping. The
    /// store itself cannot determine it.
    pub fn state_posture(&self, posture: Posture) {
        self.lock().posture = posture;
    }

    // Critical sections are short and none spans an await, so a std mutex suffices. The state is
    // consistent whenever the lock is released, even by a panic.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn with<T>(
        &self,
        address: &RoomAddress,
        act: impl FnOnce(&mut Room, Spare, Timestamp) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let mut state = self.lock();
        let now = self.clock.now();
        let result = state.rooms.with(address, now, |room, spare| act(room, spare, now));
        self.wake_janitor(&state);
        result
    }

    fn wake_janitor(&self, state: &State) {
        if state.rooms.next_deadline().is_some_and(|due| due < state.wakes) {
            self.earlier.notify_one();
        }
    }

    fn spawn_janitor(&self, state: &mut State) {
        let working = state.janitor.as_ref().is_some_and(|janitor| !janitor.is_finished());
        if working {
            return;
        }
        // Without a runtime there is no janitor, and data is erased by the next call.
        if let Ok(runtime) = Handle::try_current() {
            let (clock, earlier) = (Arc::clone(&self.clock), Arc::clone(&self.earlier));
            state.janitor = Some(runtime.spawn(janitor(self.this.clone(), clock, earlier)));
        }
    }

    /// Erases what is due; returns when to run again.
    fn sweep(&self) -> Timestamp {
        let mut state = self.lock();
        let now = self.clock.now();
        state.rooms.sweep(now);
        let due = state.rooms.next_deadline();
        let latest = now.saturating_add(NOTHING_DUE);
        state.wakes = due.map_or(latest, |due| due.min(latest));
        state.wakes
    }
}

/// Erases what falls due, until the store is dropped.
async fn janitor(store: Weak<MemoryStore>, clock: Arc<dyn Clock>, earlier: Arc<Notify>) {
    loop {
        let Some(wakes) = store.upgrade().map(|store| store.sweep()) else {
            return;
        };
        tokio::select! {
            biased;
            () = clock.sleep_until(wakes) => {}
            () = earlier.notified() => {}
        }
    }
}

#[async_trait]
impl Store for MemoryStore {
    async fn create(&self, address: &RoomAddress, genesis: Genesis) -> Result<(), StoreError> {
        let feeds = Feeds::with_clock(Arc::clone(&self.clock));
        let mut state = self.lock();
        state.rooms.create(address, genesis, feeds, self.clock.now())?;
        self.spawn_janitor(&mut state);
        self.wake_janitor(&state);
        Ok(())
    }

    async fn append(
        &self,
        address: &RoomAddress,
        entry: Entry,
        next: Option<NextEpoch>,
    ) -> Result<Seq, StoreError> {
        if next.is_some() != entry.kind.begins_epoch() {
            return Err(StoreError::Mismatched);
        }
        self.with(address, |room, spare, now| room.append(entry, next, now, spare))
    }

    async fn read(
        &self,
        address: &RoomAddress,
        after: Seq,
        until: Seq,
    ) -> Result<Page, StoreError> {
        self.with(address, |room, _, now| Ok(room.read(after, until, now)))
    }

    async fn door(&self, address: &RoomAddress) -> Result<StoredDoor, StoreError> {
        self.with(address, |room, _, now| Ok(room.stored_door(now)))
    }

    async fn watch(&self, address: &RoomAddress) -> Result<Watch, StoreError> {
        self.with(address, |room, _, _| Ok(room.watch()))
    }

    async fn touch(&self, address: &RoomAddress) -> Result<(), StoreError> {
        let mut state = self.lock();
        let touched = state.rooms.touch(address, self.clock.now());
        self.wake_janitor(&state);
        touched
    }

    async fn void(
        &self,
        address: &RoomAddress,
        seq: Seq,
        restored: NextEpoch,
    ) -> Result<(), StoreError> {
        self.with(address, |room, spare, now| room.void(seq, restored, now, spare))
    }

    async fn settle(&self, address: &RoomAddress, began: Seq) -> Result<(), StoreError> {
        self.with(address, |room, _, _| {
            room.settle(began);
            Ok(())
        })
    }

    async fn take_back(
        &self,
        address: &RoomAddress,
        seq: Seq,
        by: TakeBack,
    ) -> Result<(), StoreError> {
        self.with(address, |room, spare, now| room.take_back(seq, by, now, spare))
    }

    async fn close(&self, address: &RoomAddress, reason: CloseReason) -> Result<(), StoreError> {
        self.lock().rooms.close(address, reason, self.clock.now())
    }

    async fn posture(&self) -> Posture {
        self.lock().posture
    }

    fn status(&self) -> StoreStatus {
        self.lock().rooms.status()
    }

    fn heartbeat(&self) {
        let mut state = self.lock();
        state.rooms.heartbeat(self.clock.now());
        self.spawn_janitor(&mut state);
    }
}

impl Drop for MemoryStore {
    fn drop(&mut self) {
        self.lock().rooms.close_all(CloseReason::Gone);
        self.earlier.notify_one();
    }
}

impl fmt::Debug for MemoryStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MemoryStore(..)")
    }
}
