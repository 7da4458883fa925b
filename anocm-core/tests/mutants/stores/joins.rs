//! Joins of the plain store: settled, taken back, and the door that is shut after them.

use std::time::Duration;

use anocm_core::{
    Epoch, Seq, Timestamp, TokenHash,
    store::{EpochRecord, SETTLES, SHUT_FIRST, SHUT_LONGEST, StoreError, TakeBack},
    wire::{EntryKind, NextEpoch},
};

use super::{
    faults::Fault::*,
    room::{Kept, Room},
};

/// A door that is shut to joins, or was.
#[derive(Clone, Copy)]
pub(super) struct Shut {
    door: TokenHash,
    until: Timestamp,
    time: Duration,
}

impl Room {
    pub(super) fn settle(&mut self, began: Seq) -> Result<(), StoreError> {
        if self.is(SettleIsNothing) {
            return Ok(());
        }
        let current = self.epoch();
        let fault = self.fault;
        let is_meant = |record: &EpochRecord| match fault {
            Some(SettlesAll) => true,
            Some(SettlesTheCurrentOnly) => record.began == began && record.epoch == current,
            Some(SettlesTheCurrent) => record.epoch == current,
            _ => record.began == began,
        };
        let mut settled = 0;
        for known in self.epochs.iter_mut().filter(|known| is_meant(&known.record)) {
            known.record.settled = !known.record.settled || fault != Some(SettleToggles);
            settled += 1;
        }
        if settled == 0 && self.is(SettleOfNothingIsStale) {
            return Err(StoreError::StaleEpoch { current });
        }
        Ok(())
    }

    /// Takes a join back as a member, and gives the epoch that goes on.
    pub(super) fn take_back(
        &mut self,
        seq: Seq,
        by: TakeBack,
        now: Timestamp,
    ) -> Result<Epoch, StoreError> {
        let before = self.check_take_back(seq, &by, now)?;
        let mut restored =
            NextEpoch { member: before.member, door: before.door, group_info: by.group_info };
        match self.fault {
            Some(TakeBackLeavesTheDoor) => restored.door = self.door,
            Some(TakeBackLeavesGroupInfo) => restored.group_info = self.group_info.clone(),
            Some(TakeBackBringsAnotherMember) => restored.member = self.owner,
            _ => {}
        }
        let shut = self.shut;
        let epoch = self.void_and_shut(seq, restored, now)?;
        if self.is(MembersShutNothing) {
            self.shut = shut;
        }
        Ok(epoch)
    }

    /// The record of the epoch before, if the join can be taken back.
    pub(super) fn check_take_back(
        &self,
        seq: Seq,
        by: &TakeBack,
        now: Timestamp,
    ) -> Result<EpochRecord, StoreError> {
        let stale = StoreError::StaleEpoch { current: self.epoch() };
        let record = |is: &dyn Fn(&EpochRecord) -> bool| {
            self.epochs.iter().map(|known| known.record).find(|record| is(record))
        };
        let kept = self.log.iter().find(|kept| kept.seq == seq).ok_or(stale.clone())?;
        let before = record(&|record| record.epoch == kept.entry.epoch).ok_or(stale.clone())?;
        let begun = record(&|record| record.began == seq);
        let shown = match self.fault {
            Some(AnyMemberTakesBack) => true,
            Some(ItsOwnMemberTakesBack) => begun.is_some_and(|begun| begun.member == by.member),
            Some(TheOwnerTakesBack) => [before.member, self.owner].contains(&by.member),
            _ => before.member == by.member,
        };
        let is_join = kept.entry.kind == EntryKind::Join
            || self.is(CommitsAreTakenBack) && kept.entry.kind == EntryKind::Commit;
        if !shown || !is_join {
            return Err(stale);
        }
        let age = Duration::from_millis(now.as_millis() - kept.accepted.as_millis());
        let early = self.check_age(age);
        if self.is(EarlyBeforeSettled) {
            early.clone()?;
        }
        let settled = begun.map_or(!self.is(ForgottenIsUnsettled), |begun| begun.settled);
        if settled && !self.is(SettledIsTakenBack) {
            return Err(StoreError::Settled);
        }
        early.map(|()| before)
    }

    fn check_age(&self, age: Duration) -> Result<(), StoreError> {
        let least = match self.fault {
            Some(TakenBackAtOnce) => Duration::ZERO,
            Some(TakenBackLate) => SETTLES + Duration::from_millis(1),
            _ => SETTLES,
        };
        if age >= least {
            return Ok(());
        }
        let wait = if self.is(WaitsAllTheTime) { least } else { least - age };
        Err(StoreError::TooEarly { wait })
    }

    /// Takes an entry back, and shuts the door if it was a join.
    pub(super) fn void_and_shut(
        &mut self,
        seq: Seq,
        restored: NextEpoch,
        now: Timestamp,
    ) -> Result<Epoch, StoreError> {
        let is_join = |kept: &Kept| kept.entry.kind == EntryKind::Join;
        let was_join = self.log.iter().any(|kept| match self.fault {
            Some(JoinsThatGoAlongShut) => kept.seq >= seq && is_join(kept),
            Some(CommitsShut) => kept.seq == seq,
            _ => kept.seq == seq && is_join(kept),
        });
        let door = self.door;
        let voided = self.void(seq, restored);
        if was_join && voided.is_ok() || voided.is_err() && self.is(RefusedVoidsShut) {
            let door = if self.is(ShutsTheVoidedDoor) { door } else { self.door };
            self.shut_again(door, now);
        }
        voided
    }

    fn shut_again(&mut self, door: TokenHash, now: Timestamp) {
        let last = self.shut.filter(|shut| match self.fault {
            Some(AnotherDoorGoesOn) => true,
            Some(OpenDoorBeginsAnew) => shut.door == door && shut.until > now,
            _ => shut.door == door,
        });
        let time = match (self.fault, last) {
            (Some(NeverShut), _) => return,
            (Some(ShutEquallyLong), _) | (_, None) => SHUT_FIRST,
            (Some(ShutWithoutLimit), Some(last)) => last.time * 2,
            (_, Some(last)) => (last.time * 2).min(SHUT_LONGEST),
        };
        self.shut = Some(Shut { door, until: now.after(time), time });
    }

    /// How long the door is still shut.
    pub(super) fn shut_for(&self, now: Timestamp) -> Duration {
        let shut = self.shut.filter(|shut| shut.door == self.door || self.is(AnotherDoorIsShut));
        shut.map_or(Duration::ZERO, |shut| match self.fault {
            Some(NeverOpens) => shut.time,
            _ => Duration::from_millis(shut.until.as_millis().saturating_sub(now.as_millis())),
        })
    }
}
