//! Those who watch one room, and what happens to them when something happens to it.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::{
    RelayConfig,
    outbox::Outbox,
    proof::{Proof, Proofs},
    queue::Fanned,
    rate::Bucket,
};
use crate::{
    id::{Epoch, RoomAddress},
    secret::Payload,
    store::StoredDoor,
    time::Timestamp,
    wire::{Entry, EntryKind, Event, Policy, RelayFrame, encode},
};

/// Ends of epochs that are remembered; older ones are beyond every grace.
const REMEMBERED_ENDS: usize = 1_024;

/// Names a connection within its relay.
pub(super) type ConnectionId = u64;

/// Those who watch one room. Fed by a task of its own, see [`fanout`](super::fanout).
pub(super) struct Hub {
    pub(super) address: RoomAddress,
    pub(super) policy: Policy,
    grace: Duration,
    // Short sections, none across an await. Taken before an outbox's lock, never after.
    state: Mutex<State>,
    // As short.
    rates: Mutex<Rates>,
    /// Somebody left, or somebody's grace was set.
    pub(super) changed: Notify,
    /// The hub has ended, and everyone was told why.
    ended: CancellationToken,
}

/// What the room may still take, whoever brings it.
struct Rates {
    entries: Bucket,
    bytes: Bucket,
}

struct State {
    /// In the order they came, so that a simulation can be repeated.
    subscribers: BTreeMap<ConnectionId, Subscriber>,
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
        address: RoomAddress,
        policy: Policy,
        current: Epoch,
        config: &RelayConfig,
        now: Timestamp,
    ) -> Self {
        Self {
            address,
            policy,
            grace: config.grace,
            state: Mutex::new(State {
                subscribers: BTreeMap::new(),
                current,
                ends: VecDeque::new(),
                // The room may have moved on between `current` and the watch.
                in_doubt: true,
                over: false,
            }),
            rates: Mutex::new(Rates {
                entries: Bucket::new(config.room_entries, now),
                bytes: Bucket::new(config.room_bytes, now),
            }),
            changed: Notify::new(),
            ended: CancellationToken::new(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a subscriber in; false when the hub is over.
    pub(super) fn subscribe(
        &self,
        id: ConnectionId,
        subscriber: &Subscriber,
        now: Timestamp,
    ) -> bool {
        let mut state = self.lock();
        if state.over {
            return false;
        }
        let mut subscriber = subscriber.clone();
        subscriber.lapses = state.lapses(subscriber.proofs.epoch(), self.grace, now);
        state.subscribers.insert(id, subscriber);
        self.changed.notify_one();
        true
    }

    /// Lets a subscriber go.
    pub(super) fn unsubscribe(&self, id: ConnectionId) {
        self.lock().subscribers.remove(&id);
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

    /// Counts an entry towards what the room may take in a second, or says how long to wait. A
    /// commit need not wait: whoever floods the room could not be removed.
    pub(super) fn admit(&self, entry: &Entry, now: Timestamp) -> Result<(), Duration> {
        let length = u64::try_from(entry.sealed.len()).unwrap_or(u64::MAX);
        let mut rates = self.rates.lock().unwrap_or_else(PoisonError::into_inner);
        let has = rates.entries.has(1, now).and(rates.bytes.has(length, now));
        if entry.kind == EntryKind::Message {
            has?;
        }
        rates.entries.spend(1);
        rates.bytes.spend(length);
        Ok(())
    }

    /// Whether the hub takes nobody any more.
    pub(super) fn is_over(&self) -> bool {
        self.lock().over
    }

    /// Returns when the hub has ended.
    pub(super) async fn ended(&self) {
        self.ended.cancelled().await;
    }

    /// Tells entries, the last of which may have ended an epoch.
    pub(super) fn tell(&self, entries: &[Fanned], ended: Option<Epoch>, now: Timestamp) {
        let mut state = self.lock();
        for subscriber in state.subscribers.values() {
            subscriber.outbox.entries(&self.address, entries);
        }
        let Some(ended) = ended else { return };
        state.current = ended.next();
        state.ends.push_back((ended, now));
        if state.ends.len() > REMEMBERED_ENDS {
            state.ends.pop_front();
        }
        let lapses = now.after(self.grace);
        for subscriber in state.subscribers.values_mut() {
            if subscriber.proofs.epoch() <= ended {
                subscriber.lapses.get_or_insert(lapses);
            }
        }
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
        self.lock().subscribers.retain(|_, subscriber| {
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
        next
    }

    /// Ends the hub if nobody is left.
    pub(super) fn end_if_empty(&self) -> bool {
        let mut state = self.lock();
        state.over = state.over || state.subscribers.is_empty();
        state.over
    }

    /// Ends the hub, and tells everyone why.
    pub(super) fn end(&self, event: Event) {
        let frame = encode(&RelayFrame::Event(event));
        // In one go: whoever came in between would be let go without a word.
        let mut state = self.lock();
        state.announce(&frame);
        state.over = true;
        for subscriber in std::mem::take(&mut state.subscribers).into_values() {
            subscriber.outbox.forget(&self.address);
        }
        drop(state);
        self.ended.cancel();
    }
}

impl State {
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
