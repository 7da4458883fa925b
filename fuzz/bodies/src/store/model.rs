//! A naive model of a store: lists, searched from the front.

use std::time::Duration;

use anocm_core::{
    Epoch, RoomAddress, Seq,
    store::{
        EpochRecord, MemoryLimits, PAGE_BYTES, SETTLES, StoreError, StoredDoor, TakeBack, Watched,
    },
    wire::{CloseReason, Entry, EntryKind, Genesis, LogItem, NextEpoch, Page},
};

use super::room::{Replaced, Room};

pub(super) struct Model {
    now: u64,
    limits: MemoryLimits,
    rooms: Vec<Room>,
    /// The items of each watch since its creation, with their times.
    told: Vec<Vec<(u64, Watched)>>,
}

/// The free memory that a room may use.
#[derive(Clone, Copy)]
pub(super) struct Spare {
    pub(super) messages: usize,
    pub(super) epochs: usize,
}

/// The memory use before a change.
struct Before {
    is_short: bool,
    bytes: Vec<(RoomAddress, usize)>,
}

impl Model {
    pub(super) fn new(limits: MemoryLimits) -> Self {
        Self { now: 0, limits, rooms: Vec::new(), told: Vec::new() }
    }

    pub(super) fn advance(&mut self, duration: Duration) {
        self.now += duration.as_millis() as u64;
        self.expire();
    }

    fn used(&self) -> usize {
        self.rooms.iter().map(Room::bytes).sum()
    }

    fn unreserved(&self) -> usize {
        self.limits.max_bytes - self.limits.max_bytes / 10
    }

    fn left(&self) -> usize {
        self.unreserved().saturating_sub(self.used())
    }

    fn is_short(&self) -> bool {
        self.used() > self.unreserved() / 2
    }

    fn before(&self) -> Before {
        let bytes = self.rooms.iter().map(|room| (room.address, room.bytes())).collect();
        Before { is_short: self.is_short(), bytes }
    }

    /// Updates each room's use of reserved memory after a change, before which `messages` bytes
    /// were free for messages.
    fn balance(&mut self, before: &Before, messages: usize) {
        for room in &mut self.rooms {
            let was = before.bytes.iter().find(|(address, _)| *address == room.address);
            let was = was.map_or(room.bytes(), |(_, bytes)| *bytes);
            room.drawn = room.drawn.saturating_sub(was.saturating_sub(room.bytes()));
            room.drawn += room.bytes().saturating_sub(was).saturating_sub(messages);
        }
        if before.is_short && !self.is_short() {
            self.rooms.iter_mut().for_each(|room| room.drawn = 0);
        }
    }

    pub(super) fn end(&mut self) {
        for room in std::mem::take(&mut self.rooms) {
            self.tell(&room.watches, &Watched::Closed(CloseReason::Gone));
        }
    }

    pub(super) fn create(
        &mut self,
        address: &RoomAddress,
        genesis: Genesis,
    ) -> Result<(), StoreError> {
        if self.at(address).is_ok() {
            return Err(StoreError::AddressInUse);
        }
        let Genesis { policy, owner, first } = genesis;
        if self.rooms.len() >= self.limits.max_rooms
            || first.group_info.len() + MemoryLimits::PER_ROOM > self.left()
        {
            return Err(StoreError::Full);
        }
        let NextEpoch { member, door, group_info } = first;
        let (epoch, head) = (Epoch::FIRST, Seq::START);
        let epochs = vec![EpochRecord { epoch, member, door, began: head, settled: true }];
        let shut = Duration::ZERO;
        let door = StoredDoor { policy, owner, door, group_info, head, shut, epochs };
        self.rooms.push(Room {
            address: *address,
            opened: self.now,
            touched: self.now,
            door,
            voided: Vec::new(),
            kept: Vec::new(),
            watches: Vec::new(),
            joined: false,
            replaced: Replaced::default(),
            drawn: 0,
        });
        self.expire();
        Ok(())
    }

    pub(super) fn append(
        &mut self,
        address: &RoomAddress,
        entry: Entry,
        next: Option<NextEpoch>,
    ) -> Result<Seq, StoreError> {
        if next.is_some() != entry.kind.begins_epoch() {
            return Err(StoreError::Mismatched);
        }
        let now = self.now;
        let at = self.at(address)?;
        let (before, spare) = (self.before(), self.spare(at));
        let room = &mut self.rooms[at];
        let current = room.door.epoch();
        if entry.epoch != current {
            return Err(StoreError::StaleEpoch { current });
        }
        room.check_bounds(&entry, next.as_ref(), spare)?;
        let seq = room.door.head.next();
        room.door.head = seq;
        room.joined |= entry.kind == EntryKind::Join;
        if let Some(next) = next {
            room.replace(now);
            room.begin(current.next(), seq, entry.kind != EntryKind::Join, next);
        }
        let item = LogItem { seq, age: 0, entry: entry.clone() };
        if entry.retention.is_live() {
            room.forget_end_of(&entry);
        } else {
            room.kept.push((now, seq, entry));
        }
        let watches = room.watches.clone();
        self.balance(&before, spare.messages);
        self.tell(&watches, &Watched::Entry(item));
        self.expire();
        Ok(seq)
    }

    pub(super) fn read(
        &self,
        address: &RoomAddress,
        after: Seq,
        until: Seq,
    ) -> Result<Page, StoreError> {
        let room = &self.rooms[self.at(address)?];
        let until = until.min(room.door.head);
        let mut page = Page { items: Vec::new(), reaches: until, more: false };
        let mut bytes = 0;
        for (accepted, seq, entry) in &room.kept {
            if *seq <= after || *seq > until {
                continue;
            }
            bytes += entry.sealed.len();
            if bytes > PAGE_BYTES && !page.items.is_empty() {
                page.reaches = page.items.last().map_or(after, |item| item.seq);
                page.more = true;
                break;
            }
            let age = self.now - accepted;
            assert!(age < u64::from(entry.retention.as_millis()), "the model keeps to its rules");
            page.items.push(LogItem { seq: *seq, age, entry: entry.clone() });
        }
        Ok(page)
    }

    pub(super) fn door(&self, address: &RoomAddress) -> Result<StoredDoor, StoreError> {
        let room = &self.rooms[self.at(address)?];
        Ok(StoredDoor { shut: room.shut(self.now), ..room.door.clone() })
    }

    pub(super) fn epoch(&self, address: &RoomAddress) -> Epoch {
        self.door(address).map_or(Epoch::FIRST, |door| door.epoch())
    }

    pub(super) fn watch(&mut self, address: &RoomAddress) -> Result<usize, StoreError> {
        let at = self.at(address)?;
        let number = self.told.len();
        self.rooms[at].watches.push(number);
        self.told.push(Vec::new());
        Ok(number)
    }

    pub(super) fn touch(&mut self, address: &RoomAddress) -> Result<(), StoreError> {
        let at = self.at(address)?;
        self.rooms[at].touched = self.now;
        Ok(())
    }

    pub(super) fn void(
        &mut self,
        address: &RoomAddress,
        seq: Seq,
        restored: NextEpoch,
    ) -> Result<(), StoreError> {
        let room = &self.rooms[self.at(address)?];
        let (_, kind, before) = room.ended_at(seq)?;
        self.restore(address, seq, (kind, before), restored)
    }

    pub(super) fn settle(&mut self, address: &RoomAddress, began: Seq) -> Result<(), StoreError> {
        let at = self.at(address)?;
        for record in &mut self.rooms[at].door.epochs {
            record.settled |= record.began == began;
        }
        Ok(())
    }

    pub(super) fn take_back(
        &mut self,
        address: &RoomAddress,
        seq: Seq,
        by: TakeBack,
    ) -> Result<(), StoreError> {
        let room = &self.rooms[self.at(address)?];
        let (accepted, kind, before) = room.ended_at(seq)?;
        if kind != EntryKind::Join || before.member != by.member {
            return Err(StoreError::StaleEpoch { current: room.door.epoch() });
        }
        if !room.door.epochs.iter().any(|record| record.began == seq && !record.settled) {
            return Err(StoreError::Settled);
        }
        let since = accepted + SETTLES.as_millis() as u64;
        if self.now < since {
            return Err(StoreError::TooEarly { wait: Duration::from_millis(since - self.now) });
        }
        let EpochRecord { member, door, .. } = before;
        let restored = NextEpoch { member, door, group_info: by.group_info };
        self.restore(address, seq, (kind, before), restored)
    }

    /// Takes back the entry at `seq`, and restores the epoch before it.
    fn restore(
        &mut self,
        address: &RoomAddress,
        seq: Seq,
        (kind, before): (EntryKind, EpochRecord),
        restored: NextEpoch,
    ) -> Result<(), StoreError> {
        let now = self.now;
        let at = self.at(address)?;
        let (before_all, spare) = (self.before(), self.spare(at));
        let room = &mut self.rooms[at];
        let grows = restored.group_info.len().saturating_sub(room.takes_for_door());
        if grows > spare.epochs {
            return Err(StoreError::Full);
        }
        room.door.epochs.retain(|record| record.epoch < before.epoch);
        room.begin(before.epoch, before.began, before.settled, restored);
        if kind == EntryKind::Join {
            room.voided.push((room.door.door, now));
        }
        room.kept.retain(|(_, kept, _)| *kept < seq);
        let watches = room.watches.clone();
        self.balance(&before_all, spare.messages);
        self.tell(&watches, &Watched::Voided { seq, epoch: before.epoch });
        Ok(())
    }

    pub(super) fn close(
        &mut self,
        address: &RoomAddress,
        reason: CloseReason,
    ) -> Result<(), StoreError> {
        let at = self.at(address)?;
        let before = self.before();
        let room = self.rooms.remove(at);
        self.balance(&before, usize::MAX);
        self.tell(&room.watches, &Watched::Closed(reason));
        Ok(())
    }

    /// Returns the items of watch `number`, with their ages as of now.
    pub(super) fn told(&self, number: usize) -> Vec<Watched> {
        let now = |(at, what): &(u64, Watched)| {
            let mut what = what.clone();
            if let Watched::Entry(item) = &mut what {
                item.age += self.now - at;
            }
            what
        };
        self.told[number].iter().map(now).collect()
    }

    /// Returns the number of kept payloads.
    pub(super) fn payloads(&self) -> usize {
        self.rooms.iter().map(|room| room.kept.len() + 1).sum()
    }

    fn at(&self, address: &RoomAddress) -> Result<usize, StoreError> {
        let at = self.rooms.iter().position(|room| room.address == *address);
        at.ok_or(StoreError::NoSuchRoom)
    }

    fn spare(&self, at: usize) -> Spare {
        let room = &self.rooms[at];
        let messages = match self.is_short() {
            true => (self.left() / 64).saturating_sub(room.bytes()),
            false => self.left(),
        };
        let share = (self.limits.max_bytes / 10 / self.rooms.len()).max(16_384);
        let all = self.limits.max_bytes.checked_sub(self.used()).expect("the bound is kept");
        Spare { messages, epochs: all.min(messages + share.saturating_sub(room.drawn)) }
    }

    fn tell(&mut self, watches: &[usize], what: &Watched) {
        for &watch in watches {
            self.told[watch].push((self.now, what.clone()));
        }
    }

    fn expire(&mut self) {
        let now = self.now;
        let before = self.before();
        let over = |room: &Room| now >= room.lonely().min(room.old());
        while let Some(at) = self.rooms.iter().position(over) {
            let room = self.rooms.remove(at);
            let is_old = room.old() <= room.lonely();
            let reason = if is_old { CloseReason::Age } else { CloseReason::Gone };
            self.tell(&room.watches, &Watched::Closed(reason));
        }
        for room in &mut self.rooms {
            room.expire_replaced(now);
            let is_over = |(accepted, _, entry): &(u64, Seq, Entry)| {
                now >= accepted + u64::from(entry.retention.as_millis())
            };
            let (expired, kept) = std::mem::take(&mut room.kept).into_iter().partition(is_over);
            room.kept = kept;
            let expired: Vec<_> = expired;
            expired.iter().for_each(|(_, _, entry)| room.forget_end_of(entry));
        }
        self.balance(&before, usize::MAX);
    }
}
