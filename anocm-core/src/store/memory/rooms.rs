//! All rooms of a store, and the index of what is due next. Told the time, never asks for it.

use std::collections::{BTreeSet, HashMap, hash_map};

use super::{MemoryLimits, room::Room};
use crate::{
    id::RoomAddress,
    store::StoreError,
    time::Timestamp,
    wire::{CloseReason, Genesis},
};

pub(super) struct Rooms {
    limits: MemoryLimits,
    rooms: HashMap<RoomAddress, Slot>,
    /// One for each room: ordered, so that what is due next is first and nothing is ever scanned.
    deadlines: BTreeSet<(Timestamp, RoomAddress)>,
    bytes: usize,
}

struct Slot {
    room: Room,
    /// As it stands in `deadlines`.
    due: Timestamp,
    /// As it is counted in `bytes`.
    bytes: usize,
}

impl Rooms {
    pub(super) fn new(limits: MemoryLimits) -> Self {
        Self { limits, rooms: HashMap::new(), deadlines: BTreeSet::new(), bytes: 0 }
    }

    pub(super) fn create(
        &mut self,
        address: &RoomAddress,
        genesis: Genesis,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        self.sweep(now);
        let full = self.rooms.len() >= self.limits.max_rooms
            || genesis.first.group_info.len().saturating_add(MemoryLimits::PER_ROOM) > self.spare();
        let hash_map::Entry::Vacant(place) = self.rooms.entry(*address) else {
            return Err(StoreError::AddressInUse);
        };
        if full {
            return Err(StoreError::Full);
        }
        let room = Room::new(genesis, now);
        let (due, bytes) = (room.deadline(), room.bytes());
        place.insert(Slot { room, due, bytes });
        self.deadlines.insert((due, *address));
        self.bytes = self.bytes.saturating_add(bytes);
        Ok(())
    }

    /// Looks at or changes a room. `act` is also told how many more bytes the store takes.
    pub(super) fn with<T>(
        &mut self,
        address: &RoomAddress,
        now: Timestamp,
        act: impl FnOnce(&mut Room, usize) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        // Whatever is due goes first, so that nothing depends on the janitor's promptness.
        self.sweep(now);
        let spare = self.spare();
        let slot = self.rooms.get_mut(address).ok_or(StoreError::NoSuchRoom)?;
        let result = act(&mut slot.room, spare);

        let (due, bytes) = (slot.room.deadline(), slot.room.bytes());
        self.bytes = self.bytes.saturating_sub(slot.bytes).saturating_add(bytes);
        slot.bytes = bytes;
        if due != slot.due {
            self.deadlines.remove(&(slot.due, *address));
            self.deadlines.insert((due, *address));
            slot.due = due;
        }
        result
    }

    /// Erases a room.
    pub(super) fn close(
        &mut self,
        address: &RoomAddress,
        reason: CloseReason,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        self.sweep(now);
        let slot = self.rooms.remove(address).ok_or(StoreError::NoSuchRoom)?;
        self.deadlines.remove(&(slot.due, *address));
        self.forget(slot, reason);
        Ok(())
    }

    /// Erases everything.
    pub(super) fn close_all(&mut self, reason: CloseReason) {
        self.deadlines.clear();
        for (_, slot) in std::mem::take(&mut self.rooms) {
            self.forget(slot, reason);
        }
    }

    /// Erases what is due.
    pub(super) fn sweep(&mut self, now: Timestamp) {
        while let Some(&(due, address)) = self.deadlines.first()
            && due <= now
        {
            self.deadlines.pop_first();
            let Some(mut slot) = self.rooms.remove(&address) else {
                continue;
            };
            if let Some(reason) = slot.room.ended(now) {
                self.forget(slot, reason);
                continue;
            }
            slot.room.expire(now);
            self.bytes = self.bytes.saturating_sub(slot.bytes);
            slot.bytes = slot.room.bytes();
            self.bytes = self.bytes.saturating_add(slot.bytes);
            // Later than `now`, since everything due until then is gone: the loop ends.
            slot.due = slot.room.deadline();
            self.deadlines.insert((slot.due, address));
            self.rooms.insert(address, slot);
        }
    }

    /// When [`sweep`](Self::sweep) has something to do next.
    pub(super) fn next_deadline(&self) -> Option<Timestamp> {
        self.deadlines.first().map(|&(due, _)| due)
    }

    fn forget(&mut self, mut slot: Slot, reason: CloseReason) {
        self.bytes = self.bytes.saturating_sub(slot.bytes);
        slot.room.close(reason);
    }

    fn spare(&self) -> usize {
        self.limits.max_bytes.saturating_sub(self.bytes)
    }

    #[cfg(test)]
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }
}
