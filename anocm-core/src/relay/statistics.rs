//! A relay's counters. No counter identifies a guest or a room.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::{
    relay::{
        Relay,
        delivery::{broadcast::Broadcast, queue::Batch},
    },
    store::StoreStatus,
    time::{Timestamp, millis},
    wire::{Posture, Refusal, Request},
};

/// Upper bounds of a [`Histogram`]'s buckets in milliseconds; the last bucket has no bound.
const BOUNDS: [u64; 10] = [1, 2, 5, 10, 20, 50, 100, 500, 2_000, 10_000];
const BUCKETS: usize = BOUNDS.len() + 1;

const REQUESTS: [&str; 10] =
    ["create", "look", "join", "enter", "read", "publish", "void", "close", "detach", "work"];
/// Names as in [`Refusal::name`].
const REFUSALS: [&str; 12] = [
    "no_such_room",
    "address_in_use",
    "not_admitted",
    "stale_epoch",
    "retention_too_long",
    "unlawful",
    "full",
    "busy",
    "read_only",
    "unavailable",
    "work_needed",
    "crowded",
];

/// A [`Relay`]'s counters since its start, and its current gauges. No number is about one room,
/// guest or address. With very few guests, changes in the numbers can still reveal when they send,
/// so show them to the operator only.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Statistics {
    /// Current connections.
    pub connections: u64,
    /// The maximum number of concurrent connections.
    pub max_connections: u64,
    /// The store's status: its usage and its limits.
    pub store: StoreStatus,
    /// The posture of the memory-only promise as reported to guests; unknown before the first
    /// connection.
    pub posture: Posture,
    /// Rooms that currently have a subscriber on this relay.
    pub watched_rooms: u64,
    /// Connections that were accepted.
    pub connected: u64,
    /// Connections that were refused because there was no free slot.
    pub turned_away: u64,
    /// Connections that were closed by the write timeout.
    pub stalled: u64,
    /// Requests by kind.
    pub requests: Vec<(&'static str, u64)>,
    /// Refusals by kind.
    pub refusals: Vec<(&'static str, u64)>,
    /// Frames that were written.
    pub frames_sent: u64,
    /// Bytes of frames that were written.
    pub bytes_sent: u64,
    /// Bytes of frames that were read.
    pub bytes_received: u64,
    /// How long requests took until the reply.
    pub answers: Histogram,
    /// How long writes took; frames that were not queued count as zero.
    pub writes: Histogram,
}

/// Durations, by buckets.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Histogram {
    /// Upper bounds in milliseconds, inclusive, with the count of each bucket; the last one has no
    /// bound.
    pub buckets: Vec<(Option<u64>, u64)>,
    /// The sum of all durations, in milliseconds.
    pub sum: u64,
}

/// The counters behind [`Statistics`].
#[derive(Default)]
pub(super) struct Counts {
    pub(super) connected: Count,
    pub(super) turned_away: Count,
    pub(super) stalled: Count,
    pub(super) bytes_received: Count,
    frames_sent: Count,
    bytes_sent: Count,
    requests: [Count; REQUESTS.len()],
    refusals: [Count; REFUSALS.len()],
    answers: Times,
    writes: Times,
}

/// Frames that were handed to links directly, without queueing.
#[derive(Clone, Copy, Default)]
pub(super) struct DirectSends {
    frames: u64,
    bytes: u64,
    writes: u64,
}

impl DirectSends {
    /// Adds the first `frames` frames of a broadcast, sent to one more connection.
    pub(super) fn add(&mut self, broadcast: &Broadcast, frames: usize) {
        if frames > 0 {
            self.frames = self.frames.saturating_add(wide(frames));
            self.bytes = self.bytes.saturating_add(wide(broadcast.bytes(frames)));
            self.writes = self.writes.saturating_add(1);
        }
    }
}

/// A monotonic counter.
#[derive(Default)]
pub(super) struct Count(AtomicU64);

impl Count {
    pub(super) fn add(&self, n: u64) {
        // Relaxed: the counters are independent of each other.
        self.0.fetch_add(n, Ordering::Relaxed);
    }

    fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

#[derive(Default)]
struct Times {
    buckets: [Count; BUCKETS],
    sum: Count,
}

impl Times {
    /// Adds `times` durations of zero.
    fn add_none(&self, times: u64) {
        if let Some(count) = self.buckets.first() {
            count.add(times);
        }
    }

    fn add(&self, from: Timestamp, to: Timestamp) {
        let took = millis(to.saturating_duration_since(from));
        let bucket = BOUNDS.iter().position(|&bound| took <= bound).unwrap_or(BOUNDS.len());
        if let Some(count) = self.buckets.get(bucket) {
            count.add(1);
        }
        self.sum.add(took);
    }

    fn read(&self) -> Histogram {
        let bounds = BOUNDS.into_iter().map(Some).chain([None]);
        let buckets = bounds.zip(self.buckets.iter().map(Count::get)).collect();
        Histogram { buckets, sum: self.sum.get() }
    }
}

impl Counts {
    pub(super) fn count_request(&self, request: &Request) {
        let kind = match request {
            Request::Create { .. } => 0,
            Request::Look { .. } => 1,
            Request::Join { .. } => 2,
            Request::Enter { .. } => 3,
            Request::Read { .. } => 4,
            Request::Publish { .. } => 5,
            Request::Void { .. } => 6,
            Request::Close { .. } => 7,
            Request::Detach { .. } => 8,
            Request::Work { .. } => 9,
        };
        count(&self.requests, kind);
    }

    pub(super) fn count_refusal(&self, refusal: Refusal) {
        let name = refusal.name();
        let kind = REFUSALS.iter().position(|known| *known == name).unwrap_or(REFUSALS.len());
        count(&self.refusals, kind);
    }

    pub(super) fn record_reply(&self, from: Timestamp, to: Timestamp) {
        self.answers.add(from, to);
    }

    pub(super) fn sent(&self, batch: &Batch, from: Timestamp, to: Timestamp) {
        self.frames_sent.add(wide(batch.frames.len()));
        // Frames that the link had already taken were counted when they were handed over.
        let bytes = batch.frames.iter().map(|frame| frame.len()).fold(0, usize::saturating_add);
        self.bytes_sent.add(wide(bytes));
        self.writes.add(from, to);
    }

    /// Counts frames that were sent without queueing.
    pub(super) fn sent_direct(&self, passed: DirectSends) {
        self.frames_sent.add(passed.frames);
        self.bytes_sent.add(passed.bytes);
        self.writes.add_none(passed.writes);
    }
}

impl Relay {
    /// Returns the relay's counters and current gauges.
    ///
    /// # Examples
    /// ```
    /// # use std::sync::Arc;
    /// # use anocm_core::{TokioClock, relay::{Relay, RelayConfig}, store::{MemoryLimits, MemoryStore}};
    /// # let clock = Arc::new(TokioClock::new());
    /// # let store = MemoryStore::new(clock.clone(), MemoryLimits::default())?;
    /// let relay = Relay::new(store, clock, RelayConfig::default())?;
    /// assert_eq!(relay.statistics().connections, 0);
    /// # Ok::<(), anocm_core::SettingError>(())
    /// ```
    #[must_use]
    pub fn statistics(&self) -> Statistics {
        let counts = &self.counts;
        let by = |names: &[&'static str], numbers: &[Count]| {
            names.iter().copied().zip(numbers.iter().map(Count::get)).collect()
        };
        Statistics {
            connections: wide(self.connections().len()),
            max_connections: wide(self.config.max_connections),
            store: self.store.status(),
            posture: self.seen().posture,
            watched_rooms: wide(self.shards.rooms()),
            connected: counts.connected.get(),
            turned_away: counts.turned_away.get(),
            stalled: counts.stalled.get(),
            requests: by(&REQUESTS, &counts.requests),
            refusals: by(&REFUSALS, &counts.refusals),
            frames_sent: counts.frames_sent.get(),
            bytes_sent: counts.bytes_sent.get(),
            bytes_received: counts.bytes_received.get(),
            answers: counts.answers.read(),
            writes: counts.writes.read(),
        }
    }
}

fn count(counts: &[Count], kind: usize) {
    if let Some(count) = counts.get(kind) {
        count.add(1);
    }
}

fn wide(n: usize) -> u64 {
    u64::try_from(n).unwrap_or(u64::MAX)
}
