//! Some of those who watch one room, and what happens to them when something happens to it.

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

/// Ends of epochs that are remembered; older ones are beyond every grace.
const REMEMBERED_ENDS: usize = 1_024;

/// Where those who watch are told, at one moment.
pub(crate) type Subscribers = Arc<[Arc<Outbox>]>;

/// The most who watch through one shard: so many are told at one go, each with a write of some
/// microseconds, before others have a turn. The runtime would defer writes beyond 128 anyway.
const MAX_SUBSCRIBERS: usize = 64;

/// Those who watch one room, or some of them: a room of many has several shards. Fed by a task of its own, see [`task`](super::task).
pub(crate) struct Shard {
    pub(crate) id: ShardId,
    pub(crate) address: RoomAddress,
    pub(crate) policy: Policy,
    pub(crate) grace: Duration,
    // Short sections, none across an await. Taken before an outbox's lock, never after.
    state: Mutex<State>,
    /// Shared by all shards of the room.
    pub(crate) rates: Arc<RoomRates>,
    /// Somebody left, or somebody's grace was set.
    pub(crate) changed: Notify,
    /// Those who watch were told something, or are told no more.
    pub(crate) progress: Notify,
    /// The shard has ended, and everyone was told why.
    ended: CancellationToken,
}

struct State {
    /// In the order they came, so that a simulation can be repeated.
    subscribers: BTreeMap<ConnectionId, Subscriber>,
    /// Where they are told, if that is known since somebody last came or went.
    outboxes: Option<Subscribers>,
    /// The current epoch, as far as the watch has told.
    current: Epoch,
    /// When recent epochs ended.
    ends: VecDeque<(Epoch, Timestamp)>,
    /// Something was voided or lost, and the door was not looked at since: what was proven may
    /// no longer hold.
    is_invalidated: bool,
    /// The shard has ended and takes nobody any more.
    is_over: bool,
}

/// One who watches.
#[derive(Clone)]
pub(crate) struct Subscriber {
    pub(crate) outbox: Arc<Outbox>,
    pub(crate) proofs: EpochProofs,
    /// When it stops receiving unless it proves a later epoch.
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
        grace: Duration,
        rates: Arc<RoomRates>,
    ) -> Self {
        Self {
            id,
            address,
            policy,
            grace,
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

    /// Takes a subscriber in; false when the shard is over or full.
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
        subscriber.expires = state.expiry(subscriber.proofs.epoch(), self.grace, now);
        state.subscribers.insert(id, subscriber);
        state.outboxes = None;
        self.changed.notify_one();
        true
    }

    /// Lets a subscriber go.
    pub(crate) fn unsubscribe(&self, id: ConnectionId) {
        let mut state = self.lock();
        state.subscribers.remove(&id);
        state.outboxes = None;
        drop(state);
        self.changed.notify_one();
    }

    /// A connection that may watch has proven an epoch that holds by `door`.
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
        subscriber.expires = state.expiry(subscriber.proofs.epoch(), self.grace, now);
        state.subscribers.insert(id, subscriber);
        self.changed.notify_one();
    }

    /// Whether the connection watches.
    pub(crate) fn has(&self, id: ConnectionId) -> bool {
        self.lock().subscribers.contains_key(&id)
    }

    /// Whether it is beyond doubt that the subscriber has proven `epoch`. The store decides
    /// whether that is the current one.
    pub(crate) fn has_proven(&self, id: ConnectionId, epoch: Epoch) -> bool {
        let state = self.lock();
        !state.is_invalidated
            && state
                .subscribers
                .get(&id)
                .is_some_and(|subscriber| subscriber.proofs.epoch() == epoch)
    }

    /// Whether the shard takes nobody any more.
    pub(crate) fn is_over(&self) -> bool {
        self.lock().is_over
    }

    /// Returns when the shard has ended.
    pub(crate) async fn ended(&self) {
        self.ended.cancelled().await;
    }

    /// Those who are to be told what the watch has just given. Whoever comes later finds it in
    /// the log, and whoever goes forgets the room first. Entries may end with one that has `ended`
    /// an epoch.
    pub(crate) fn outboxes(&self, ended: Option<Epoch>, now: Timestamp) -> Subscribers {
        let mut state = self.lock();
        if let Some(ended) = ended {
            state.end_epoch(ended, now, now.saturating_add(self.grace));
        }
        let state = &mut *state;
        let all = state.subscribers.values().map(|subscriber| &subscriber.outbox);
        Arc::clone(state.outboxes.get_or_insert_with(|| all.cloned().collect()))
    }

    /// Tells something that nobody may miss.
    pub(crate) fn announce(&self, event: Event) {
        let frame = encode(&RelayFrame::Event(event));
        self.lock().push_control(&frame);
    }

    /// The watch has lost something.
    pub(crate) fn lag(&self) {
        let mut state = self.lock();
        state.is_invalidated = true;
        for subscriber in state.subscribers.values() {
            subscriber.outbox.lag(&self.address);
        }
        drop(state);
        self.progress.notify_waiters();
    }

    /// What was proven may no longer hold.
    pub(crate) fn invalidate(&self) {
        self.lock().is_invalidated = true;
    }

    pub(crate) fn is_invalidated(&self) -> bool {
        self.lock().is_invalidated
    }

    /// The door was looked at: keeps the proofs that hold by it.
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
                subscriber.expires.get_or_insert(now.saturating_add(self.grace));
            }
        }
        drop(state);
        self.expire_unproven(now);
    }

    /// Lets go of those whose grace is over, and says when the next one's is.
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

    /// Ends the shard if nobody is left.
    pub(crate) fn end_if_empty(&self) -> bool {
        let mut state = self.lock();
        state.is_over = state.is_over || state.subscribers.is_empty();
        state.is_over
    }

    /// Ends the shard if it has not ended: nothing tells it any more what happens.
    pub(crate) fn end_if_unfed(&self) {
        if !self.is_over() {
            let address = self.address;
            self.end(Event::Lapsed { address });
        }
    }

    /// Ends the shard, and tells everyone why.
    pub(crate) fn end(&self, event: Event) {
        let frame = encode(&RelayFrame::Event(event));
        // In one go: whoever came in between would be let go without a word.
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

    /// When one who has proven `epoch` lapses.
    fn expiry(&self, epoch: Epoch, grace: Duration, now: Timestamp) -> Option<Timestamp> {
        if epoch >= self.current {
            return None;
        }
        let ended = self.ends.iter().find(|&&(ended, _)| ended == epoch);
        Some(ended.map_or(now, |&(_, at)| at.saturating_add(grace)))
    }
}
