//! What creating and joining rooms costs while many do it: work, and in the end patience.
//!
//! Two buckets are drawn from, one for the whole relay and one for each room that is joined. As
//! long as they are more than half full, nobody is asked for anything. Below that a guest has to
//! work before each creation or join, twice as much for each twentieth that the bucket has lost.
//! So the price rises until no more come than the buckets are refilled for: floods pay it, and
//! whoever comes once hardly notices. Only an empty bucket refuses.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use super::{
    Rate, RelayConfig, connection::Connection, rate::Bucket, recent::Recent, requests::busy,
};
use crate::{
    id::RoomAddress,
    time::Timestamp,
    transport::Closing,
    wire::{Puzzle, Refusal, Reply, RequestId, Solution},
    work::solves,
};

/// Depletion is counted in thousandths: from here on there is work to be done.
const FREE: u64 = 500;
/// What the depletion must grow by for the work to double.
const DOUBLES: u64 = 50;
/// Work that was asked for is good for so long, done or not: the price may have risen since.
const GOOD_FOR: Duration = Duration::from_secs(120);

/// What is asked of whoever creates or joins a room.
pub(super) struct Toll {
    room: Rate,
    max_effort: u32,
    // Short sections, none across an await.
    state: Mutex<State>,
}

struct State {
    all: Bucket,
    rooms: Recent<Bucket>,
}

impl Toll {
    pub(super) fn new(config: &RelayConfig, now: Timestamp) -> Self {
        let state = State { all: Bucket::new(config.admissions, now), rooms: Recent::new() };
        Self {
            room: config.room_joins,
            max_effort: config.max_effort.min(Puzzle::MAX_EFFORT),
            state: Mutex::new(state),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How much work a creation or join is, when `taken` thousandths of the relay's places are.
    fn effort(&self, address: &RoomAddress, taken: u64, now: Timestamp) -> u32 {
        let mut state = self.lock();
        let room = state.rooms.get_mut(address).map_or(0, |bucket| bucket.depletion(now));
        let depletion = state.all.depletion(now).max(room).max(taken * taken / 1_000);
        effort(self.max_effort, depletion)
    }

    /// Whether one more may come, or how long to wait.
    pub(super) fn check(&self, address: &RoomAddress, now: Timestamp) -> Result<(), Duration> {
        let mut state = self.lock();
        state.all.has(1, now)?;
        state.rooms.get_mut(address).map_or(Ok(()), |bucket| bucket.has(1, now))
    }

    /// A room was created.
    pub(super) fn created(&self) {
        self.lock().all.spend(1);
    }

    /// A room was joined.
    pub(super) fn joined(&self, address: &RoomAddress, now: Timestamp) {
        let mut state = self.lock();
        state.all.spend(1);
        let (fresh, is_old) =
            (|| Bucket::new(self.room, now), |bucket: &mut _| is_full(bucket, now));
        state.rooms.get_or(address, fresh, is_old).spend(1);
    }

    /// Forgets rooms that nobody has joined for so long that it makes no difference.
    pub(super) fn forget_old(&self, now: Timestamp) {
        self.lock().rooms.forget(|bucket| is_full(bucket, now));
    }

    #[cfg(test)]
    pub(super) fn remembered(&self) -> usize {
        self.lock().rooms.len()
    }
}

fn is_full(bucket: &mut Bucket, now: Timestamp) -> bool {
    bucket.depletion(now) == 0
}

/// The price at a depletion in thousandths: nothing up to a half, then twice as much for each
/// twentieth, `max` at the end.
fn effort(max: u32, depletion: u64) -> u32 {
    if depletion <= FREE {
        return 0;
    }
    let left = 1_000_u64.saturating_sub(depletion);
    let (halvings, rest) = (left / DOUBLES, left % DOUBLES);
    let upper = u64::from(max) >> halvings;
    let price = upper - upper / 2 * rest / DOUBLES;
    u32::try_from(price).unwrap_or(max)
}

/// What one connection was asked for, and has done.
#[derive(Default)]
pub(super) struct Worked {
    asked: HashMap<RoomAddress, (Puzzle, Timestamp)>,
    done: HashMap<RoomAddress, Timestamp>,
}

impl Worked {
    fn forget_old(&mut self, now: Timestamp) {
        self.asked.retain(|_, (_, asked)| asked.after(GOOD_FOR) > now);
        self.done.retain(|_, asked| asked.after(GOOD_FOR) > now);
    }

    /// Whether work is under way, or was done for what is still to come.
    pub(super) fn waits(&self, now: Timestamp) -> bool {
        let mut times = self.asked.values().map(|(_, asked)| asked).chain(self.done.values());
        times.any(|asked| asked.after(GOOD_FOR) > now)
    }
}

impl Connection<'_> {
    /// Refuses a creation or join that has to be worked for first.
    pub(super) fn check_toll(&mut self, address: &RoomAddress) -> Result<(), Refusal> {
        let now = self.relay.clock.now();
        self.worked.forget_old(now);
        let effort = self.relay.toll.effort(address, self.relay.taken_places(), now);
        if effort == 0 || self.worked.done.contains_key(address) {
            return self.relay.toll.check(address, now).map_err(busy);
        }
        let most = self.relay.config.max_rooms_per_connection;
        let asked = &mut self.worked.asked;
        if let Some((puzzle, _)) = asked.get(address) {
            return Err(Refusal::WorkNeeded(*puzzle));
        }
        if asked.len() >= most {
            asked.clear();
        }
        let mut seed = [0; 16];
        // Without randomness there is no puzzle that nobody has solved before.
        getrandom::fill(&mut seed).map_err(|_| busy(Duration::from_secs(1)))?;
        let puzzle = Puzzle { seed, effort };
        asked.insert(*address, (puzzle, now));
        Err(Refusal::WorkNeeded(puzzle))
    }

    /// Takes the work that was done for a room.
    pub(super) fn work(
        &mut self,
        id: RequestId,
        address: &RoomAddress,
        solution: Solution,
    ) -> Result<(), Refusal> {
        self.worked.forget_old(self.relay.clock.now());
        let (puzzle, asked) = self.worked.asked.remove(address).ok_or(Refusal::Unlawful)?;
        if !solves(&puzzle, address, solution) {
            // Checking costs more than asking: nobody gets to guess twice.
            tracing::debug!("connection closed: no solution");
            self.outbox.end(Closing::Protocol);
            return Ok(());
        }
        if self.worked.done.len() >= self.relay.config.max_rooms_per_connection {
            self.worked.done.clear();
        }
        self.worked.done.insert(*address, asked);
        self.grant(id, Reply::Done);
        Ok(())
    }

    /// What was worked for has come about.
    pub(super) fn pay(&mut self, address: &RoomAddress) {
        self.worked.asked.remove(address);
        self.worked.done.remove(address);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_price_doubles_with_each_twentieth_beyond_the_half() {
        let price = |depletion| effort(65_536, depletion);
        assert_eq!([0, 400, 500].map(price), [0; 3]);
        assert_eq!([550, 600, 950, 1_000].map(price), [128, 256, 32_768, 65_536]);
        assert_eq!(price(975), 49_152);
        assert!((501..1_000).all(|depletion| price(depletion) <= price(depletion + 1)));
        assert!((0..=1_000).all(|depletion| effort(0, depletion) == 0));
    }

    #[test]
    fn rooms_that_nobody_joins_any_more_are_forgotten() {
        let toll = Toll::new(&RelayConfig::default(), Timestamp::ZERO);
        for n in 0..10_000_u64 {
            let mut address = [0; 16];
            address[..8].copy_from_slice(&n.to_be_bytes());
            toll.joined(&RoomAddress::new(address), Timestamp::from_millis(1_000 * n));
        }
        assert!(toll.remembered() <= 1_024);
    }
}
