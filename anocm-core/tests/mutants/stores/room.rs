//! One room of the plain store: it is given the time and has no clock.

use std::time::Duration;

use anocm_core::{
    Epoch, Payload, Retention, Seq, Timestamp, TokenHash,
    store::{EpochRecord, Feeds, MAX_EPOCHS, StoreError, StoredDoor, Watched},
    wire::{CloseReason, Entry, EntryKind, Genesis, LogItem, NextEpoch, Policy},
};

use super::{
    faults::Fault::{self, *},
    taking_back::Shut,
};

/// Longer than any case takes.
const LONG: Duration = Duration::from_secs(600);

pub(super) struct Room {
    pub(super) fault: Option<Fault>,
    pub(super) policy: Policy,
    pub(super) owner: TokenHash,
    pub(super) door: TokenHash,
    pub(super) shut: Option<Shut>,
    pub(super) group_info: Payload,
    pub(super) head: Seq,
    /// Past epochs, and the current one as the last.
    pub(super) epochs: Vec<Known>,
    pub(super) log: Vec<Kept>,
    pub(super) opened: Timestamp,
    pub(super) ends: Timestamp,
    pub(super) feeds: Feeds,
    /// Entries and bytes that are gone but still counted.
    pub(super) lost: (usize, usize),
}

/// An epoch, and until when it is known once it has ended.
#[derive(Clone, Copy)]
pub(super) struct Known {
    pub(super) record: EpochRecord,
    until: Option<Timestamp>,
}

pub(super) struct Kept {
    pub(super) seq: Seq,
    pub(super) entry: Entry,
    pub(super) accepted: Timestamp,
}

impl Kept {
    fn expires(&self) -> Timestamp {
        self.accepted.saturating_add(self.entry.retention.lifetime())
    }
}

impl Room {
    pub(super) fn new(fault: Option<Fault>, genesis: Genesis, now: Timestamp) -> Self {
        let Genesis { policy, owner, first } = genesis;
        let NextEpoch { member, door, .. } = first;
        let (epoch, began) = (Epoch::FIRST, Seq::START);
        let record = EpochRecord { epoch, member, door, began, settled: true };
        Self {
            fault,
            policy,
            owner,
            door,
            shut: None,
            group_info: first.group_info,
            head: Seq::START,
            epochs: vec![Known { record, until: None }],
            log: Vec::new(),
            opened: now,
            ends: now.saturating_add(policy.linger()),
            feeds: Feeds::default(),
            lost: (0, 0),
        }
    }

    pub(super) fn is(&self, fault: Fault) -> bool {
        self.fault == Some(fault)
    }

    pub(super) fn epoch(&self) -> Epoch {
        self.epochs.last().map_or(Epoch::FIRST, |known| known.record.epoch)
    }

    /// Returns the reason why an entry cannot be appended.
    pub(super) fn check(&mut self, entry: &Entry) -> Result<(), StoreError> {
        if self.is(FullBeforeStale) {
            self.check_bounds(entry)?;
        }
        let (asked, current) = (entry.epoch, self.epoch());
        let passes = self.is(AnyEpoch)
            || self.is(AnyEpochIfLive) && entry.retention.is_live()
            || self.is(LaterEpochs) && asked > current;
        if asked != current && !passes {
            if self.is(StaleIsTold) {
                self.tell_entry(self.head.next(), entry);
            }
            let named = if self.is(StaleNamesTheAsked) { asked } else { current };
            return Err(StoreError::StaleEpoch { current: named });
        }
        self.check_bounds(entry)
    }

    fn check_bounds(&mut self, entry: &Entry) -> Result<(), StoreError> {
        if entry.retention.is_live() && !self.is(LiveTakesSpace) {
            return Ok(());
        }
        let kind = match entry.kind {
            _ if self.is(MessagesTakeTheLastTenth) => EntryKind::Commit,
            _ if self.is(CommitsLeaveTheLastTenth) => EntryKind::Message,
            EntryKind::Commit | EntryKind::Join if self.is(CommitsUnbounded) => return Ok(()),
            kind => kind,
        };
        let (most, most_bytes) = self.policy.bounds(kind);
        let sealed = self.log.iter().map(|kept| kept.entry.sealed.len()).sum::<usize>();
        let entries = self.log.len() + self.lost.0;
        let bytes = sealed + self.lost.1 + entry.sealed.len();
        let full = entries >= most as usize && !self.is(EntriesUnbounded)
            || bytes as u64 > most_bytes && !self.is(BytesUnbounded);
        if !full {
            return Ok(());
        }
        match self.fault {
            Some(FullDropsTheOldest) => {
                self.log.remove(0);
                return Ok(());
            }
            Some(RefusedTakesAPlace) => self.head = self.head.next(),
            Some(FullIsTold) => self.tell_entry(self.head.next(), entry),
            _ => {}
        }
        Err(StoreError::Full)
    }

    /// Appends a checked entry, and returns its sequence number.
    pub(super) fn take(&mut self, entry: &Entry, next: Option<NextEpoch>, now: Timestamp) -> Seq {
        let seq = self.head.next();
        let live = entry.retention.is_live();
        if !(live && self.is(LiveTakesNoPlace)) {
            self.head = seq;
        }
        if let Some(next) = next.filter(|_| entry.kind.begins_epoch()) {
            self.begin(entry, seq, next, now);
        }
        if !live || self.is(LiveIsKept) {
            let accepted = if live { now.saturating_add(LONG) } else { now };
            self.log.push(Kept { seq, entry: entry.clone(), accepted });
        }
        seq
    }

    fn begin(&mut self, entry: &Entry, seq: Seq, next: NextEpoch, now: Timestamp) {
        if self.is(JoinsBeginNothing) && entry.kind == EntryKind::Join {
            return;
        }
        let current = self.epoch();
        let mut member = next.member;
        if let Some(ended) = self.epochs.last_mut() {
            let restored_expires = self.fault == Some(RestoredExpires);
            let mut until = now.saturating_add(entry.retention.lifetime());
            if entry.retention.is_live() {
                until = now.saturating_add(LONG);
            }
            // With this fault, the deadline of the first end is kept.
            let earlier = ended.until.filter(|_| restored_expires);
            ended.until = Some(earlier.unwrap_or(until));
            match self.fault {
                Some(OldMember) => member = ended.record.member,
                Some(PastHasTheNewMember) => ended.record.member = next.member,
                _ => {}
            }
        }
        if self.is(PastIsForgotten) || entry.retention.is_live() && !self.is(LiveEndIsRemembered) {
            self.epochs.pop();
        }
        let (epoch, door) = (current.next(), next.door);
        let settled = entry.kind != EntryKind::Join || self.is(JoinsAreSettled);
        let record = EpochRecord { epoch, member, door, began: seq, settled };
        self.epochs.push(Known { record, until: None });
        let most = if self.is(OneEpochLess) { MAX_EPOCHS - 1 } else { MAX_EPOCHS };
        if self.epochs.len() > most && !self.is(EpochsUnbounded) {
            let first_unsettled = self.epochs.iter().position(|known| !known.record.settled);
            let protects = first_unsettled == Some(1) && !self.is(UnsettledIsDisplaced);
            let last_before = self.epochs.len().saturating_sub(3);
            let later = if self.is(WhatFollowsIsDisplaced) { 2 } else { last_before };
            self.epochs.remove(if protects { later } else { 0 });
        }
        if !self.is(OldGroupInfo) {
            self.group_info = next.group_info;
        }
        if !self.is(OldDoor) {
            self.door = next.door;
        }
    }

    /// Delivers an entry to every watch.
    pub(super) fn tell_entry(&mut self, seq: Seq, entry: &Entry) {
        let untold = match entry.kind {
            _ if entry.retention.is_live() && self.is(LiveIsUntold) => true,
            EntryKind::Join => self.is(JoinsAreUntold),
            EntryKind::Commit => self.is(CommitsAreUntold),
            EntryKind::Message => false,
        };
        if untold {
            return;
        }
        let mut entry = entry.clone();
        if self.is(ToldAsLive) {
            entry.retention = Retention::Live;
        }
        self.feeds.broadcast(&Watched::Entry(LogItem { seq, age: 0, entry }));
    }

    /// Voids an entry, and returns the epoch that is restored.
    pub(super) fn void(
        &mut self,
        seq: Seq,
        restored: NextEpoch,
        now: Timestamp,
    ) -> Result<Epoch, StoreError> {
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
        self.cut(seq);
        self.restore(at, restored);
        if kind == EntryKind::Join || self.is(VoidedCommitShuts) {
            self.shut_again(now);
        }
        Ok(self.epoch())
    }

    fn cut(&mut self, seq: Seq) {
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

    /// Makes the epoch at this index of the history the current one again.
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
            current.record.door = restored.door;
        }
        if fault != Some(RestoredKeepsTheDoor) {
            self.door = restored.door;
        }
        if fault != Some(RestoredKeepsGroupInfo) {
            self.group_info = restored.group_info;
        }
    }

    fn lose(&mut self, gone: &[Kept]) {
        self.lost.0 += gone.len();
        self.lost.1 += gone.iter().map(|kept| kept.entry.sealed.len()).sum::<usize>();
    }

    /// Forgets everything that has expired.
    pub(super) fn expire(&mut self, now: Timestamp) {
        let past = now.as_millis();
        let past = match self.fault {
            Some(ExpiresLate) => past - 1,
            Some(ExpiresEarly) => past + 1,
            _ => past,
        };
        let expired = |kept: &Kept| kept.expires().as_millis() <= past;
        let gone: Vec<_> = if self.is(ExpiresInOrder) {
            let front = self.log.iter().take_while(|kept| expired(kept)).count();
            self.log.drain(..front).collect()
        } else {
            self.log.extract_if(.., |kept| expired(kept)).collect()
        };
        match self.fault {
            Some(ExpiryGivesNoSpace) => self.lose(&gone),
            Some(PlacesReturnOnExpiry) if !gone.is_empty() => {
                self.head = self.log.last().map_or(Seq::START, |kept| kept.seq);
            }
            _ => {}
        }
        if self.is(CurrentIsForgotten) {
            let gone = gone.iter().any(|kept| kept.seq.next() > self.head);
            self.epochs.truncate(self.epochs.len() - usize::from(gone));
        }
        if !self.is(PastIsNeverForgotten) {
            self.epochs.retain(|known| known.until.is_none_or(|until| until > now));
        }
    }

    pub(super) fn stored_door(&self, now: Timestamp) -> StoredDoor {
        StoredDoor {
            policy: self.policy,
            owner: self.owner,
            door: self.door,
            group_info: self.group_info.clone(),
            head: self.head,
            shut: self.shut_for(now),
            epochs: self.epochs.iter().map(|known| known.record).collect(),
        }
    }

    pub(super) fn touch(&mut self, now: Timestamp) {
        match self.fault {
            Some(TouchIsNothing) => return,
            Some(TouchesAddUp) => self.ends = self.ends.saturating_add(self.policy.linger()),
            Some(TouchDefersAge) => self.opened = now,
            _ => {}
        }
        self.ends = self.ends.max(now.saturating_add(self.policy.linger()));
    }

    /// Returns why the room has ended, or `None`.
    pub(super) fn ended(&self, now: Timestamp) -> Option<CloseReason> {
        let mut lonely = self.ends;
        let mut old = self.opened.saturating_add(self.policy.max_age());
        match self.fault {
            Some(LingersForEver) => lonely = Timestamp::from_millis(u64::MAX),
            Some(LingersLate) => lonely = Timestamp::from_millis(lonely.as_millis() + 1),
            Some(NoLargestAge) => old = Timestamp::from_millis(u64::MAX),
            _ => {}
        }
        if now < lonely.min(old) {
            return None;
        }
        let is_old = match self.fault {
            Some(TieIsGone) => old < lonely,
            Some(AlwaysAge) => true,
            // With this fault, the largest age wins whenever both have passed.
            Some(LaterReasonIsTold) => old <= now,
            _ => old <= lonely,
        };
        Some(if is_old { CloseReason::Age } else { CloseReason::Gone })
    }
}
