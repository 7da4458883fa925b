//! Join pacing: clients that join one room at the same time are let in one after the other.
//!
//! A join is made for one epoch and begins the next. Of all clients that query the door in the same
//! epoch only one can join; the joins of the others are stale. So door queries are paced: their
//! interval is about twice the time that recent joiners took from the query to the join. A client
//! that comes earlier is refused with a retry time, and that slot is reserved for it. The first few
//! clients are not paced.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use crate::{id::RoomAddress, relay::admission::expiring_map::ExpiringMap, time::Timestamp};

/// The interval at a door where no join was measured yet.
const FIRST_PACE: Duration = Duration::from_millis(100);
const MIN_PACE: Duration = Duration::from_millis(20);
const MAX_PACE: Duration = Duration::from_secs(2);
/// How many slots may be used at once.
const BURST: u32 = 4;
/// The furthest ahead that a slot is reserved. Beyond that a client is refused with the time to
/// wait before it asks for one.
const MAX_AHEAD: Duration = Duration::from_secs(120);
/// How long after the time of its slot a join still counts as pending.
const TURN_VALID_FOR: Duration = Duration::from_secs(10);
/// How long a door's state is kept after its last slot.
const KEPT_FOR: Duration = Duration::from_secs(60);

/// The recently queried doors and their pacing.
pub(crate) struct JoinPacing {
    // Short critical sections, never held across an await.
    doors: Mutex<ExpiringMap<Door>>,
}

#[derive(Clone, Copy)]
struct Door {
    /// When the next slot would be without the burst.
    next: Timestamp,
    pace: Duration,
}

/// One pending join of a connection.
#[derive(Clone, Copy, Default)]
pub(crate) struct PendingJoin {
    pub(crate) retry_at: Option<Timestamp>,
    /// When the door was queried, if no join was made since.
    pub(crate) looked_at: Option<Timestamp>,
    /// Another join came first: the client may query again at once.
    pub(crate) overtaken: bool,
}

impl JoinPacing {
    pub(crate) fn new() -> Self {
        Self { doors: Mutex::new(ExpiringMap::new()) }
    }

    fn lock(&self) -> MutexGuard<'_, ExpiringMap<Door>> {
        self.doors.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reserves a slot for one more client and returns its time. The slot is due if that is not
    /// after `now`. Fails with how long to wait before asking for a slot.
    pub(crate) fn schedule(
        &self,
        address: &RoomAddress,
        now: Timestamp,
    ) -> Result<Timestamp, Duration> {
        let mut doors = self.lock();
        let fresh = || Door { next: Timestamp::ZERO, pace: FIRST_PACE };
        let door = doors.get_or_insert_with(address, fresh, |door| door.is_expired(now));
        // Idle time accumulates no more than a burst of slots.
        let next = door.next.max(now);
        let ahead = next.saturating_duration_since(now).saturating_sub(door.pace * (BURST - 1));
        if ahead > MAX_AHEAD {
            return Err(ahead - MAX_AHEAD);
        }
        door.next = next.saturating_add(door.pace);
        Ok(now.saturating_add(ahead))
    }

    /// Records how long a client took from the door query to the join.
    pub(crate) fn record(&self, address: &RoomAddress, time: Duration) {
        if let Some(door) = self.lock().get_mut(address) {
            let pace = (2 * time).clamp(MIN_PACE, MAX_PACE);
            door.pace = (3 * door.pace + pace) / 4;
        }
    }

    /// Removes doors that were not queried for long.
    pub(crate) fn remove_expired(&self, now: Timestamp) {
        self.lock().remove_expired(|door| door.is_expired(now));
    }

    #[cfg(test)]
    pub(crate) fn remembered(&self) -> usize {
        self.lock().len()
    }
}

impl Door {
    fn is_expired(&self, now: Timestamp) -> bool {
        self.next.saturating_add(KEPT_FOR) <= now
    }
}

impl PendingJoin {
    /// Returns whether a slot is reserved for later, or was due just now.
    pub(crate) fn is_pending(&self, now: Timestamp) -> bool {
        self.retry_at.is_some_and(|turn| turn.saturating_add(TURN_VALID_FOR) > now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HERE: RoomAddress = RoomAddress::new([7; 16]);

    fn at(millis: u64) -> Timestamp {
        Timestamp::from_millis(10_000 + millis)
    }

    #[test]
    fn a_few_come_at_once_and_then_one_after_the_other() {
        let pacing = JoinPacing::new();
        let given: Vec<_> = (0..6).map(|_| pacing.schedule(&HERE, at(0)).unwrap()).collect();
        assert!(given[..4].iter().all(|turn| *turn <= at(0)));
        assert_eq!(given[4..], [at(100), at(200)]);
    }

    #[test]
    fn the_pace_fits_the_time_that_a_join_takes() {
        let pacing = JoinPacing::new();
        let pace = |pacing: &JoinPacing| {
            pacing.schedule(&HERE, at(0)).unwrap();
            pacing.lock().get_mut(&HERE).unwrap().pace.as_millis()
        };
        assert_eq!(pace(&pacing), 100);
        for (took, settles) in [(300, 600), (0, 20), (9_000, 2_000)] {
            for _ in 0..50 {
                pacing.record(&HERE, Duration::from_millis(took));
            }
            assert!(pace(&pacing).abs_diff(settles) <= 1, "{took}");
        }
    }

    #[test]
    fn waits_are_bounded_and_old_doors_are_forgotten() {
        let pacing = JoinPacing::new();
        let given = std::iter::from_fn(|| pacing.schedule(&HERE, at(0)).ok()).count();
        assert!((1_200..1_210).contains(&given), "{given}");
        for n in 0..5_000_u64 {
            let mut address = [0; 16];
            address[..8].copy_from_slice(&n.to_be_bytes());
            pacing.schedule(&RoomAddress::new(address), at(1_000 * n)).unwrap();
        }
        assert!(pacing.remembered() <= 1_024);
    }
}
