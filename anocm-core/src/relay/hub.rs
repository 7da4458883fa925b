//! Some of those who watch one room, and what happens to them when something happens to it.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::{
    outbox::Outbox,
    proof::{Proof, Proofs},
    rate::RoomRates,
};
use crate::{
    id::{Epoch, RoomAddress},
    secret::Payload,
    store::StoredDoor,
    time::Timestamp,
    wire::{Event, Policy, RelayFrame, encode},
};

/// Ends of epochs that are remembered; older ones are beyond every grace.
const REMEMBERED_ENDS: usize = 1_024;

/// Names a connection within its relay.
pub(super) type ConnectionId = u64;

/// Names a hub within its relay.
pub(super) type HubId = u64;

/// Where those who watch are told, at one moment.
pub(super) type Audience = Arc<[Arc<Outbox>]>;

/// The most who watch through one hub: so many are told at one go, each with a write of some
/// microseconds, before others have a turn. The runtime would defer writes beyond 128 anyway.
const MOST: usize = 64;

/// Those who watch one room, or some of them: a room of many has several hubs. Fed by a task of its own, see [`fanout`](super::fanout).
pub(super) struct Hub {
    pub(super) id: HubId,
    pub(super) address: RoomAddress,
    pub(super) policy: Policy,
    pub(super) grace: Duration,
    // Short sections, none across an await. Taken before an outbox's lock, never after.
    state: Mutex<State>,
    /// Shared by all hubs of the room.
    pub(super) rates: Arc<RoomRates>,
    /// Somebody left, or somebody's grace was set.
    pub(super) changed: Notify,
    /// Those who watch were told something, or are told no more.
    pub(super) told: Notify,
    /// The hub has ended, and everyone was told why.
    ended: CancellationToken,
}

struct State {
    /// In the order they came, so that a simulation can be repeated.
    subscribers: BTreeMap<ConnectionId, Subscriber>,
    /// Where they are told, if that is known since somebody last came or went.
    audience: Option<Audience>,
    /// The current epoch, as far as the watch has told.
    current: Epoch,
    /// When recent epochs ended.
    ends: VecDeque<(Epoch, Timestamp)>,
    /// Something was voided or lost, and the door was not looked at since: what was proven may
    /// no longer hold.
    in_doubt: bool,
    /// The hub has ended and takes nobody any more.
    over: bool,
}

/// One who watches.
#[derive(Clone)]
pub(super) struct Subscriber {
    pub(super) outbox: Arc<Outbox>,
    pub(super) proofs: Proofs,
    /// When it stops receiving unless it proves a later epoch.
    lapses: Option<Timestamp>,
}

impl Subscriber {
    pub(super) fn new(outbox: Arc<Outbox>, proofs: Proofs) -> Self {
        Self { outbox, proofs, lapses: None }
    }
}

impl Hub {
    pub(super) fn new(
        id: HubId,
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
                audience: None,
                current,
                ends: VecDeque::new(),
                // The room may have moved on between `current` and the watch.
                in_doubt: true,
                over: false,
            }),
            rates,
            changed: Notify::new(),
            told: Notify::new(),
            ended: CancellationToken::new(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a subscriber in; false when the hub is over or full.
    pub(super) fn subscribe(
        &self,
        id: ConnectionId,
        subscriber: &Subscriber,
        now: Timestamp,
    ) -> bool {
        let mut state = self.lock();
        if state.over || state.subscribers.len() >= MOST {
            return false;
        }
        let mut subscriber = subscriber.clone();
        subscriber.outbox.comes_from(&self.address, self.id);
        subscriber.lapses = state.lapses(subscriber.proofs.epoch(), self.grace, now);
        state.subscribers.insert(id, subscriber);
        state.audience = None;
        self.changed.notify_one();
        true
    }

    /// Lets a subscriber go.
    pub(super) fn unsubscribe(&self, id: ConnectionId) {
        let mut state = self.lock();
        state.subscribers.remove(&id);
        state.audience = None;
        drop(state);
        self.changed.notify_one();
    }

    /// A connection that may watch has proven an epoch that holds by `door`.
    pub(super) fn prove(&self, id: ConnectionId, proof: Proof, door: &StoredDoor, now: Timestamp) {
        let mut state = self.lock();
        let Some(mut subscriber) = state.subscribers.remove(&id) else {
            return;
        };
        subscriber.proofs = subscriber.proofs.add(proof, door);
        subscriber.lapses = state.lapses(subscriber.proofs.epoch(), self.grace, now);
        state.subscribers.insert(id, subscriber);
        self.changed.notify_one();
    }

    /// Whether the connection watches.
    pub(super) fn has(&self, id: ConnectionId) -> bool {
        self.lock().subscribers.contains_key(&id)
    }

    /// Whether it is beyond doubt that the subscriber has proven `epoch`. The store decides
    /// whether that is the current one.
    pub(super) fn has_proven(&self, id: ConnectionId, epoch: Epoch) -> bool {
        let state = self.lock();
        !state.in_doubt
            && state
                .subscribers
                .get(&id)
                .is_some_and(|subscriber| subscriber.proofs.epoch() == epoch)
    }

    /// Whether the hub takes nobody any more.
    pub(super) fn is_over(&self) -> bool {
        self.lock().over
    }

    /// Returns when the hub has ended.
    pub(super) async fn ended(&self) {
        self.ended.cancelled().await;
    }

    /// Those who are to be told what the watch has just given. Whoever comes later finds it in
    /// the log, and whoever goes forgets the room first. Entries may end with one that has `ended`
    /// an epoch.
    pub(super) fn audience(&self, ended: Option<Epoch>, now: Timestamp) -> Audience {
        let mut state = self.lock();
        if let Some(ended) = ended {
            state.end_epoch(ended, now, now.after(self.grace));
        }
        let state = &mut *state;
        let all = state.subscribers.values().map(|subscriber| &subscriber.outbox);
        Arc::clone(state.audience.get_or_insert_with(|| all.cloned().collect()))
    }

    /// Tells something that nobody may miss.
    pub(super) fn announce(&self, event: Event) {
        let frame = encode(&RelayFrame::Event(event));
        self.lock().announce(&frame);
    }

    /// The watch has lost something.
    pub(super) fn lost(&self) {
        let mut state = self.lock();
        state.in_doubt = true;
        for subscriber in state.subscribers.values() {
            subscriber.outbox.lost(&self.address);
        }
        drop(state);
        self.told.notify_waiters();
    }

    /// What was proven may no longer hold.
    pub(super) fn doubt(&self) {
        self.lock().in_doubt = true;
    }

    pub(super) fn is_in_doubt(&self) -> bool {
        self.lock().in_doubt
    }

    /// The door was looked at: keeps the proofs that hold by it.
    pub(super) fn settle(&self, door: &StoredDoor, now: Timestamp) {
        let mut state = self.lock();
        state.in_doubt = false;
        state.current = door.epoch();
        let current = state.current;
        state.ends.retain(|&(ended, _)| ended < current);
        for subscriber in state.subscribers.values_mut() {
            let Some(proofs) = subscriber.proofs.still_valid(door) else {
                subscriber.lapses = Some(now);
                continue;
            };
            subscriber.proofs = proofs;
            if proofs.epoch() >= current {
                subscriber.lapses = None;
            } else {
                subscriber.lapses.get_or_insert(now.after(self.grace));
            }
        }
        drop(state);
        self.lapse(now);
    }

    /// Lets go of those whose grace is over, and says when the next one's is.
    pub(super) fn lapse(&self, now: Timestamp) -> Option<Timestamp> {
        let mut next = None;
        let mut frame = None;
        let mut state = self.lock();
        let before = state.subscribers.len();
        state.subscribers.retain(|_, subscriber| {
            let Some(lapses) = subscriber.lapses else {
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
            subscriber.outbox.forget(&self.address);
            subscriber.outbox.word(frame.clone());
            false
        });
        if state.subscribers.len() < before {
            state.audience = None;
        }
        next
    }

    /// Ends the hub if nobody is left.
    pub(super) fn end_if_empty(&self) -> bool {
        let mut state = self.lock();
        state.over = state.over || state.subscribers.is_empty();
        state.over
    }

    /// Ends the hub if it has not ended: nothing tells it any more what happens.
    pub(super) fn end_if_unfed(&self) {
        if !self.is_over() {
            let address = self.address;
            self.end(Event::Lapsed { address });
        }
    }

    /// Ends the hub, and tells everyone why.
    pub(super) fn end(&self, event: Event) {
        let frame = encode(&RelayFrame::Event(event));
        // In one go: whoever came in between would be let go without a word.
        let mut state = self.lock();
        state.announce(&frame);
        state.over = true;
        state.audience = None;
        for subscriber in std::mem::take(&mut state.subscribers).into_values() {
            subscriber.outbox.forget(&self.address);
        }
        drop(state);
        self.told.notify_waiters();
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
                subscriber.lapses.get_or_insert(lapses);
            }
        }
    }

    fn announce(&self, frame: &Payload) {
        for subscriber in self.subscribers.values() {
            subscriber.outbox.word(frame.clone());
        }
    }

    /// When one who has proven `epoch` lapses.
    fn lapses(&self, epoch: Epoch, grace: Duration, now: Timestamp) -> Option<Timestamp> {
        if epoch >= self.current {
            return None;
        }
        let ended = self.ends.iter().find(|&&(ended, _)| ended == epoch);
        Some(ended.map_or(now, |&(_, at)| at.after(grace)))
    }
}
