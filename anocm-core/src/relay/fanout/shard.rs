//! Some or all of the subscribers of one room, and the delivery of the room's events to them.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::{
    id::{Epoch, RoomAddress},
    relay::{
        admission::{
            epoch_proof::{EpochProof, EpochProofs},
            rate_limit::RoomRates,
        },
        delivery::outbox::Outbox,
        ids::{ConnectionId, ShardId},
    },
    secret::Payload,
    store::StoredDoor,
    time::Timestamp,
    wire::{Event, Policy, RelayFrame, encode},
};

/// How many ends of epochs are remembered; the grace of older ones is over in any case.
const REMEMBERED_ENDS: usize = 1_024;

/// The outboxes of a shard's subscribers at one moment.
pub(crate) type Subscribers = Arc<[Arc<Outbox>]>;

/// The maximum number of subscribers of one shard. A broadcast writes to all of them without
/// yielding, some microseconds each, before other tasks run. The runtime would defer writes beyond
/// 128 anyway.
const MAX_SUBSCRIBERS: usize = 64;

/// The subscribers of one room, or some of them: a room with many subscribers has several shards.
/// Each shard is fed by its own task, see [`task`](super::task).
pub(crate) struct Shard {
    pub(crate) id: ShardId,
    pub(crate) address: RoomAddress,
    pub(crate) policy: Policy,
    pub(crate) epoch_grace: Duration,
    // Short critical sections, never held across an await. Taken before an outbox's lock, never
    // after.
    state: Mutex<State>,
    /// Shared by all shards of the room.
    pub(crate) rates: Arc<RoomRates>,
    /// Notified when a subscriber was added, removed or has proven an epoch.
    pub(crate) changed: Notify,
    /// Notified when the subscribers were sent something, or are sent nothing more.
    pub(crate) progress: Notify,
    /// Cancelled when the shard has ended and all subscribers were sent the reason.
    ended: CancellationToken,
}

struct State {
    /// Ordered by connection id, so that a simulation is reproducible.
    subscribers: BTreeMap<ConnectionId, Subscriber>,
    /// Cached outboxes of the subscribers; `None` after a subscriber was added or removed.
    outboxes: Option<Subscribers>,
    /// The current epoch according to the watch.
    current: Epoch,
    /// When recent epochs ended.
    ends: VecDeque<(Epoch, Timestamp)>,
    /// An entry was voided or lost and the door was not read since: proofs may no longer be valid.
    is_invalidated: bool,
    /// The shard has ended and accepts no more subscribers.
    is_over: bool,
}

/// One subscriber.
#[derive(Clone)]
pub(crate) struct Subscriber {
    pub(crate) outbox: Arc<Outbox>,
    pub(crate) proofs: EpochProofs,
    /// When the subscription expires unless a later epoch is proven.
    expires: Option<Timestamp>,
}

impl Subscriber {
    pub(crate) fn new(outbox: Arc<Outbox>, proofs: EpochProofs) -> Self {
        Self { outbox, proofs, expires: None }
    }
}

impl Shard {
    pub(crate) fn new(
        id: ShardId,
        address: RoomAddress,
        policy: Policy,
        current: Epoch,
        epoch_grace: Duration,
        rates: Arc<RoomRates>,
    ) -> Self {
        Self {
            id,
            address,
            policy,
            epoch_grace,
            state: Mutex::new(State {
                subscribers: BTreeMap::new(),
                outboxes: None,
                current,
                ends: VecDeque::new(),
                // The room may have moved on between `current` and the watch.
                is_invalidated: true,
                is_over: false,
            }),
            rates,
            changed: Notify::new(),
            progress: Notify::new(),
            ended: CancellationToken::new(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a subscriber; returns false when the shard is over or full.
    pub(crate) fn subscribe(
        &self,
        id: ConnectionId,
        subscriber: &Subscriber,
        now: Timestamp,
    ) -> bool {
        let mut state = self.lock();
        if state.is_over || state.subscribers.len() >= MAX_SUBSCRIBERS {
            return false;
        }
        let mut subscriber = subscriber.clone();
        subscriber.outbox.set_shard(&self.address, self.id);
        subscriber.expires = state.expiry(subscriber.proofs.epoch(), self.epoch_grace, now);
        state.subscribers.insert(id, subscriber);
        state.outboxes = None;
        self.changed.notify_one();
        true
    }

    /// Removes a subscriber.
    pub(crate) fn unsubscribe(&self, id: ConnectionId) {
        let mut state = self.lock();
        state.subscribers.remove(&id);
        state.outboxes = None;
        drop(state);
        self.changed.notify_one();
    }

    /// Records that a connection has proven an epoch, valid by `door`. The connection need not be a
    /// subscriber of this shard.
    pub(crate) fn prove(
        &self,
        id: ConnectionId,
        proof: EpochProof,
        door: &StoredDoor,
        now: Timestamp,
    ) {
        let mut state = self.lock();
        let Some(mut subscriber) = state.subscribers.remove(&id) else {
            return;
        };
        subscriber.proofs = subscriber.proofs.add(proof, door);
        subscriber.expires = state.expiry(subscriber.proofs.epoch(), self.epoch_grace, now);
        state.subscribers.insert(id, subscriber);
        self.changed.notify_one();
    }

    /// Returns whether the connection is a subscriber.
    pub(crate) fn has(&self, id: ConnectionId) -> bool {
        self.lock().subscribers.contains_key(&id)
    }

    /// Returns whether the subscriber has certainly proven `epoch`. Whether that is the current
    /// epoch is for the store to decide.
    pub(crate) fn has_proven(&self, id: ConnectionId, epoch: Epoch) -> bool {
        let state = self.lock();
        !state.is_invalidated
            && state
                .subscribers
                .get(&id)
                .is_some_and(|subscriber| subscriber.proofs.epoch() == epoch)
    }

    /// Returns whether the shard accepts no more subscribers.
    pub(crate) fn is_over(&self) -> bool {
        self.lock().is_over
    }

    /// Returns when the shard has ended.
    pub(crate) async fn ended(&self) {
        self.ended.cancelled().await;
    }

    /// Returns the outboxes that receive what the watch has just yielded. A connection that
    /// subscribes later finds it in the log; one that unsubscribes forgets the room first. `ended`
    /// is the epoch that the last of the entries ended, if any.
    pub(crate) fn outboxes(&self, ended: Option<Epoch>, now: Timestamp) -> Subscribers {
        let mut state = self.lock();
        if let Some(ended) = ended {
            state.end_epoch(ended, now, now.saturating_add(self.epoch_grace));
        }
        let state = &mut *state;
        let all = state.subscribers.values().map(|subscriber| &subscriber.outbox);
        Arc::clone(state.outboxes.get_or_insert_with(|| all.cloned().collect()))
    }

    /// Sends an event that no subscriber may miss.
    pub(crate) fn announce(&self, event: Event) {
        let frame = encode(&RelayFrame::Event(event));
        self.lock().push_control(&frame);
    }

    /// Marks the room as lagging for all subscribers: the watch has lost entries.
    pub(crate) fn lag(&self) {
        let mut state = self.lock();
        state.is_invalidated = true;
        for subscriber in state.subscribers.values() {
            subscriber.outbox.lag(&self.address);
        }
        drop(state);
        self.progress.notify_waiters();
    }

    /// Marks the subscribers' proofs as possibly invalid.
    pub(crate) fn invalidate(&self) {
        self.lock().is_invalidated = true;
    }

    pub(crate) fn is_invalidated(&self) -> bool {
        self.lock().is_invalidated
    }

    /// Revalidates the subscribers' proofs by a fresh read of the door.
    pub(crate) fn revalidate(&self, door: &StoredDoor, now: Timestamp) {
        let mut state = self.lock();
        state.is_invalidated = false;
        state.current = door.epoch();
        let current = state.current;
        state.ends.retain(|&(ended, _)| ended < current);
        for subscriber in state.subscribers.values_mut() {
            let Some(proofs) = subscriber.proofs.still_valid(door) else {
                subscriber.expires = Some(now);
                continue;
            };
            subscriber.proofs = proofs;
            if proofs.epoch() >= current {
                subscriber.expires = None;
            } else {
                subscriber.expires.get_or_insert(now.saturating_add(self.epoch_grace));
            }
        }
        drop(state);
        self.expire_unproven(now);
    }

    /// Removes the subscribers whose grace is over, and returns when the next one's grace ends.
    pub(crate) fn expire_unproven(&self, now: Timestamp) -> Option<Timestamp> {
        let mut next = None;
        let mut frame = None;
        let mut state = self.lock();
        let before = state.subscribers.len();
        state.subscribers.retain(|_, subscriber| {
            let Some(lapses) = subscriber.expires else {
                return true;
            };
            if lapses > now {
                next = Some(next.map_or(lapses, |next: Timestamp| next.min(lapses)));
                return true;
            }
            let frame = frame.get_or_insert_with(|| {
                let address = self.address;
                encode(&RelayFrame::Event(Event::Lapsed { address }))
            });
            subscriber.outbox.close_room(&self.address);
            subscriber.outbox.push_control(frame.clone());
            false
        });
        if state.subscribers.len() < before {
            state.outboxes = None;
        }
        next
    }

    /// Ends the shard if it has no subscribers left. Returns whether it is over.
    pub(crate) fn end_if_empty(&self) -> bool {
        let mut state = self.lock();
        state.is_over = state.is_over || state.subscribers.is_empty();
        state.is_over
    }

    /// Ends the shard, unless it has ended already, because no task feeds it any more.
    pub(crate) fn end_if_unfed(&self) {
        if !self.is_over() {
            let address = self.address;
            self.end(Event::Lapsed { address });
        }
    }

    /// Ends the shard, and sends all subscribers the reason.
    pub(crate) fn end(&self, event: Event) {
        let frame = encode(&RelayFrame::Event(event));
        // Under one lock: a subscriber that was added in between would be removed without an event.
        let mut state = self.lock();
        state.push_control(&frame);
        state.is_over = true;
        state.outboxes = None;
        for subscriber in std::mem::take(&mut state.subscribers).into_values() {
            subscriber.outbox.close_room(&self.address);
        }
        drop(state);
        self.progress.notify_waiters();
        self.ended.cancel();
    }
}

impl State {
    fn end_epoch(&mut self, ended: Epoch, now: Timestamp, lapses: Timestamp) {
        self.current = ended.next();
        self.ends.push_back((ended, now));
        if self.ends.len() > REMEMBERED_ENDS {
            self.ends.pop_front();
        }
        for subscriber in self.subscribers.values_mut() {
            if subscriber.proofs.epoch() <= ended {
                subscriber.expires.get_or_insert(lapses);
            }
        }
    }

    fn push_control(&self, frame: &Payload) {
        for subscriber in self.subscribers.values() {
            subscriber.outbox.push_control(frame.clone());
        }
    }

    /// Returns when the subscription of a connection that has proven `epoch` expires.
    fn expiry(&self, epoch: Epoch, epoch_grace: Duration, now: Timestamp) -> Option<Timestamp> {
        if epoch >= self.current {
            return None;
        }
        let ended = self.ends.iter().find(|&&(ended, _)| ended == epoch);
        Some(ended.map_or(now, |&(_, at)| at.saturating_add(epoch_grace)))
    }
}
