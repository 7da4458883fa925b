//! Turns at a door, so that a crowd comes in one after the other.
//!
//! A join is made for one epoch and begins the next, so of all who look through the door at once
//! only one gets in, and everybody else has worked in vain. So looks are granted at a pace: about
//! twice the time that newcomers lately took from the look to the join. Whoever comes in between is
//! told when to look again, and has that turn. The first few need no turn.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use crate::{id::RoomAddress, relay::admission::expiring_map::ExpiringMap, time::Timestamp};

/// The pace of a door at which nobody was seen yet.
const FIRST_PACE: Duration = Duration::from_millis(100);
const MIN_PACE: Duration = Duration::from_millis(20);
const MAX_PACE: Duration = Duration::from_secs(2);
/// So many turns may be taken at once.
const BURST: u32 = 4;
/// No turn is given that is further ahead; whoever comes then has none yet.
const MAX_AHEAD: Duration = Duration::from_secs(120);
/// A turn may be on its way for so long.
const TURN_VALID_FOR: Duration = Duration::from_secs(10);
/// Doors are remembered so long after the last turn.
const KEPT_FOR: Duration = Duration::from_secs(60);

/// The doors at which somebody was lately, and their turns.
pub(crate) struct JoinPacing {
    // Short sections, none across an await.
    doors: Mutex<ExpiringMap<Door>>,
}

#[derive(Clone, Copy)]
struct Door {
    /// When the next turn would be if there were only one at once.
    next: Timestamp,
    pace: Duration,
}

/// One newcomer at one door.
#[derive(Clone, Copy, Default)]
pub(crate) struct PendingJoin {
    pub(crate) retry_at: Option<Timestamp>,
    /// When the door was shown, and no join was made for that yet.
    pub(crate) looked_at: Option<Timestamp>,
    /// Was overtaken and may look again at once.
    pub(crate) overtaken: bool,
}

impl JoinPacing {
    pub(crate) fn new() -> Self {
        Self { doors: Mutex::new(ExpiringMap::new()) }
    }

    fn lock(&self) -> MutexGuard<'_, ExpiringMap<Door>> {
        self.doors.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A turn for one more newcomer, which has come if it is not after `now`; else how long to
    /// wait before asking for one.
    pub(crate) fn schedule(
        &self,
        address: &RoomAddress,
        now: Timestamp,
    ) -> Result<Timestamp, Duration> {
        let mut doors = self.lock();
        let fresh = || Door { next: Timestamp::ZERO, pace: FIRST_PACE };
        let door = doors.get_or_insert_with(address, fresh, |door| door.is_expired(now));
        // Time in which nobody came gives a few turns, not all of them.
        let next = door.next.max(now);
        let ahead = next.saturating_duration_since(now).saturating_sub(door.pace * (BURST - 1));
        if ahead > MAX_AHEAD {
            return Err(ahead - MAX_AHEAD);
        }
        door.next = next.saturating_add(door.pace);
        Ok(now.saturating_add(ahead))
    }

    /// Somebody took so long from the look to the join.
    pub(crate) fn record(&self, address: &RoomAddress, time: Duration) {
        if let Some(door) = self.lock().get_mut(address) {
            let pace = (2 * time).clamp(MIN_PACE, MAX_PACE);
            door.pace = (3 * door.pace + pace) / 4;
        }
    }

    /// Forgets doors at which nobody was for long.
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
    /// Whether a turn is still to come, or has come just now.
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
        let turns = JoinPacing::new();
        let given: Vec<_> = (0..6).map(|_| turns.schedule(&HERE, at(0)).unwrap()).collect();
        assert!(given[..4].iter().all(|turn| *turn <= at(0)));
        assert_eq!(given[4..], [at(100), at(200)]);
    }

    #[test]
    fn the_pace_is_what_newcomers_need() {
        let turns = JoinPacing::new();
        let pace = |turns: &JoinPacing| {
            turns.schedule(&HERE, at(0)).unwrap();
            turns.lock().get_mut(&HERE).unwrap().pace.as_millis()
        };
        assert_eq!(pace(&turns), 100);
        for (took, settles) in [(300, 600), (0, 20), (9_000, 2_000)] {
            for _ in 0..50 {
                turns.record(&HERE, Duration::from_millis(took));
            }
            assert!(pace(&turns).abs_diff(settles) <= 1, "{took}");
        }
    }

    #[test]
    fn nobody_is_made_to_wait_for_long_and_old_doors_are_forgotten() {
        let turns = JoinPacing::new();
        let given = std::iter::from_fn(|| turns.schedule(&HERE, at(0)).ok()).count();
        assert!((1_200..1_210).contains(&given), "{given}");
        for n in 0..5_000_u64 {
            let mut address = [0; 16];
            address[..8].copy_from_slice(&n.to_be_bytes());
            turns.schedule(&RoomAddress::new(address), at(1_000 * n)).unwrap();
        }
        assert!(turns.remembered() <= 1_024);
    }
}
