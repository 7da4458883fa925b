//! Joins that are taken back from the plain store, and the faults that this can have.

use std::time::Duration;

use anocm_core::{
    Epoch, Seq, Timestamp, TokenHash,
    store::{SETTLES, SHUT_FIRST, SHUT_LONGEST, StoreError, TakeBack},
    wire::{EntryKind, NextEpoch},
};

use super::{faults::Fault::*, room::Room};

/// How long joins by one door are not accepted.
#[derive(Clone, Copy)]
pub(super) struct Shut {
    door: TokenHash,
    until: Timestamp,
    time: Duration,
}

impl Room {
    pub(super) fn settle(&mut self, began: Seq) {
        for known in &mut self.epochs {
            let is_meant = known.record.began == began && self.fault != Some(NothingSettles);
            known.record.settled |= is_meant;
        }
    }

    pub(super) fn take_back(
        &mut self,
        seq: Seq,
        by: TakeBack,
        now: Timestamp,
    ) -> Result<Epoch, StoreError> {
        let stale = StoreError::StaleEpoch { current: self.epoch() };
        let kept = self.log.iter().find(|kept| kept.seq == seq);
        let Some(kept) = kept.filter(|kept| {
            kept.entry.kind == EntryKind::Join
                || kept.entry.kind == EntryKind::Commit && self.is(CommitsAreTakenBack)
        }) else {
            return Err(stale);
        };
        let mut records = self.epochs.iter().map(|known| known.record);
        let before = records.clone().find(|record| record.epoch == kept.entry.epoch);
        let is_member = |member| member == by.member || self.is(AnyMemberTakesBack);
        let Some(before) = before.filter(|before| is_member(before.member)) else {
            return Err(stale);
        };
        let settled =
            records.find(|record| record.began == seq).is_none_or(|record| record.settled);
        if settled && !self.is(SettledIsTakenBack) && !self.is(CommitsAreTakenBack) {
            return Err(StoreError::Settled);
        }
        let settles = match self.fault {
            Some(TakenBackAtOnce) => Duration::ZERO,
            Some(TakenBackLate) => SETTLES + Duration::from_millis(1),
            _ => SETTLES,
        };
        let age = now.saturating_duration_since(kept.accepted);
        if age < settles {
            return Err(StoreError::TooEarly { wait: settles - age });
        }
        let door = if self.is(TakenBackLeavesTheDoor) { self.door } else { before.door };
        let shut = self.shut;
        let restored = NextEpoch { member: before.member, door, group_info: by.group_info };
        let epoch = self.void(seq, restored, now)?;
        if self.is(TakenBackShutsNothing) {
            self.shut = shut;
        }
        Ok(epoch)
    }

    pub(super) fn shut_again(&mut self, now: Timestamp) {
        let last = self.shut.filter(|shut| shut.door == self.door && !self.is(ShutsEquallyLong));
        let time = last.map_or(SHUT_FIRST, |last| (last.time * 2).min(SHUT_LONGEST));
        self.shut = Some(Shut { door: self.door, until: now.saturating_add(time), time });
    }

    pub(super) fn shut_for(&self, now: Timestamp) -> Duration {
        let applies = |shut: &Shut| shut.door == self.door || self.is(ShutsEveryDoor);
        let shut = self.shut.filter(|shut| applies(shut) && !self.is(NothingShuts));
        shut.map_or(Duration::ZERO, |shut| shut.until.saturating_duration_since(now))
    }
}
