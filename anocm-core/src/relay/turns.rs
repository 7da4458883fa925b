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

use super::{connection::Connection, recent::Recent, requests::busy};
use crate::{
    id::RoomAddress,
    time::{Timestamp, millis},
    wire::Refusal,
};

/// The pace of a door at which nobody was seen yet.
const FIRST_PACE: Duration = Duration::from_millis(100);
const FASTEST: Duration = Duration::from_millis(20);
const SLOWEST: Duration = Duration::from_secs(2);
/// So many turns may be taken at once.
const AT_ONCE: u32 = 4;
/// No turn is given that is further ahead; whoever comes then has none yet.
const AHEAD: Duration = Duration::from_secs(120);
/// A turn may be on its way for so long.
const TAKEN: Duration = Duration::from_secs(10);
/// Doors are remembered so long after the last turn.
const REMEMBERED: Duration = Duration::from_secs(60);

/// The doors at which somebody was lately, and their turns.
pub(super) struct Turns {
    // Short sections, none across an await.
    doors: Mutex<Recent<Door>>,
}

#[derive(Clone, Copy)]
struct Door {
    /// When the next turn would be if there were only one at once.
    next: Timestamp,
    pace: Duration,
}

/// One newcomer at one door.
#[derive(Clone, Copy, Default)]
pub(super) struct Newcomer {
    turn: Option<Timestamp>,
    /// When the door was shown, and no join was made for that yet.
    looked: Option<Timestamp>,
    /// Was overtaken and may look again at once.
    overtaken: bool,
}

impl Turns {
    pub(super) fn new() -> Self {
        Self { doors: Mutex::new(Recent::new()) }
    }

    fn lock(&self) -> MutexGuard<'_, Recent<Door>> {
        self.doors.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A turn for one more newcomer, which has come if it is not after `now`; else how long to
    /// wait before asking for one.
    fn give(&self, address: &RoomAddress, now: Timestamp) -> Result<Timestamp, Duration> {
        let mut doors = self.lock();
        let fresh = || Door { next: Timestamp::ZERO, pace: FIRST_PACE };
        let door = doors.get_or(address, fresh, |door| door.is_old(now));
        // Time in which nobody came gives a few turns, not all of them.
        let next = door.next.max(now);
        let ahead = next.since(now).saturating_sub(door.pace * (AT_ONCE - 1));
        if ahead > AHEAD {
            return Err(ahead - AHEAD);
        }
        door.next = next.after(door.pace);
        Ok(now.after(ahead))
    }

    /// Somebody took so long from the look to the join.
    fn took(&self, address: &RoomAddress, time: Duration) {
        if let Some(door) = self.lock().get_mut(address) {
            let pace = (2 * time).clamp(FASTEST, SLOWEST);
            door.pace = (3 * door.pace + pace) / 4;
        }
    }

    /// Forgets doors at which nobody was for long.
    pub(super) fn forget_old(&self, now: Timestamp) {
        self.lock().forget(|door| door.is_old(now));
    }

    #[cfg(test)]
    pub(super) fn remembered(&self) -> usize {
        self.lock().len()
    }
}

impl Door {
    fn is_old(&self, now: Timestamp) -> bool {
        self.next.after(REMEMBERED) <= now
    }
}

impl Connection<'_> {
    /// Whether it is this newcomer's turn to look through the door.
    pub(super) fn check_turn(&mut self, address: &RoomAddress) -> Result<(), Refusal> {
        let now = self.relay.clock.now();
        if !self.newcomers.contains_key(address)
            && self.newcomers.len() >= self.relay.config.max_rooms_per_connection
        {
            self.newcomers.clear();
        }
        let newcomer = self.newcomers.entry(*address).or_default();
        if !std::mem::take(&mut newcomer.overtaken) {
            let turn = match newcomer.turn {
                Some(turn) => turn,
                None => self.relay.turns.give(address, now).map_err(busy)?,
            };
            newcomer.turn = Some(turn).filter(|turn| *turn > now);
            if newcomer.turn.is_some() {
                return Err(crowded(turn.since(now)));
            }
        }
        newcomer.looked = Some(now);
        Ok(())
    }

    /// A newcomer has joined, or was overtaken.
    pub(super) fn end_turn(&mut self, address: &RoomAddress, joined: bool) {
        let Some(newcomer) = self.newcomers.get_mut(address) else {
            return;
        };
        if let Some(looked) = newcomer.looked.take() {
            // Of whoever did not join it says nothing: they may only want to slow others down.
            if joined {
                let time = self.relay.clock.now().since(looked);
                self.relay.turns.took(address, time);
            }
            newcomer.overtaken = !joined;
        }
        if joined {
            self.newcomers.remove(address);
        }
    }
}

impl Newcomer {
    /// Whether a turn is still to come, or has come just now.
    pub(super) fn waits(&self, now: Timestamp) -> bool {
        self.turn.is_some_and(|turn| turn.after(TAKEN) > now)
    }
}

fn crowded(wait: Duration) -> Refusal {
    let retry_after = u32::try_from(millis(wait)).unwrap_or(u32::MAX).max(1);
    Refusal::Crowded { retry_after }
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
        let turns = Turns::new();
        let given: Vec<_> = (0..6).map(|_| turns.give(&HERE, at(0)).unwrap()).collect();
        assert!(given[..4].iter().all(|turn| *turn <= at(0)));
        assert_eq!(given[4..], [at(100), at(200)]);
    }

    #[test]
    fn the_pace_is_what_newcomers_need() {
        let turns = Turns::new();
        let pace = |turns: &Turns| {
            turns.give(&HERE, at(0)).unwrap();
            turns.lock().get_mut(&HERE).unwrap().pace.as_millis()
        };
        assert_eq!(pace(&turns), 100);
        for (took, settles) in [(300, 600), (0, 20), (9_000, 2_000)] {
            for _ in 0..50 {
                turns.took(&HERE, Duration::from_millis(took));
            }
            assert!(pace(&turns).abs_diff(settles) <= 1, "{took}");
        }
    }

    #[test]
    fn nobody_is_made_to_wait_for_long_and_old_doors_are_forgotten() {
        let turns = Turns::new();
        let given = std::iter::from_fn(|| turns.give(&HERE, at(0)).ok()).count();
        assert!((1_200..1_210).contains(&given), "{given}");
        for n in 0..5_000_u64 {
            let mut address = [0; 16];
            address[..8].copy_from_slice(&n.to_be_bytes());
            turns.give(&RoomAddress::new(address), at(1_000 * n)).unwrap();
        }
        assert!(turns.remembered() <= 1_024);
    }
}
