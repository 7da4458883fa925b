//! The shards of a relay: one for each room with subscribers, or several for a room with many.

pub(crate) mod shard;
mod task;
mod upkeep;

use std::{
    collections::{HashMap, hash_map::Entry},
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
};

use crate::{
    id::{Epoch, RoomAddress},
    relay::{
        Relay,
        admission::rate_limit::RoomRates,
        fanout::shard::{Shard, Subscriber},
        ids::ConnectionId,
    },
    store::StoreError,
    time::Timestamp,
    wire::Policy,
};

/// The shards of a relay, by room.
#[derive(Default)]
pub(crate) struct Shards {
    // Short critical sections, never held across an await. Taken before a shard's lock, never
    // after.
    rooms: Mutex<HashMap<RoomAddress, Vec<Arc<Shard>>>>,
}

/// A connection that is about to subscribe to a room.
pub(crate) struct NewSubscriber {
    pub(crate) id: ConnectionId,
    pub(crate) subscriber: Subscriber,
    pub(crate) policy: Policy,
    /// The room's epoch as last read.
    pub(crate) current: Epoch,
    /// Whether the room has just been created.
    pub(crate) new: bool,
}

impl Shards {
    fn lock(&self) -> MutexGuard<'_, HashMap<RoomAddress, Vec<Arc<Shard>>>> {
        self.rooms.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the shards of one room.
    pub(crate) fn of_room(&self, address: &RoomAddress) -> Vec<Arc<Shard>> {
        self.lock().get(address).cloned().unwrap_or_default()
    }

    /// Returns the number of rooms with subscribers.
    pub(crate) fn rooms(&self) -> usize {
        self.lock().len()
    }

    /// Adds the subscriber to an existing shard that is not full.
    fn join(
        &self,
        address: &RoomAddress,
        joining: &NewSubscriber,
        now: Timestamp,
    ) -> Option<Arc<Shard>> {
        if joining.new {
            return None;
        }
        let rooms = self.lock();
        let mut shards = rooms.get(address)?.iter();
        shards.find(|shard| shard.subscribe(joining.id, &joining.subscriber, now)).cloned()
    }

    fn remove(&self, shard: &Arc<Shard>) {
        let mut rooms = self.lock();
        if let Entry::Occupied(mut room) = rooms.entry(shard.address) {
            room.get_mut().retain(|known| !Arc::ptr_eq(known, shard));
            if room.get().is_empty() {
                room.remove();
            }
        }
        // A relay with few rooms should not keep the capacity for many.
        if rooms.capacity() > 4 * rooms.len().max(64) {
            rooms.shrink_to_fit();
        }
    }
}

/// Keeps a shard registered while its task feeds it.
struct FeedGuard {
    shard: Arc<Shard>,
    relay: Weak<Relay>,
}

impl Drop for FeedGuard {
    /// Also runs when the task panics: the subscribers are sent `Lapsed`, so that they subscribe
    /// again, to a shard that is fed.
    fn drop(&mut self) {
        self.shard.end_if_unfed();
        if let Some(relay) = self.relay.upgrade() {
            relay.shards.remove(&self.shard);
        }
    }
}

impl Relay {
    /// Subscribes to a room: everything that is accepted after this returns is delivered.
    pub(crate) async fn subscribe(
        self: &Arc<Self>,
        address: &RoomAddress,
        joining: NewSubscriber,
    ) -> Result<Arc<Shard>, StoreError> {
        if let Some(shard) = self.shards.join(address, &joining, self.clock.now()) {
            return Ok(shard);
        }
        let watch = self.store.watch(address).await?;
        // Another connection may have created a shard meanwhile.
        if let Some(shard) = self.shards.join(address, &joining, self.clock.now()) {
            return Ok(shard);
        }
        let shard = self.new_shard(address, &joining);
        let (relay, feed) = (Arc::downgrade(self), Arc::clone(&shard));
        let (store, clock) = (Arc::clone(&self.store), Arc::clone(&self.clock));
        let counts = Arc::clone(&self.counts);
        let fed = FeedGuard { shard: feed, relay };
        self.tasks.spawn(async move {
            task::run(Arc::clone(&fed.shard), store, clock, counts, watch).await;
        });
        Ok(shard)
    }

    /// Creates a shard with its first subscriber, in addition to the room's existing ones.
    fn new_shard(&self, address: &RoomAddress, joining: &NewSubscriber) -> Arc<Shard> {
        let now = self.clock.now();
        let mut rooms = self.shards.lock();
        let shards = rooms.entry(*address).or_default();
        if joining.new {
            shards.clear();
        }
        let rates = shards.first().map(|shard| Arc::clone(&shard.rates));
        let rates = rates.unwrap_or_else(|| Arc::new(RoomRates::new(&self.config, now)));
        let (policy, current) = (joining.policy, joining.current);
        let (id, epoch_grace) = (self.next_id(), self.config.epoch_grace);
        let shard = Arc::new(Shard::new(id, *address, policy, current, epoch_grace, rates));
        shard.subscribe(joining.id, &joining.subscriber, now);
        shards.push(Arc::clone(&shard));
        shard
    }
}
