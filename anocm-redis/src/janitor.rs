//! Erases what is due, promptly, whichever relay it came from.

use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, Weak,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use futures_util::future::join_all;
use redis::{FromRedisValue, Value};
use tokio::{
    sync::Notify,
    time::{Instant, sleep_until},
};

use crate::{
    keys::{SHARDS, Shard},
    script::Name,
    servers::Servers,
};

/// How often every slot is looked at, whatever is known of it: other relays keep things there,
/// and may be no more.
const LOOK: Duration = Duration::from_secs(1);
/// The shortest time between two looks at a slot.
const SHORTEST: Duration = Duration::from_millis(5);
/// How many entries of a room are erased in one step of the server.
const TOGETHER: &str = "100";

/// Knows when something is due.
pub(crate) struct Janitor {
    slots: Mutex<Vec<Slot>>,
    earlier: Notify,
    rooms: AtomicUsize,
}

#[derive(Clone, Copy)]
struct Slot {
    /// When to look next.
    next: Instant,
    rooms: usize,
}

impl Janitor {
    /// One who works until the servers are no more needed.
    pub(crate) fn hire(servers: &Arc<Servers>) -> Arc<Self> {
        let fresh = Slot { next: Instant::now(), rooms: 0 };
        let janitor = Arc::new(Self {
            slots: Mutex::new(vec![fresh; SHARDS]),
            earlier: Notify::new(),
            rooms: AtomicUsize::new(0),
        });
        tokio::spawn(work(Arc::downgrade(&janitor), Arc::downgrade(servers)));
        janitor
    }

    /// How many rooms there are, as last seen.
    pub(crate) fn rooms(&self) -> usize {
        self.rooms.load(Ordering::Relaxed)
    }

    /// Something in this slot is due after so long.
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

    /// Slots whose time has come, which are looked at again later whatever becomes of it; or when
    /// that of the first one comes.
    fn due(&self) -> Result<Vec<Shard>, Instant> {
        let now = Instant::now();
        let mut slots = self.lock();
        let first = slots.iter().map(|slot| slot.next).min().unwrap_or(now + LOOK);
        if first > now {
            return Err(first);
        }
        let due = Shard::all().filter(|shard| {
            let slot = slots.get_mut(shard.index()).filter(|slot| slot.next <= now);
            slot.map(|slot| slot.next = now + LOOK).is_some()
        });
        Ok(due.collect())
    }

    /// What was found at a slot.
    fn found(&self, shard: Shard, tended: &Tended) {
        {
            let mut slots = self.lock();
            let Some(slot) = slots.get_mut(shard.index()) else { return };
            // Each for itself: the sum needs no lock.
            self.rooms.fetch_add(tended.rooms, Ordering::Relaxed);
            self.rooms.fetch_sub(slot.rooms, Ordering::Relaxed);
            slot.rooms = tended.rooms;
        }
        if let Some(after) = tended.next.filter(|after| *after < LOOK) {
            self.expect(shard, after.max(SHORTEST));
        }
    }
}

/// What the script says.
struct Tended {
    /// When there is more to do.
    next: Option<Duration>,
    rooms: usize,
}

impl Tended {
    fn of(value: Value) -> Option<Self> {
        let (now, next, rooms) = <(i64, i64, usize)>::from_redis_value(value).ok()?;
        let after = u64::try_from(next.saturating_sub(now)).unwrap_or(0);
        let next = (next >= 0).then_some(Duration::from_millis(after));
        Some(Self { next, rooms })
    }
}

async fn work(janitor: Weak<Janitor>, servers: Weak<Servers>) {
    while let Some(at_work) = janitor.upgrade() {
        match at_work.due() {
            Ok(due) => {
                let Some(servers) = servers.upgrade() else { return };
                join_all(due.into_iter().map(|shard| tend(&at_work, &servers, shard))).await;
            }
            Err(first) => {
                tokio::select! {
                    () = sleep_until(first) => {}
                    () = at_work.earlier.notified() => {}
                }
            }
        }
    }
}

async fn tend(janitor: &Janitor, servers: &Servers, shard: Shard) {
    let key = shard.key();
    match servers.run(shard, Name::Tend, &[&key], &[TOGETHER.as_bytes()]).await {
        Ok(value) => {
            if let Some(tended) = Tended::of(value) {
                janitor.found(shard, &tended);
            }
        }
        Err(fault) => tracing::debug!("a slot could not be tended: {fault:?}"),
    }
}
