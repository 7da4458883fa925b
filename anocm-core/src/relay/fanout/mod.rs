//! The shards of a relay: one for each room that is watched, or several for a room of many.

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

/// The shards of a relay, by their rooms.
#[derive(Default)]
pub(crate) struct Shards {
    // Short sections, none across an await. Taken before a shard's lock, never after.
    rooms: Mutex<HashMap<RoomAddress, Vec<Arc<Shard>>>>,
}

/// One who wants to watch a room.
pub(crate) struct NewSubscriber {
    pub(crate) id: ConnectionId,
    pub(crate) subscriber: Subscriber,
    pub(crate) policy: Policy,
    /// The room's epoch as last seen.
    pub(crate) current: Epoch,
    /// Whether the room has just been created.
    pub(crate) new: bool,
}

impl Shards {
    fn lock(&self) -> MutexGuard<'_, HashMap<RoomAddress, Vec<Arc<Shard>>>> {
        self.rooms.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The shards of one room.
    pub(crate) fn of_room(&self, address: &RoomAddress) -> Vec<Arc<Shard>> {
        self.lock().get(address).cloned().unwrap_or_default()
    }

    /// How many rooms are watched.
    pub(crate) fn rooms(&self) -> usize {
        self.lock().len()
    }

    /// Takes somebody into a shard that is there and has a place.
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
        // A relay of few rooms should not keep the space of many.
        if rooms.capacity() > 4 * rooms.len().max(64) {
            rooms.shrink_to_fit();
        }
    }
}

/// A shard as long as something feeds it.
struct FeedGuard {
    shard: Arc<Shard>,
    relay: Weak<Relay>,
}

impl Drop for FeedGuard {
    /// Also when its task panics: those who watch are told that they no longer do, so that they
    /// come back to a shard that is fed.
    fn drop(&mut self) {
        self.shard.end_if_unfed();
        if let Some(relay) = self.relay.upgrade() {
            relay.shards.remove(&self.shard);
        }
    }
}

impl Relay {
    /// Subscribes to a room: when this returns, whatever is accepted later is told.
    pub(crate) async fn subscribe(
        self: &Arc<Self>,
        address: &RoomAddress,
        joining: NewSubscriber,
    ) -> Result<Arc<Shard>, StoreError> {
        if let Some(shard) = self.shards.join(address, &joining, self.clock.now()) {
            return Ok(shard);
        }
        let watch = self.store.watch(address).await?;
        // Somebody else may have been quicker.
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

    /// A shard with its first subscriber, beside those that the room has.
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
        let (id, grace) = (self.next_id(), self.config.epoch_grace);
        let shard = Arc::new(Shard::new(id, *address, policy, current, grace, rates));
        shard.subscribe(joining.id, &joining.subscriber, now);
        shards.push(Arc::clone(&shard));
        shard
    }
}
