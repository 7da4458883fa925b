//! The simplest store that keeps the contract, and the faults that it can have.

use std::{
    collections::{HashMap, HashSet},
    future::pending,
    sync::{Arc, Mutex, PoisonError},
};

use anocm_core::{
    Clock as _, RoomAddress, Seq, Timestamp,
    store::{Store, StoreError, StoredDoor, TakeBack, Watch, Watched},
    testing::ManualClock,
    wire::{CloseReason, Entry, Genesis, NextEpoch, Page, Posture},
};
use async_trait::async_trait;
use futures_util::{StreamExt as _, stream};
use tokio::task::yield_now;

use super::{
    super::others_run,
    faults::Fault::{self, *},
    room::{Kept, Room},
    watches,
};

/// Rooms in a table that is scanned at every call.
pub(super) struct Plain {
    pub(super) clock: ManualClock,
    fault: Option<Fault>,
    rooms: Mutex<Rooms>,
}

#[derive(Default)]
pub(super) struct Rooms {
    open: HashMap<RoomAddress, Room>,
    /// The last sequence number assigned in any room.
    head: Seq,
    /// Addresses and logs that a fault keeps after a room was closed.
    taken: HashSet<RoomAddress>,
    logs: HashMap<RoomAddress, Vec<Kept>>,
}

impl Rooms {
    fn expire(&mut self, now: Timestamp) {
        self.open.retain(|_, room| {
            let ended = room.ended(now);
            if let Some(reason) = ended {
                room.feeds.close(reason);
            }
            room.expire(now);
            ended.is_none()
        });
    }

    fn kept(&self) -> usize {
        self.open.values().map(|room| room.log.len()).sum()
    }

    fn get(&mut self, address: &RoomAddress) -> Result<&mut Room, StoreError> {
        self.open.get_mut(address).ok_or(StoreError::NoSuchRoom)
    }
}

impl Plain {
    pub(super) fn new(fault: Option<Fault>) -> Arc<Self> {
        Arc::new(Self { clock: ManualClock::new(), fault, rooms: Mutex::default() })
    }

    fn is(&self, fault: Fault) -> bool {
        self.fault == Some(fault)
    }

    fn is_any(&self, faults: &[Fault]) -> bool {
        self.fault.is_some_and(|fault| faults.contains(&fault))
    }

    /// Whether rooms end only when a call finds them due, and not by themselves.
    pub(super) fn waits_for_calls(&self) -> bool {
        self.is_any(&[EndsWhenAsked, DueRoomIsClosed, DueRoomIsReplaced])
    }

    /// Accesses all rooms without expiring anything first.
    fn as_they_are<T>(&self, act: impl FnOnce(&mut Rooms, Timestamp) -> T) -> T {
        // A case may have failed on another thread.
        let mut rooms = self.rooms.lock().unwrap_or_else(PoisonError::into_inner);
        act(&mut rooms, self.clock.now())
    }

    pub(super) fn with<T>(&self, act: impl FnOnce(&mut Rooms, Timestamp) -> T) -> T {
        self.as_they_are(|rooms, now| {
            rooms.expire(now);
            act(rooms, now)
        })
    }

    fn room<T>(
        &self,
        address: &RoomAddress,
        act: impl FnOnce(&mut Room, Timestamp) -> T,
    ) -> Result<T, StoreError> {
        self.with(|rooms, now| rooms.get(address).map(|room| act(room, now)))
    }

    fn touch_if(&self, fault: Fault, address: &RoomAddress) {
        if self.is(fault) {
            let _ = self.room(address, Room::touch);
        }
    }

    /// Refuses an entry whose kind does not match the presence of `next`, unless the fault
    /// tolerates it.
    fn check_call(
        &self,
        address: &RoomAddress,
        entry: &Entry,
        next: Option<&NextEpoch>,
    ) -> Result<(), StoreError> {
        let begins = entry.kind.begins_epoch();
        let tolerated = if begins { NextIsOptional } else { NextOfMessagesIgnored };
        if next.is_some() == begins || self.is(tolerated) {
            return Ok(());
        }
        match self.fault {
            Some(StaleBeforeMismatched) => self.room(address, |room, _| room.check(entry))??,
            Some(NoRoomBeforeMismatched) => self.room(address, |_, _| ())?,
            _ => {}
        }
        Err(StoreError::Mismatched)
    }

    /// Does, for some faults, what must not happen before the atomic step of an append.
    async fn begin_append(
        &self,
        address: &RoomAddress,
        entry: &mut Entry,
    ) -> Result<Seq, StoreError> {
        match self.fault {
            Some(WatchHoldsUpAppend)
                if self.room(address, |room, _| {
                    room.feeds.is_watched() && room.head.value() > 500
                })? =>
            {
                pending::<()>().await;
            }
            Some(ToldBeforeItIsThere) => {
                self.room(address, |room, _| room.tell_entry(room.head.next(), entry))?;
                yield_now().await;
            }
            Some(CommitComparesAndWaits | CommitComparesFirst) => {
                self.room(address, |room, _| room.check(entry))??;
                match self.fault {
                    Some(CommitComparesAndWaits) => yield_now().await,
                    _ => others_run(),
                }
                entry.epoch = self.room(address, |room, _| room.epoch())?;
            }
            _ => {}
        }
        self.room(address, |room, _| room.head)
    }

    /// Does, for some faults, what should have been part of the atomic step of an append.
    async fn end_append(
        &self,
        address: &RoomAddress,
        entry: &Entry,
        (seq, kept): (Seq, Option<Kept>),
    ) -> Result<Seq, StoreError> {
        match self.fault {
            Some(ToldInASecondStep) => yield_now().await,
            Some(ToldOutsideTheLock | KeptAfterItsPlace) => others_run(),
            _ => return Ok(seq),
        }
        self.room(address, |room, _| {
            if let Some(kept) = kept {
                room.log.push(kept);
                room.log.sort_by_key(|kept| kept.seq);
            } else {
                room.tell_entry(seq, entry);
            }
        })?;
        Ok(seq)
    }
}

#[async_trait]
impl Store for Plain {
    async fn create(&self, address: &RoomAddress, genesis: Genesis) -> Result<(), StoreError> {
        let looked = self.is_any(&[CreateLooksAndWaits, CreateLooksFirst]);
        let exists = looked && self.with(|rooms, _| rooms.get(address).is_ok());
        match self.fault {
            Some(CreateLooksAndWaits) => yield_now().await,
            Some(CreateLooksFirst) => others_run(),
            _ => {}
        }
        let act = |rooms: &mut Rooms, now| {
            let taken = match rooms.get(address) {
                Ok(_) if looked => exists,
                Ok(room) => {
                    match self.fault {
                        Some(CreateIsFull) => return Err(StoreError::Full),
                        Some(RefusedCreateTakesTheOwner) => room.owner = genesis.owner,
                        Some(RefusedCreateTouches) => room.touch(now),
                        _ => {}
                    }
                    !self.is_any(&[CreateReplaces, DueRoomIsReplaced])
                }
                Err(_) => rooms.taken.contains(address),
            };
            if taken {
                return Err(StoreError::AddressInUse);
            }
            let mut room = Room::new(self.fault, genesis, now);
            room.log.extend(rooms.logs.remove(address).unwrap_or_default());
            rooms.open.insert(*address, room);
            Ok(())
        };
        if self.is(DueRoomIsReplaced) { self.as_they_are(act) } else { self.with(act) }
    }

    async fn append(
        &self,
        address: &RoomAddress,
        mut entry: Entry,
        next: Option<NextEpoch>,
    ) -> Result<Seq, StoreError> {
        self.check_call(address, &entry, next.as_ref())?;
        let head = self.begin_append(address, &mut entry).await?;
        if self.is(HeadMovesLater) {
            others_run();
        }
        let tells = !self.is_any(&[ToldBeforeItIsThere, ToldInASecondStep, ToldOutsideTheLock]);
        let taken = self.with(|rooms, now| {
            let (head_of_all, kept_in_all) = (rooms.head, rooms.kept());
            let room = rooms.get(address)?;
            if self.is(BoundsOfAllRooms) {
                room.lost.0 = kept_in_all - room.log.len();
            }
            room.check(&entry)?;
            match self.fault {
                Some(HeadMovesLater) => room.head = head,
                Some(PlacesOfAllRooms) => room.head = head_of_all,
                Some(AppendTouches) => room.touch(now),
                _ => {}
            }
            let seq = room.take(&entry, next, now);
            let kept = if self.is(KeptAfterItsPlace) { room.log.pop() } else { None };
            if self.is(ToldInAllRooms) {
                rooms.open.values_mut().for_each(|room| room.tell_entry(seq, &entry));
            } else if tells {
                room.tell_entry(seq, &entry);
            }
            rooms.head = seq;
            Ok::<_, StoreError>((seq, kept))
        })?;
        self.end_append(address, &entry, taken).await
    }

    async fn read(
        &self,
        address: &RoomAddress,
        after: Seq,
        until: Seq,
    ) -> Result<Page, StoreError> {
        self.touch_if(ReadTouches, address);
        self.room(address, |room, now| room.read(after, until, now))
    }

    async fn door(&self, address: &RoomAddress) -> Result<StoredDoor, StoreError> {
        self.touch_if(DoorTouches, address);
        let mut door = self.room(address, |room, now| room.stored_door(now))?;
        if self.is(DoorInTwoSteps) {
            others_run();
            door.group_info = self.room(address, |room, _| room.group_info.clone())?;
        }
        Ok(door)
    }

    async fn watch(&self, address: &RoomAddress) -> Result<Watch, StoreError> {
        self.touch_if(WatchTouches, address);
        self.room(address, |room, now| {
            if self.is(OnlyTheLastWatchIsTold) {
                room.feeds = Default::default();
            }
            let page = room.read(Seq::START, Seq::new(u64::MAX), now);
            let watch = room.feeds.watch();
            match self.fault {
                Some(LagsSilently) => watches::lags_silently(watch),
                Some(LagsSoon) => watches::lags_soon(watch),
                Some(ClosedWatchGoesOn) => watches::goes_on(watch),
                Some(WatchRepeatsTheLog) => {
                    let items = page.items.into_iter().map(Watched::Entry);
                    Watch::new(stream::iter(items).chain(watch))
                }
                Some(WatchMissesTheFirst) => Watch::new(watch.skip(1)),
                _ => watch,
            }
        })
    }

    async fn touch(&self, address: &RoomAddress) -> Result<(), StoreError> {
        self.room(address, Room::touch)
    }

    async fn void(
        &self,
        address: &RoomAddress,
        seq: Seq,
        restored: NextEpoch,
    ) -> Result<(), StoreError> {
        let tells = [VoidIsUntold, VoidToldOutsideTheLock, VoidToldInASecondStep];
        let tells = !self.is_any(&tells);
        let voided = self.room(address, |room, now| {
            let epoch = room.void(seq, restored, now)?;
            let voided = Watched::Voided { seq, epoch };
            if tells {
                room.feeds.broadcast(&voided);
            }
            Ok(voided)
        })??;
        self.touch_if(VoidTouches, address);
        match self.fault {
            Some(VoidToldOutsideTheLock) => others_run(),
            Some(VoidToldInASecondStep) => yield_now().await,
            _ => return Ok(()),
        }
        self.room(address, |room, _| room.feeds.broadcast(&voided))
    }

    async fn settle(&self, address: &RoomAddress, began: Seq) -> Result<(), StoreError> {
        self.touch_if(SettleTouches, address);
        self.room(address, |room, _| room.settle(began))
    }

    async fn take_back(
        &self,
        address: &RoomAddress,
        seq: Seq,
        by: TakeBack,
    ) -> Result<(), StoreError> {
        self.room(address, |room, now| {
            let epoch = room.take_back(seq, by, now)?;
            if !self.is(TakenBackIsUntold) {
                room.feeds.broadcast(&Watched::Voided { seq, epoch });
            }
            Ok(())
        })?
    }

    async fn close(&self, address: &RoomAddress, reason: CloseReason) -> Result<(), StoreError> {
        let told = if self.is(CloseHasOneReason) { CloseReason::Owner } else { reason };
        if self.is(EndToldBeforeIt) {
            self.room(address, |room, _| room.feeds.close(told))?;
            others_run();
        }
        let act = |rooms: &mut Rooms, _| {
            if self.is(ClosedRoomIsRead) {
                rooms.get(address)?.feeds.close(told);
                return Ok(None);
            }
            let mut room = rooms.open.remove(address).ok_or(StoreError::NoSuchRoom)?;
            match self.fault {
                Some(AddressStaysTaken) => drop(rooms.taken.insert(*address)),
                Some(LogOutlivesTheRoom) => {
                    rooms.logs.insert(*address, std::mem::take(&mut room.log));
                }
                Some(CloseEndsAllRooms) => {
                    rooms.open.values_mut().for_each(|room| room.feeds.close(told));
                }
                Some(CloseIsUntold) => return Ok(None),
                Some(CloseToldInASecondStep) => return Ok(Some(room)),
                _ => {}
            }
            room.feeds.close(told);
            Ok(None)
        };
        let untold = if self.is(DueRoomIsClosed) { self.as_they_are(act) } else { self.with(act) };
        if let Some(mut room) = untold? {
            yield_now().await;
            room.feeds.close(told);
        }
        Ok(())
    }

    async fn posture(&self) -> Posture {
        Posture::Unknown
    }
}
