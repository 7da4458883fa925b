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

use crate::{
    id::RoomAddress,
    relay::{
        Rate, RelayConfig,
        admission::{expiring_map::ExpiringMap, rate_limit::TokenBucket},
    },
    time::Timestamp,
    wire::Puzzle,
};

/// Depletion is counted in thousandths: from here on there is work to be done.
const FREE_BELOW: u64 = 500;
/// What the depletion must grow by for the work to double.
const DOUBLES_EVERY: u64 = 50;
/// Work that was asked for is good for so long, done or not: the price may have risen since.
const VALID_FOR: Duration = Duration::from_secs(120);
/// Bytes that cost the whole price of memory.
const MEBIBYTE: u64 = 1 << 20;
/// The depletion that stands for empty memory: a 64th of the most.
const EMPTY_MEMORY: u64 = 700;
/// A price for memory below this part of the most is not asked for: a puzzle takes a round trip.
const NEGLIGIBLE_PART: u32 = 1_024;

/// What is asked of whoever creates or joins a room.
pub(crate) struct PowPolicy {
    room: Rate,
    max_difficulty: u32,
    // Short sections, none across an await.
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

    /// How much work a creation or join is.
    pub(crate) fn difficulty(&self, address: &RoomAddress, load: Load, now: Timestamp) -> u32 {
        let Load { places, memory, bytes } = load;
        let mut state = self.lock();
        let room = state.rooms.get_mut(address).map_or(0, |bucket| bucket.depletion(now));
        let depletion = state.all.depletion(now).max(room).max(places * places / 1_000);
        let max = self.max_difficulty;
        difficulty(max, depletion.max(memory)).max(memory_difficulty(max, memory, bytes))
    }

    /// Whether one more may come, or how long to wait.
    pub(crate) fn check(&self, address: &RoomAddress, now: Timestamp) -> Result<(), Duration> {
        let mut state = self.lock();
        state.all.check(1, now)?;
        state.rooms.get_mut(address).map_or(Ok(()), |bucket| bucket.check(1, now))
    }

    /// A room was created.
    pub(crate) fn created(&self) {
        self.lock().all.spend(1);
    }

    /// A room was joined.
    pub(crate) fn joined(&self, address: &RoomAddress, now: Timestamp) {
        let mut state = self.lock();
        state.all.spend(1);
        let (fresh, is_old) =
            (|| TokenBucket::new(self.room, now), |bucket: &mut _| is_full(bucket, now));
        state.rooms.get_or_insert_with(address, fresh, is_old).spend(1);
    }

    /// Forgets rooms that nobody has joined for so long that it makes no difference.
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

/// The price at a depletion in thousandths: nothing up to a half, then twice as much for each
/// twentieth, `max` at the end.
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

/// The price of so many bytes of the store's memory, of which `taken` thousandths are.
fn memory_difficulty(max: u32, taken: u64, bytes: u64) -> u32 {
    let depletion = EMPTY_MEMORY + (1_000 - EMPTY_MEMORY) * taken.min(500) / 500;
    let price = u64::from(difficulty(max, depletion)).saturating_mul(bytes) / MEBIBYTE;
    let price = u32::try_from(price).unwrap_or(max).min(max);
    if price < max / NEGLIGIBLE_PART { 0 } else { price }
}

/// What decides about the price, besides how many have come.
#[derive(Clone, Copy)]
pub(crate) struct Load {
    /// Thousandths of the relay's places for connections that are taken.
    pub(crate) places: u64,
    /// Thousandths of the store's memory that are taken.
    pub(crate) memory: u64,
    /// What the request would take of it.
    pub(crate) bytes: u64,
}

/// What one connection was asked for, and has done.
#[derive(Default)]
pub(crate) struct PowState {
    pub(crate) issued: HashMap<RoomAddress, (Puzzle, Challenge)>,
    pub(crate) solved: HashMap<RoomAddress, Challenge>,
}

/// When work was asked for, and for how many bytes.
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

    /// Whether the work was done for a room and so many bytes.
    pub(crate) fn covers(&self, address: &RoomAddress, bytes: u64) -> bool {
        self.solved.get(address).is_some_and(|asked| asked.bytes >= bytes)
    }

    /// Whether work is under way, or was done for what is still to come.
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
        // What an ordinary room takes costs nothing until half is taken.
        assert_eq!([0, 250, 400].map(|taken| price(taken, 2_024)), [0; 3]);
        assert_eq!(price(500, 2_024), 126);
        assert!((0..1_000).all(|taken| price(taken, MEBIBYTE) <= price(taken + 1, MEBIBYTE)));
        assert_eq!(price(1_000, u64::MAX), 65_536);
        assert_eq!(memory_difficulty(0, 1_000, MEBIBYTE), 0);
    }

    #[test]
    fn rooms_that_nobody_joins_any_more_are_forgotten() {
        let toll = PowPolicy::new(&RelayConfig::default(), Timestamp::ZERO);
        for n in 0..10_000_u64 {
            let mut address = [0; 16];
            address[..8].copy_from_slice(&n.to_be_bytes());
            toll.joined(&RoomAddress::new(address), Timestamp::from_millis(1_000 * n));
        }
        assert!(toll.remembered() <= 1_024);
    }
}
