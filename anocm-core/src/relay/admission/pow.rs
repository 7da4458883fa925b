//! Admission control for creating and joining rooms: proof of work above half load, `Busy` at the
//! limit.
//!
//! There are two token buckets, one for the whole relay and one for each room that is joined. While
//! they are more than half full, no proof of work is required. Below that a guest has to solve a
//! puzzle before each creation or join; the difficulty doubles with each twentieth of the bucket
//! that is used up. So the difficulty rises until requests come no faster than the buckets refill:
//! a flood bears the cost, and a client that joins once hardly notices. Requests are refused only
//! when a bucket is empty.
//!
//! The store's memory is a third bucket, and the bytes that a request would take of it have a
//! difficulty of their own from the first byte on: a mebibyte costs a 64th of the maximum
//! difficulty while the memory is empty, and all of it once half of the memory is taken.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use crate::{
    id::RoomAddress,
    relay::{
        Rate, RelayConfig,
        admission::{expiring_map::ExpiringMap, rate_limit::TokenBucket},
    },
    time::Timestamp,
    wire::Puzzle,
};

/// Depletion is counted in thousandths: above this, proof of work is required.
const FREE_BELOW: u64 = 500;
/// The increase in depletion at which the difficulty doubles.
const DOUBLES_EVERY: u64 = 50;
/// How long a puzzle is valid, solved or not: the difficulty may have risen since.
const VALID_FOR: Duration = Duration::from_secs(120);
/// The bytes to which the full memory difficulty applies.
const MEBIBYTE: u64 = 1 << 20;
/// The depletion that stands for empty memory: a 64th of the maximum difficulty.
const EMPTY_MEMORY: u64 = 700;
/// A memory difficulty below this fraction of the maximum is dropped: a puzzle costs a round trip.
const NEGLIGIBLE_PART: u32 = 1_024;

/// Decides on the proof of work for creating and joining rooms.
pub(crate) struct PowPolicy {
    room: Rate,
    max_difficulty: u32,
    // Short critical sections, never held across an await.
    state: Mutex<State>,
}

struct State {
    all: TokenBucket,
    rooms: ExpiringMap<TokenBucket>,
}

impl PowPolicy {
    pub(crate) fn new(config: &RelayConfig, now: Timestamp) -> Self {
        let state =
            State { all: TokenBucket::new(config.admissions, now), rooms: ExpiringMap::new() };
        Self {
            room: config.room_joins,
            max_difficulty: config.max_difficulty.min(Puzzle::MAX_DIFFICULTY),
            state: Mutex::new(state),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the proof-of-work difficulty of a creation or join.
    pub(crate) fn difficulty(&self, address: &RoomAddress, load: Load, now: Timestamp) -> u32 {
        let Load { places, memory, bytes } = load;
        let mut state = self.lock();
        let room = state.rooms.get_mut(address).map_or(0, |bucket| bucket.depletion(now));
        let depletion = state.all.depletion(now).max(room).max(places * places / 1_000);
        let max = self.max_difficulty;
        difficulty(max, depletion.max(memory)).max(memory_difficulty(max, memory, bytes))
    }

    /// Checks whether one more creation or join is allowed now; fails with how long to wait.
    pub(crate) fn check(&self, address: &RoomAddress, now: Timestamp) -> Result<(), Duration> {
        let mut state = self.lock();
        state.all.check(1, now)?;
        state.rooms.get_mut(address).map_or(Ok(()), |bucket| bucket.check(1, now))
    }

    /// Records a created room.
    pub(crate) fn created(&self) {
        self.lock().all.spend(1);
    }

    /// Records a join of a room.
    pub(crate) fn joined(&self, address: &RoomAddress, now: Timestamp) {
        let mut state = self.lock();
        state.all.spend(1);
        let (fresh, is_old) =
            (|| TokenBucket::new(self.room, now), |bucket: &mut _| is_full(bucket, now));
        state.rooms.get_or_insert_with(address, fresh, is_old).spend(1);
    }

    /// Removes rooms whose bucket is full again: a fresh bucket would behave the same.
    pub(crate) fn remove_expired(&self, now: Timestamp) {
        self.lock().rooms.remove_expired(|bucket| is_full(bucket, now));
    }

    #[cfg(test)]
    pub(crate) fn remembered(&self) -> usize {
        self.lock().rooms.len()
    }
}

fn is_full(bucket: &mut TokenBucket, now: Timestamp) -> bool {
    bucket.depletion(now) == 0
}

/// Returns the difficulty at a depletion in thousandths: zero up to one half, then doubling with
/// each twentieth, up to `max` at full depletion.
fn difficulty(max: u32, depletion: u64) -> u32 {
    if depletion <= FREE_BELOW {
        return 0;
    }
    let left = 1_000_u64.saturating_sub(depletion);
    let (halvings, rest) = (left / DOUBLES_EVERY, left % DOUBLES_EVERY);
    let upper = u64::from(max) >> halvings;
    let price = upper - upper / 2 * rest / DOUBLES_EVERY;
    u32::try_from(price).unwrap_or(max)
}

/// Returns the difficulty of taking `bytes` of the store's memory, of which `taken` thousandths are
/// used.
fn memory_difficulty(max: u32, taken: u64, bytes: u64) -> u32 {
    let depletion = EMPTY_MEMORY + (1_000 - EMPTY_MEMORY) * taken.min(500) / 500;
    let price = u64::from(difficulty(max, depletion)).saturating_mul(bytes) / MEBIBYTE;
    let price = u32::try_from(price).unwrap_or(max).min(max);
    if price < max / NEGLIGIBLE_PART { 0 } else { price }
}

/// The load that the difficulty depends on, besides the rate of requests.
#[derive(Clone, Copy)]
pub(crate) struct Load {
    /// Thousandths of the relay's connection slots that are in use.
    pub(crate) places: u64,
    /// Thousandths of the store's memory that are in use.
    pub(crate) memory: u64,
    /// Bytes of memory that the request would take.
    pub(crate) bytes: u64,
}

/// The puzzles of one connection, issued and solved.
#[derive(Default)]
pub(crate) struct PowState {
    pub(crate) issued: HashMap<RoomAddress, (Puzzle, Challenge)>,
    pub(crate) solved: HashMap<RoomAddress, Challenge>,
}

/// When a puzzle was issued, and for how many bytes.
#[derive(Clone, Copy)]
pub(crate) struct Challenge {
    pub(crate) at: Timestamp,
    pub(crate) bytes: u64,
}

impl Challenge {
    fn is_valid(&self, now: Timestamp) -> bool {
        self.at.saturating_add(VALID_FOR) > now
    }
}

impl PowState {
    pub(crate) fn remove_expired(&mut self, now: Timestamp) {
        self.issued.retain(|_, (_, asked)| asked.is_valid(now));
        self.solved.retain(|_, asked| asked.is_valid(now));
    }

    /// Returns whether a solved puzzle covers a room and this many bytes.
    pub(crate) fn covers(&self, address: &RoomAddress, bytes: u64) -> bool {
        self.solved.get(address).is_some_and(|asked| asked.bytes >= bytes)
    }

    /// Returns whether a puzzle is being solved, or was solved for a request that is still to come.
    pub(crate) fn is_pending(&self, now: Timestamp) -> bool {
        let mut all = self.issued.values().map(|(_, asked)| asked).chain(self.solved.values());
        all.any(|asked| asked.is_valid(now))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_price_doubles_with_each_twentieth_beyond_the_half() {
        let price = |depletion| difficulty(65_536, depletion);
        assert_eq!([0, 400, 500].map(price), [0; 3]);
        assert_eq!([550, 600, 950, 1_000].map(price), [128, 256, 32_768, 65_536]);
        assert_eq!(price(975), 49_152);
        assert!((501..1_000).all(|depletion| price(depletion) <= price(depletion + 1)));
        assert!((0..=1_000).all(|depletion| difficulty(0, depletion) == 0));
    }

    #[test]
    fn memory_is_paid_for_by_the_byte_and_is_dearer_the_less_there_is() {
        let price = |taken, bytes| memory_difficulty(65_536, taken, bytes);
        let mebibyte = [0, 250, 500, 1_000].map(|taken| price(taken, MEBIBYTE));
        assert_eq!(mebibyte, [1_024, 8_192, 65_536, 65_536]);
        assert_eq!(price(0, MEBIBYTE / 4), 256);
        // An ordinary room needs no proof of work until nearly half of the memory is taken.
        assert_eq!([0, 250, 400].map(|taken| price(taken, 2_024)), [0; 3]);
        assert_eq!(price(500, 2_024), 126);
        assert!((0..1_000).all(|taken| price(taken, MEBIBYTE) <= price(taken + 1, MEBIBYTE)));
        assert_eq!(price(1_000, u64::MAX), 65_536);
        assert_eq!(memory_difficulty(0, 1_000, MEBIBYTE), 0);
    }

    #[test]
    fn rooms_without_joins_are_forgotten() {
        let pow = PowPolicy::new(&RelayConfig::default(), Timestamp::ZERO);
        for n in 0..10_000_u64 {
            let mut address = [0; 16];
            address[..8].copy_from_slice(&n.to_be_bytes());
            pow.joined(&RoomAddress::new(address), Timestamp::from_millis(1_000 * n));
        }
        assert!(pow.remembered() <= 1_024);
    }
}
