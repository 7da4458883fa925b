//! What is remembered of rooms for a while, and no longer: nothing is to be left of one that ended.

use std::collections::HashMap;

use crate::id::RoomAddress;

/// Rooms that are kept before old ones are looked for and dropped.
const MIN_SWEEP: usize = 1_024;

/// Something about each room where something happened lately. Never grows for good, and is rid of
/// what is old by [`remove_expired`](Self::remove_expired).
pub(crate) struct ExpiringMap<T> {
    rooms: HashMap<RoomAddress, T>,
    /// With so many, those that are old are dropped.
    sweep_at: usize,
}

impl<T> ExpiringMap<T> {
    pub(crate) fn new() -> Self {
        Self { rooms: HashMap::new(), sweep_at: MIN_SWEEP }
    }

    pub(crate) fn get_mut(&mut self, address: &RoomAddress) -> Option<&mut T> {
        self.rooms.get_mut(address)
    }

    /// What there is about a room, or something fresh. Drops what is old, if there is much.
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

    /// Drops what is old.
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
        let mut recent = ExpiringMap::new();
        for n in 0..10_000 {
            recent.get_or_insert_with(&room(n), || n, |about| *about + 3_000 < n);
        }
        assert!((3_000..=6_002).contains(&recent.len()), "{}", recent.len());
        assert!((7_000..10_000).all(|n| recent.get_mut(&room(n)).copied() == Some(n)));
        recent.remove_expired(|about| *about < 9_999);
        assert_eq!(recent.len(), 1);
        assert!(recent.rooms.capacity() < 100);
        for n in 0..5_000 {
            recent.get_or_insert_with(&room(n), || n, |_| true);
        }
        assert!(recent.len() <= MIN_SWEEP);
    }
}
