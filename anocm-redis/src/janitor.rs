//! Erases expired entries and rooms promptly, whichever relay created them.

use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, Weak,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use redis::{FromRedisValue, Value};
use tokio::{
    sync::Notify,
    time::{Instant, sleep_until},
};

use crate::{
    keys::{SHARDS, Shard},
    script::Name,
    scrub::BufferScrubber,
    servers::{RoundTrip, ServerTime, Servers},
};

/// How often every shard is checked, even if nothing is expected there: entries of other relays
/// expire there, and those relays may have died.
const INTERVAL: Duration = Duration::from_secs(1);
/// The most entries of a room erased in one run of the script.
const MAX_ENTRIES_PER_STEP: &str = "100";

/// Schedules expiry for each shard.
pub(crate) struct Janitor {
    slots: Mutex<Vec<Slot>>,
    earlier: Notify,
    rooms: AtomicUsize,
    scrubber: Arc<BufferScrubber>,
}

#[derive(Clone, Copy)]
struct Slot {
    /// When the next check is due.
    next: Instant,
    rooms: usize,
    /// Whether a task is processing the shard. One task per shard: a server that hangs must not
    /// delay the others.
    is_tended: bool,
}

impl Janitor {
    /// Starts a janitor that runs until the servers are dropped.
    pub(crate) fn spawn(servers: &Arc<Servers>, scrubber: &Arc<BufferScrubber>) -> Arc<Self> {
        let fresh = Slot { next: Instant::now(), rooms: 0, is_tended: false };
        let janitor = Arc::new(Self {
            slots: Mutex::new(vec![fresh; SHARDS]),
            earlier: Notify::new(),
            rooms: AtomicUsize::new(0),
            scrubber: Arc::clone(scrubber),
        });
        tokio::spawn(run(Arc::downgrade(&janitor), Arc::downgrade(servers)));
        janitor
    }

    /// Returns how many rooms there are, as last seen.
    pub(crate) fn rooms(&self) -> usize {
        self.rooms.load(Ordering::Relaxed)
    }

    /// Schedules a check of this shard after a delay.
    pub(crate) fn expect(&self, shard: Shard, after: Duration) {
        let due = Instant::now() + after;
        let mut slots = self.lock();
        if let Some(slot) = slots.get_mut(shard.index())
            && due < slot.next
        {
            slot.next = due;
            self.earlier.notify_one();
        }
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Slot>> {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the shards that are due and reschedules them, whatever the outcome of their check.
    /// If none is due, returns the time of the next one.
    fn due(&self) -> Result<Vec<Shard>, Instant> {
        let now = Instant::now();
        let mut slots = self.lock();
        let free = slots.iter().filter(|slot| !slot.is_tended);
        let first = free.map(|slot| slot.next).min().unwrap_or(now + INTERVAL);
        if first > now {
            return Err(first);
        }
        let due = Shard::all().filter(|shard| {
            let slot = slots.get_mut(shard.index());
            let slot = slot.filter(|slot| slot.next <= now && !slot.is_tended);
            let slot = slot.map(|slot| (slot.next, slot.is_tended) = (now + INTERVAL, true));
            slot.is_some()
        });
        Ok(due.collect())
    }

    fn leave(&self, shard: Shard) {
        if let Some(slot) = self.lock().get_mut(shard.index()) {
            slot.is_tended = false;
        }
        self.earlier.notify_one();
    }

    /// Records the result of a shard's check.
    fn found(&self, shard: Shard, tended: &ExpireReply) {
        {
            let mut slots = self.lock();
            let Some(slot) = slots.get_mut(shard.index()) else { return };
            // Two separate atomic updates: the sum needs no lock.
            self.rooms.fetch_add(tended.rooms, Ordering::Relaxed);
            self.rooms.fetch_sub(slot.rooms, Ordering::Relaxed);
            slot.rooms = tended.rooms;
        }
        if tended.has_erased {
            self.scrubber.note();
        }
        if let Some(after) = tended.next.filter(|after| *after < INTERVAL) {
            self.expect(shard, after);
        }
    }
}

/// The reply of the `expire` script.
struct ExpireReply {
    /// When more is due.
    next: Option<Duration>,
    rooms: usize,
    has_erased: bool,
    clock: ServerTime,
}

impl ExpireReply {
    fn of(value: Value) -> Option<Self> {
        let (next, rooms, done, wall, offset) =
            <(i64, usize, usize, u64, Option<i64>)>::from_redis_value(value).ok()?;
        let next = u64::try_from(next).ok().map(Duration::from_millis);
        Some(Self { next, rooms, has_erased: done > 0, clock: ServerTime { wall, offset } })
    }
}

async fn run(janitor: Weak<Janitor>, servers: Weak<Servers>) {
    while let Some(at_work) = janitor.upgrade() {
        let Some(servers) = servers.upgrade() else { return };
        servers.looks_after_rooms();
        match at_work.due() {
            Ok(due) => {
                for shard in due {
                    tokio::spawn(expire(Arc::clone(&at_work), Arc::clone(&servers), shard));
                }
            }
            Err(first) => {
                drop(servers);
                tokio::select! {
                    () = sleep_until(first) => {}
                    () = at_work.earlier.notified() => {}
                }
            }
        }
    }
}

async fn expire(janitor: Arc<Janitor>, servers: Arc<Servers>, shard: Shard) {
    let key = shard.key();
    loop {
        let sent = servers.here();
        // Relays that have connections in a room touch it before it is ended.
        let spares: &[u8] = if servers.has_just_gone_on() { b"1" } else { b"0" };
        match servers
            .run(shard, Name::Expire, &[&key], &[MAX_ENTRIES_PER_STEP.as_bytes(), spares])
            .await
        {
            Ok(value) => {
                let Some(tended) = ExpireReply::of(value) else { break };
                let asked = RoundTrip { sent, answered: servers.here() };
                servers.observe_clock(shard, asked, tended.clock).await;
                janitor.found(shard, &tended);
                if tended.next != Some(Duration::ZERO) {
                    break;
                }
            }
            // The server's outage was logged once for all shards. The shard is checked again later.
            Err(_) => break,
        }
    }
    janitor.leave(shard);
}
