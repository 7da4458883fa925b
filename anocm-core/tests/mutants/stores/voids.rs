//! What the plain store takes back.

use anocm_core::{
    Epoch, RoomAddress, Seq, Timestamp,
    store::{StoreError, Watched},
    wire::{EntryKind, NextEpoch},
};
use tokio::task::yield_now;

use super::{
    super::others_run,
    faults::Fault::*,
    plain::Plain,
    room::{Kept, Room},
};

impl Plain {
    /// Takes an entry back in one step, or in more.
    pub(super) async fn voided(
        &self,
        address: &RoomAddress,
        seq: Seq,
        tells: bool,
        act: impl FnOnce(&mut Room, Timestamp) -> Result<Epoch, StoreError>,
    ) -> Result<(), StoreError> {
        let at_once = !self.is_any(&[VoidToldOutsideTheLock, VoidToldInASecondStep]);
        let voided = self.room(address, |room, now| {
            let epoch = act(room, now)?;
            let voided = Watched::Voided { seq, epoch };
            if tells && at_once {
                room.feeds.tell(&voided);
            }
            Ok(voided)
        })??;
        match self.fault {
            Some(VoidToldOutsideTheLock) => others_run(),
            Some(VoidToldInASecondStep) => yield_now().await,
            _ => return Ok(()),
        }
        self.room(address, |room, _| room.feeds.tell(&voided))
    }
}

impl Room {
    /// Takes back an entry, and gives the epoch that goes on.
    pub(super) fn void(&mut self, seq: Seq, restored: NextEpoch) -> Result<Epoch, StoreError> {
        let stale = match self.fault {
            Some(VoidSaysNoSuchRoom) => StoreError::NoSuchRoom,
            _ => StoreError::StaleEpoch { current: self.epoch() },
        };
        let Some(kept) = self.log.iter().find(|kept| kept.seq == seq) else {
            return match self.fault {
                Some(ForgottenIsRestored) if seq <= self.head => Ok(self.epoch()),
                _ => Err(stale),
            };
        };
        let kind = kept.entry.kind;
        let refused = kind == EntryKind::Message && !self.is(MessagesAreVoided)
            || kind == EntryKind::Join && self.is(JoinsAreNotVoided)
            || self.is(OnlyTheLastIsVoided)
                && self.epochs.last().is_none_or(|known| known.record.began != seq);
        let position = self.epochs.iter().position(|known| known.record.epoch == kept.entry.epoch);
        let Some(at) = position.filter(|_| !refused) else { return Err(stale) };
        let began = self.epochs.get(at + 1).map(|known| known.record.began);
        if self.is(NothingBeforeAGapIsVoided) && began != Some(seq) {
            return Err(stale);
        }
        self.remove_from(seq);
        self.restore(at, restored);
        Ok(self.epoch())
    }

    fn remove_from(&mut self, seq: Seq) {
        let keeps = |kept: &Kept| match self.fault {
            Some(VoidKeepsTheEntry) => kept.seq <= seq,
            Some(VoidKeepsWhatFollowed) => kept.seq != seq,
            _ => kept.seq < seq,
        };
        let (kept, voided): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.log).into_iter().partition(keeps);
        self.log = kept;
        match self.fault {
            Some(VoidGivesNoSpace) => self.lose(&voided),
            Some(VoidGivesPlacesAgain) => self.head = Seq::new(seq.value() - 1),
            _ => {}
        }
    }

    /// The epoch at this place of the history is the current one again.
    fn restore(&mut self, at: usize, restored: NextEpoch) {
        let at = if self.is(VoidsOneEpoch) { self.epochs.len().saturating_sub(2) } else { at };
        self.epochs.truncate(at + 1);
        if self.is(VoidForgetsThePast) {
            self.epochs.drain(..at);
        }
        let fault = self.fault;
        if let Some(current) = self.epochs.last_mut() {
            if fault != Some(RestoredExpires) {
                current.until = None;
            }
            if fault != Some(RestoredKeepsItsMember) {
                current.record.member = restored.member;
            }
            if fault != Some(RecordKeepsItsDoor) {
                current.record.door = restored.door;
            }
            current.record.settled |= fault == Some(RestoredIsSettled);
        }
        if fault != Some(RestoredKeepsTheDoor) {
            self.door = restored.door;
        }
        if fault != Some(RestoredKeepsGroupInfo) {
            self.group_info = restored.group_info;
        }
    }
}
