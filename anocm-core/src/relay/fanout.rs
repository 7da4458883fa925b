//! The task of a hub: carries what the store tells to those who watch.

use std::{sync::Arc, time::Duration};

use futures_util::{FutureExt, StreamExt};

use super::{
    hub::Hub,
    statistics::{Counts, Passed},
    told::{Fanned, Told},
    upkeep::Upkeep,
};
use crate::{
    id::Epoch,
    store::{Store, Watch, Watched},
    time::{Clock, Timestamp, millis},
    wire::{CloseReason, Event, LogItem, RelayFrame, encode},
};

/// Entries that are told at one go. Those of the smallest size make one batch.
const TOGETHER: usize = 60;

/// Feeds a hub until its room ends or nobody watches.
pub(super) async fn run(
    hub: Arc<Hub>,
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    counts: Arc<Counts>,
    watch: Watch,
) {
    let upkeep = Upkeep::new(&hub, &store, &clock);
    let mut feeding = Feeding { hub, clock, counts, watch, upkeep, next: None };
    feeding.run().await;
}

struct Feeding {
    hub: Arc<Hub>,
    clock: Arc<dyn Clock>,
    counts: Arc<Counts>,
    watch: Watch,
    upkeep: Upkeep,
    /// Taken from the watch, but not yet told.
    next: Option<Taken>,
}

/// Something that was taken from the watch, at some moment: entries grow older from then on.
type Taken = (Timestamp, Option<Watched>);

impl Feeding {
    async fn run(&mut self) {
        loop {
            let now = self.clock.now();
            self.upkeep.begin(now);
            let lapse = self.hub.lapse(now);
            if self.hub.end_if_empty() {
                // If it fails the store is away: the linger counts from the touch before.
                let _ = self.upkeep.touch().await;
                return;
            }
            let wake = self.upkeep.wake(now);
            let wake = lapse.map_or(wake, |lapse| lapse.min(wake));
            let may_tell = self.upkeep.may_tell(now);
            let (at, item) = tokio::select! {
                biased;
                () = self.upkeep.step() => continue,
                // Before the feed: from this moment on no connection may be told.
                () = self.clock.sleep_until(wake) => continue,
                taken = next(&mut self.next, &mut self.watch, &*self.clock), if may_tell => taken,
                () = self.hub.changed.notified() => continue,
            };
            // Whoever publishes at this moment goes first: what they say goes in the same writes.
            tokio::task::yield_now().await;
            if !self.tell(item, at) {
                return;
            }
        }
    }

    /// Tells one thing that was taken from the watch at `at`, or several entries at one go. False
    /// when the room has ended.
    fn tell(&mut self, item: Option<Watched>, at: Timestamp) -> bool {
        let address = self.hub.address;
        match item {
            Some(Watched::Entry(item)) => self.tell_entries(item, at),
            Some(Watched::Voided { seq, epoch }) => {
                self.hub.doubt();
                self.upkeep.changed();
                self.hub.announce(Event::Voided { address, seq, epoch });
            }
            Some(Watched::Lagged) => {
                self.hub.lost();
                self.upkeep.changed();
            }
            Some(Watched::Closed(reason)) => {
                self.hub.end(Event::Closed { address, reason });
                return false;
            }
            // A watch ends only after it said so; one that does not has lost its room.
            None => {
                let reason = CloseReason::Gone;
                self.hub.end(Event::Closed { address, reason });
                return false;
            }
        }
        true
    }

    /// Tells an entry and those that wait behind it to all who watch.
    fn tell_entries(&mut self, mut first: LogItem, at: Timestamp) {
        let now = self.clock.now();
        first.age = first.age.saturating_add(millis(now.since(at)));
        let (entries, ended) = self.gather(first, now);
        if ended.is_some() {
            self.upkeep.changed();
        }
        let told = Told::new(self.hub.id, self.hub.address, now, entries);
        let mut passed = Passed::default();
        // Whoever's time is over hears nothing more, also if the feed came before the timer.
        self.hub.lapse(now);
        for outbox in &*self.hub.audience(ended, now) {
            passed.add(&told, outbox.entries(&told, self.clock.now()));
        }
        self.hub.told.notify_waiters();
        self.counts.passed(passed);
    }

    /// Takes an entry and those that wait behind it, up to the next change of epoch.
    fn gather(&mut self, first: LogItem, now: Timestamp) -> (Vec<Fanned>, Option<Epoch>) {
        let mut entries = Vec::new();
        let mut item = first;
        let mut ended;
        loop {
            ended = ends(&item);
            entries.push(self.encode(item, now));
            if ended.is_some() || entries.len() >= TOGETHER {
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

    fn encode(&self, item: LogItem, now: Timestamp) -> Fanned {
        let seq = item.seq;
        let expires = (!item.entry.retention.is_live()).then(|| {
            let age = Duration::from_millis(item.age);
            now.after(item.entry.retention.lifetime()).before(age)
        });
        let address = self.hub.address;
        let frame = encode(&RelayFrame::Event(Event::Entry { address, item }));
        Fanned { seq, frame, told: now, expires }
    }
}

async fn next(waiting: &mut Option<Taken>, watch: &mut Watch, clock: &dyn Clock) -> Taken {
    match waiting.take() {
        Some(taken) => taken,
        None => {
            let item = watch.next().await;
            (clock.now(), item)
        }
    }
}

fn ends(item: &LogItem) -> Option<Epoch> {
    let entry = &item.entry;
    entry.kind.begins_epoch().then_some(entry.epoch)
}
