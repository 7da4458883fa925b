//! All rooms of a store, and an index of their deadlines. Has no clock: the caller passes the time.

use std::{
    collections::{BTreeSet, HashMap, hash_map},
    time::Duration,
};

use super::{
    MemoryLimits,
    ledger::{Account, Ledger},
    room::{Room, Spare},
};
use crate::{
    id::RoomAddress,
    store::{Feeds, StoreError, StoreStatus},
    time::Timestamp,
    wire::{CloseReason, Genesis},
};

/// A relay without a heartbeat for longer than this was stopped. Twice the time between two
/// heartbeats.
const STOPPED: Duration = Duration::from_secs(2);
pub(super) struct Rooms {
    rooms: HashMap<RoomAddress, Slot>,
    /// One deadline per room, ordered: the next one is found without a scan.
    deadlines: BTreeSet<(Timestamp, RoomAddress)>,
    ledger: Ledger,
    /// Time of the last heartbeat, if there was any since the last stop.
    ran: Option<Timestamp>,
    /// Total time for which the relay was stopped.
    stopped: Duration,
}

struct Slot {
    room: Room,
    /// Its key in `deadlines`.
    due: Timestamp,
    account: Account,
}

impl Slot {
    fn count(&mut self, ledger: &mut Ledger, spare: Spare) {
        ledger.count(&mut self.account, self.room.bytes(), self.room.entries(), spare);
    }
}

impl Rooms {
    pub(super) fn new(limits: MemoryLimits) -> Self {
        Self {
            rooms: HashMap::new(),
            deadlines: BTreeSet::new(),
            ledger: Ledger::new(limits),
            ran: None,
            stopped: Duration::ZERO,
        }
    }

    /// Opens a room; `feeds` supplies its watches.
    pub(super) fn create(
        &mut self,
        address: &RoomAddress,
        genesis: Genesis,
        feeds: Feeds,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        self.sweep(now);
        let needs = genesis.first.group_info.len().saturating_add(MemoryLimits::PER_ROOM);
        let has_place = self.ledger.has_place(needs, self.rooms.len());
        let hash_map::Entry::Vacant(place) = self.rooms.entry(*address) else {
            return Err(StoreError::AddressInUse);
        };
        if !has_place {
            return Err(StoreError::Full);
        }
        let room = Room::new(genesis, feeds, now, self.stopped);
        let due = room.deadline(self.stopped);
        let slot = place.insert(Slot { room, due, account: Account::default() });
        // Nothing is drawn from the reserve: there was space.
        slot.count(&mut self.ledger, Spare::ALL);
        self.deadlines.insert((due, *address));
        Ok(())
    }

    /// Reads or changes a room. `act` also receives how many more bytes the store accepts.
    pub(super) fn with<T>(
        &mut self,
        address: &RoomAddress,
        now: Timestamp,
        act: impl FnOnce(&mut Room, Spare) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        // Erase what is due first, so that correctness does not depend on the janitor's timing.
        self.sweep(now);
        let rooms = self.rooms.len();
        let slot = self.rooms.get_mut(address).ok_or(StoreError::NoSuchRoom)?;
        let spare = self.ledger.spare(&slot.account, rooms);
        let result = act(&mut slot.room, spare);
        slot.count(&mut self.ledger, spare);
        let due = slot.room.deadline(self.stopped);
        if due != slot.due {
            self.deadlines.remove(&(slot.due, *address));
            self.deadlines.insert((due, *address));
            slot.due = due;
        }
        result
    }

    /// Restarts the linger of a room.
    pub(super) fn touch(
        &mut self,
        address: &RoomAddress,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        self.notice_stop(now);
        let stopped = self.stopped;
        self.with(address, now, |room, _| {
            room.touch(now, stopped);
            Ok(())
        })
    }

    /// Records that the relay is running.
    pub(super) fn heartbeat(&mut self, now: Timestamp) {
        self.notice_stop(now);
        self.ran = Some(now);
    }

    /// Returns the current usage and limits.
    pub(super) fn status(&self) -> StoreStatus {
        StoreStatus {
            memory: Some(self.ledger.memory()),
            rooms: Some(self.ledger.rooms(self.rooms.len())),
            entries: Some(self.ledger.entries()),
            ..StoreStatus::default()
        }
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
        // Before the linger of any room is checked, whichever call comes first.
        self.notice_stop(now);
        while let Some(&(due, address)) = self.deadlines.first()
            && due <= now
        {
            self.deadlines.pop_first();
            let Some(mut slot) = self.rooms.remove(&address) else {
                continue;
            };
            if let Some(reason) = slot.room.ended(now, self.stopped) {
                self.forget(slot, reason);
                continue;
            }
            slot.room.expire(now);
            slot.count(&mut self.ledger, Spare::ALL);
            // Later than `now`, since everything due until then has been erased: the loop ends.
            slot.due = slot.room.deadline(self.stopped);
            self.deadlines.insert((slot.due, address));
            self.rooms.insert(address, slot);
        }
    }

    /// Returns when [`sweep`](Self::sweep) has to run next.
    pub(super) fn next_deadline(&self) -> Option<Timestamp> {
        self.deadlines.first().map(|&(due, _)| due)
    }

    /// Adds the time for which the relay did not run; it does not count as an absence of guests. At
    /// most once until the next heartbeat: without a relay, the linger of rooms expires.
    fn notice_stop(&mut self, now: Timestamp) {
        let Some(ran) = self.ran else { return };
        let silence = now.saturating_duration_since(ran);
        if silence > STOPPED {
            self.stopped = self.stopped.saturating_add(silence);
            self.ran = None;
        }
    }

    fn forget(&mut self, mut slot: Slot, reason: CloseReason) {
        slot.room.close(reason);
        self.ledger.count(&mut slot.account, 0, 0, Spare::ALL);
    }

    #[cfg(test)]
    pub(super) fn bytes(&self) -> usize {
        self.ledger.bytes()
    }
}
