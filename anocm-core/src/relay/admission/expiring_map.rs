//! State about rooms that is kept for a limited time: nothing must remain of a room that ended.

use std::collections::HashMap;

use crate::id::RoomAddress;

/// The number of rooms below which no sweep for expired ones is made.
const MIN_SWEEP: usize = 1_024;

/// Per-room state of recently active rooms. Its size is bounded by the rooms that are not expired;
/// expired ones are removed by [`remove_expired`](Self::remove_expired) and by sweeps.
pub(crate) struct ExpiringMap<T> {
    rooms: HashMap<RoomAddress, T>,
    /// The number of rooms at which the next sweep is made.
    sweep_at: usize,
}

impl<T> ExpiringMap<T> {
    pub(crate) fn new() -> Self {
        Self { rooms: HashMap::new(), sweep_at: MIN_SWEEP }
    }

    pub(crate) fn get_mut(&mut self, address: &RoomAddress) -> Option<&mut T> {
        self.rooms.get_mut(address)
    }

    /// Returns the state of a room, or inserts a fresh one. Sweeps expired rooms first if there are
    /// many.
    pub(crate) fn get_or_insert_with(
        &mut self,
        address: &RoomAddress,
        fresh: impl FnOnce() -> T,
        is_old: impl FnMut(&mut T) -> bool,
    ) -> &mut T {
        if self.rooms.len() >= self.sweep_at {
            self.remove_expired(is_old);
        }
        self.rooms.entry(*address).or_insert_with(fresh)
    }

    /// Removes expired rooms and releases unused capacity.
    pub(crate) fn remove_expired(&mut self, mut is_old: impl FnMut(&mut T) -> bool) {
        self.rooms.retain(|_, about| !is_old(about));
        self.rooms.shrink_to(2 * self.rooms.len());
        self.sweep_at = MIN_SWEEP.max(2 * self.rooms.len());
    }

    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.rooms.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn room(n: u64) -> RoomAddress {
        let mut address = [0; 16];
        address[..8].copy_from_slice(&n.to_be_bytes());
        RoomAddress::new(address)
    }

    #[test]
    fn as_many_are_kept_as_matter_and_no_more() {
        let mut map = ExpiringMap::new();
        for n in 0..10_000 {
            map.get_or_insert_with(&room(n), || n, |about| *about + 3_000 < n);
        }
        assert!((3_000..=6_002).contains(&map.len()), "{}", map.len());
        assert!((7_000..10_000).all(|n| map.get_mut(&room(n)).copied() == Some(n)));
        map.remove_expired(|about| *about < 9_999);
        assert_eq!(map.len(), 1);
        assert!(map.rooms.capacity() < 100);
        for n in 0..5_000 {
            map.get_or_insert_with(&room(n), || n, |_| true);
        }
        assert!(map.len() <= MIN_SWEEP);
    }
}
