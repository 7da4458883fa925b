//! The task of a shard: broadcasts the events of the store's watch to the subscribers.

use std::{sync::Arc, time::Duration};

use futures_util::{FutureExt, StreamExt};

use crate::{
    id::Epoch,
    relay::{
        delivery::broadcast::{Broadcast, EncodedEntry},
        fanout::{shard::Shard, upkeep::Upkeep},
        statistics::{Counts, DirectSends},
    },
    store::{Store, Watch, Watched},
    time::{Clock, Timestamp, millis},
    wire::{CloseReason, Event, LogItem, RelayFrame, encode},
};

/// The maximum number of entries per broadcast. Entries of the smallest size then fit in one batch.
const MAX_ENTRIES: usize = 60;

/// Feeds a shard until its room ends or it has no subscribers.
pub(crate) async fn run(
    shard: Arc<Shard>,
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    counts: Arc<Counts>,
    watch: Watch,
) {
    let upkeep = Upkeep::new(&shard, &store, &clock);
    let mut feeding = Task { shard, clock, counts, watch, upkeep, next: None };
    feeding.run().await;
}

struct Task {
    shard: Arc<Shard>,
    clock: Arc<dyn Clock>,
    counts: Arc<Counts>,
    watch: Watch,
    upkeep: Upkeep,
    /// Taken from the watch but not broadcast yet.
    next: Option<Arrival>,
}

/// An item of the watch and when it was taken: entries age from then on.
type Arrival = (Timestamp, Option<Watched>);

impl Task {
    async fn run(&mut self) {
        loop {
            let now = self.clock.now();
            self.upkeep.begin(now);
            let expiry = self.shard.expire_unproven(now);
            if self.shard.end_if_empty() {
                // If this fails, the store is unavailable, and the linger counts from the touch
                // before.
                let _ = self.upkeep.touch().await;
                return;
            }
            let wake = self.upkeep.next_timeout(now);
            let wake = expiry.map_or(wake, |expiry| expiry.min(wake));
            let may_tell = self.upkeep.may_broadcast(now);
            let (at, item) = tokio::select! {
                biased;
                () = self.upkeep.step() => continue,
                // Before the feed: after this moment an expired connection must receive nothing.
                () = self.clock.sleep_until(wake) => continue,
                taken = next(&mut self.next, &mut self.watch, &*self.clock), if may_tell => taken,
                () = self.shard.changed.notified() => continue,
            };
            // Lets concurrent publishers run first, so that their entries go into the same writes.
            tokio::task::yield_now().await;
            if !self.broadcast(item, at) {
                return;
            }
        }
    }

    /// Broadcasts one item that was taken from the watch at `at`, or several entries at once.
    /// Returns false when the room has ended.
    fn broadcast(&mut self, item: Option<Watched>, at: Timestamp) -> bool {
        let address = self.shard.address;
        match item {
            Some(Watched::Entry(item)) => self.broadcast_entries(item, at),
            Some(Watched::Voided { seq, epoch }) => {
                self.shard.invalidate();
                self.upkeep.door_changed();
                self.shard.announce(Event::Voided { address, seq, epoch });
            }
            Some(Watched::Lagged) => {
                self.shard.lag();
                self.upkeep.door_changed();
            }
            Some(Watched::Closed(reason)) => {
                self.shard.end(Event::Closed { address, reason });
                return false;
            }
            // A watch announces its end; one that ends without has lost its room.
            None => {
                let reason = CloseReason::Gone;
                self.shard.end(Event::Closed { address, reason });
                return false;
            }
        }
        true
    }

    /// Broadcasts an entry and those queued behind it to all subscribers.
    fn broadcast_entries(&mut self, mut first: LogItem, at: Timestamp) {
        let now = self.clock.now();
        first.age = first.age.saturating_add(millis(now.saturating_duration_since(at)));
        let (entries, ended) = self.collect(first, now);
        if ended.is_some() {
            self.upkeep.door_changed();
        }
        let broadcast = Broadcast::new(self.shard.id, self.shard.address, now, entries);
        let mut passed = DirectSends::default();
        // Expired subscribers receive nothing more, even if the feed was polled before the timer.
        self.shard.expire_unproven(now);
        for outbox in &*self.shard.outboxes(ended, now) {
            passed.add(&broadcast, outbox.push_entries(&broadcast, self.clock.now()));
        }
        self.shard.progress.notify_waiters();
        self.counts.sent_direct(passed);
    }

    /// Collects an entry and those queued behind it, up to the next change of epoch.
    fn collect(&mut self, first: LogItem, now: Timestamp) -> (Vec<EncodedEntry>, Option<Epoch>) {
        let mut entries = Vec::new();
        let mut item = first;
        let mut ended;
        loop {
            ended = ended_epoch(&item);
            entries.push(self.encode(item, now));
            if ended.is_some() || entries.len() >= MAX_ENTRIES {
                break;
            }
            match self.watch.next().now_or_never() {
                Some(Some(Watched::Entry(more))) => item = more,
                Some(other) => {
                    self.next = Some((now, other));
                    break;
                }
                None => break,
            }
        }
        (entries, ended)
    }

    fn encode(&self, item: LogItem, now: Timestamp) -> EncodedEntry {
        let seq = item.seq;
        let expires = (!item.entry.retention.is_live()).then(|| {
            let age = Duration::from_millis(item.age);
            now.saturating_add(item.entry.retention.lifetime()).saturating_sub(age)
        });
        let address = self.shard.address;
        let frame = encode(&RelayFrame::Event(Event::Entry { address, item }));
        EncodedEntry { seq, frame, encoded_at: now, expires }
    }
}

async fn next(waiting: &mut Option<Arrival>, watch: &mut Watch, clock: &dyn Clock) -> Arrival {
    match waiting.take() {
        Some(taken) => taken,
        None => {
            let item = watch.next().await;
            (clock.now(), item)
        }
    }
}

fn ended_epoch(item: &LogItem) -> Option<Epoch> {
    let entry = &item.entry;
    entry.kind.begins_epoch().then_some(entry.epoch)
}
