//! The hubs of a relay: one for each room that is watched, or several for a room of many.

use std::{
    collections::{HashMap, hash_map::Entry},
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
};

use super::{
    Relay, fanout,
    hub::{ConnectionId, Hub, Subscriber},
    rate::RoomRates,
};
use crate::{
    id::{Epoch, RoomAddress},
    store::StoreError,
    time::Timestamp,
    wire::Policy,
};

/// The hubs of a relay, by their rooms.
#[derive(Default)]
pub(super) struct Hubs {
    // Short sections, none across an await. Taken before a hub's lock, never after.
    rooms: Mutex<HashMap<RoomAddress, Vec<Arc<Hub>>>>,
}

/// One who wants to watch a room.
pub(super) struct Joining {
    pub(super) id: ConnectionId,
    pub(super) subscriber: Subscriber,
    pub(super) policy: Policy,
    /// The room's epoch as last seen.
    pub(super) current: Epoch,
    /// Whether the room has just been created.
    pub(super) new: bool,
}

impl Hubs {
    fn lock(&self) -> MutexGuard<'_, HashMap<RoomAddress, Vec<Arc<Hub>>>> {
        self.rooms.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The hubs of one room.
    pub(super) fn of(&self, address: &RoomAddress) -> Vec<Arc<Hub>> {
        self.lock().get(address).cloned().unwrap_or_default()
    }

    /// How many rooms are watched.
    pub(super) fn rooms(&self) -> usize {
        self.lock().len()
    }

    /// Takes somebody into a hub that is there and has a place.
    fn join(&self, address: &RoomAddress, joining: &Joining, now: Timestamp) -> Option<Arc<Hub>> {
        if joining.new {
            return None;
        }
        let rooms = self.lock();
        let mut hubs = rooms.get(address)?.iter();
        hubs.find(|hub| hub.subscribe(joining.id, &joining.subscriber, now)).cloned()
    }

    fn remove(&self, hub: &Arc<Hub>) {
        let mut rooms = self.lock();
        if let Entry::Occupied(mut room) = rooms.entry(hub.address) {
            room.get_mut().retain(|known| !Arc::ptr_eq(known, hub));
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

/// A hub as long as something feeds it.
struct Fed {
    hub: Arc<Hub>,
    relay: Weak<Relay>,
}

impl Drop for Fed {
    /// Also when its task panics: those who watch are told that they no longer do, so that they
    /// come back to a hub that is fed.
    fn drop(&mut self) {
        self.hub.end_if_unfed();
        if let Some(relay) = self.relay.upgrade() {
            relay.hubs.remove(&self.hub);
        }
    }
}

impl Relay {
    /// Subscribes to a room: when this returns, whatever is accepted later is told.
    pub(super) async fn subscribe(
        self: &Arc<Self>,
        address: &RoomAddress,
        joining: Joining,
    ) -> Result<Arc<Hub>, StoreError> {
        if let Some(hub) = self.hubs.join(address, &joining, self.clock.now()) {
            return Ok(hub);
        }
        let watch = self.store.watch(address).await?;
        // Somebody else may have been quicker.
        if let Some(hub) = self.hubs.join(address, &joining, self.clock.now()) {
            return Ok(hub);
        }
        let hub = self.new_hub(address, &joining);
        let (relay, feed) = (Arc::downgrade(self), Arc::clone(&hub));
        let (store, clock) = (Arc::clone(&self.store), Arc::clone(&self.clock));
        let counts = Arc::clone(&self.counts);
        let fed = Fed { hub: feed, relay };
        self.tasks.spawn(async move {
            fanout::run(Arc::clone(&fed.hub), store, clock, counts, watch).await;
        });
        Ok(hub)
    }

    /// A hub with its first subscriber, beside those that the room has.
    fn new_hub(&self, address: &RoomAddress, joining: &Joining) -> Arc<Hub> {
        let now = self.clock.now();
        let mut rooms = self.hubs.lock();
        let hubs = rooms.entry(*address).or_default();
        if joining.new {
            hubs.clear();
        }
        let rates = hubs.first().map(|hub| Arc::clone(&hub.rates));
        let rates = rates.unwrap_or_else(|| Arc::new(RoomRates::new(&self.config, now)));
        let (policy, current) = (joining.policy, joining.current);
        let (id, grace) = (self.next_id(), self.config.grace);
        let hub = Arc::new(Hub::new(id, *address, policy, current, grace, rates));
        hub.subscribe(joining.id, &joining.subscriber, now);
        hubs.push(Arc::clone(&hub));
        hub
    }
}
