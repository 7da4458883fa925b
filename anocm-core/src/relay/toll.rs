//! What creating and joining rooms costs while many do it: work, and in the end patience.
//!
//! Two buckets are drawn from, one for the whole relay and one for each room that is joined. As
//! long as they are more than half full, nobody is asked for anything. Below that a guest has to
//! work before each creation or join, twice as much for each twentieth that the bucket has lost.
//! So the price rises until no more come than the buckets are refilled for: floods pay it, and
//! whoever comes once hardly notices. Only an empty bucket refuses.
//!
//! The store's memory is a third bucket, and the bytes that a request would take of it have a price
//! of their own from the first one on: a mebibyte costs a 64th of the most that is asked for while
//! the memory is empty, and all of that once half of it is taken.

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
    store::Level,
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
/// Bytes that cost the whole price of memory.
const MEBIBYTE: u64 = 1 << 20;
/// The depletion that stands for empty memory: a 64th of the most.
const EMPTY: u64 = 700;
/// A price for memory below this part of the most is not asked for: a puzzle takes a round trip.
const PART: u32 = 1_024;

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

    /// How much work a creation or join is.
    fn effort(&self, address: &RoomAddress, load: Load, now: Timestamp) -> u32 {
        let Load { places, memory, bytes } = load;
        let mut state = self.lock();
        let room = state.rooms.get_mut(address).map_or(0, |bucket| bucket.depletion(now));
        let depletion = state.all.depletion(now).max(room).max(places * places / 1_000);
        let max = self.max_effort;
        effort(max, depletion.max(memory)).max(price_of_memory(max, memory, bytes))
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

/// The price of so many bytes of the store's memory, of which `taken` thousandths are.
fn price_of_memory(max: u32, taken: u64, bytes: u64) -> u32 {
    let depletion = EMPTY + (1_000 - EMPTY) * taken.min(500) / 500;
    let price = u64::from(effort(max, depletion)).saturating_mul(bytes) / MEBIBYTE;
    let price = u32::try_from(price).unwrap_or(max).min(max);
    if price < max / PART { 0 } else { price }
}

/// What decides about the price, besides how many have come.
#[derive(Clone, Copy)]
struct Load {
    /// Thousandths of the relay's places for connections that are taken.
    places: u64,
    /// Thousandths of the store's memory that are taken.
    memory: u64,
    /// What the request would take of it.
    bytes: u64,
}

/// What one connection was asked for, and has done.
#[derive(Default)]
pub(super) struct Worked {
    asked: HashMap<RoomAddress, (Puzzle, Asked)>,
    done: HashMap<RoomAddress, Asked>,
}

/// When work was asked for, and for how many bytes.
#[derive(Clone, Copy)]
struct Asked {
    at: Timestamp,
    bytes: u64,
}

impl Asked {
    fn is_good(&self, now: Timestamp) -> bool {
        self.at.after(GOOD_FOR) > now
    }
}

impl Worked {
    fn forget_old(&mut self, now: Timestamp) {
        self.asked.retain(|_, (_, asked)| asked.is_good(now));
        self.done.retain(|_, asked| asked.is_good(now));
    }

    /// Whether the work was done for a room and so many bytes.
    fn covers(&self, address: &RoomAddress, bytes: u64) -> bool {
        self.done.get(address).is_some_and(|asked| asked.bytes >= bytes)
    }

    /// Whether work is under way, or was done for what is still to come.
    pub(super) fn waits(&self, now: Timestamp) -> bool {
        let mut all = self.asked.values().map(|(_, asked)| asked).chain(self.done.values());
        all.any(|asked| asked.is_good(now))
    }
}

impl Connection<'_> {
    /// Refuses a creation or join that has to be worked for first, and takes `bytes` of memory.
    pub(super) fn check_toll(
        &mut self,
        address: &RoomAddress,
        bytes: usize,
    ) -> Result<(), Refusal> {
        let now = self.relay.clock.now();
        self.worked.forget_old(now);
        let load = Load {
            places: self.relay.taken_places(),
            memory: self.relay.store.status().memory.map_or(0, Level::thousandths),
            bytes: u64::try_from(bytes).unwrap_or(u64::MAX),
        };
        let effort = self.relay.toll.effort(address, load, now);
        if effort == 0 || self.worked.covers(address, load.bytes) {
            return self.relay.toll.check(address, now).map_err(busy);
        }
        let most = self.relay.config.max_rooms_per_connection;
        let asked = &mut self.worked.asked;
        if let Some((puzzle, asked)) = asked.get(address)
            && asked.bytes >= load.bytes
        {
            return Err(Refusal::WorkNeeded(*puzzle));
        }
        if asked.len() >= most {
            asked.clear();
        }
        let mut seed = [0; 16];
        // Without randomness there is no puzzle that nobody has solved before.
        getrandom::fill(&mut seed).map_err(|_| busy(Duration::from_secs(1)))?;
        let puzzle = Puzzle { seed, effort };
        asked.insert(*address, (puzzle, Asked { at: now, bytes: load.bytes }));
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
    fn memory_is_paid_for_by_the_byte_and_is_dearer_the_less_there_is() {
        let price = |taken, bytes| price_of_memory(65_536, taken, bytes);
        let mebibyte = [0, 250, 500, 1_000].map(|taken| price(taken, MEBIBYTE));
        assert_eq!(mebibyte, [1_024, 8_192, 65_536, 65_536]);
        assert_eq!(price(0, MEBIBYTE / 4), 256);
        // What an ordinary room takes costs nothing until half is taken.
        assert_eq!([0, 250, 400].map(|taken| price(taken, 2_024)), [0; 3]);
        assert_eq!(price(500, 2_024), 126);
        assert!((0..1_000).all(|taken| price(taken, MEBIBYTE) <= price(taken + 1, MEBIBYTE)));
        assert_eq!(price(1_000, u64::MAX), 65_536);
        assert_eq!(price_of_memory(0, 1_000, MEBIBYTE), 0);
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
