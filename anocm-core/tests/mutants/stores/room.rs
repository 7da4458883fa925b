//! One room of the plain store: told the time, never asks for it.

use std::time::Duration;

use anocm_core::{
    Epoch, Payload, Retention, Seq, Timestamp, TokenHash,
    store::{EpochRecord, Feeds, MAX_EPOCHS, PAGE_BYTES, StoreError, StoredDoor, Watched},
    wire::{CloseReason, Entry, EntryKind, Genesis, LogItem, NextEpoch, Page, Policy},
};

use super::{
    faults::Fault::{self, *},
    joins::Shut,
};

/// Longer than any case takes.
const LONG: Duration = Duration::from_secs(600);

pub(super) struct Room {
    pub(super) fault: Option<Fault>,
    pub(super) policy: Policy,
    pub(super) owner: TokenHash,
    pub(super) door: TokenHash,
    pub(super) group_info: Payload,
    pub(super) head: Seq,
    /// Past epochs, and the current one as the last.
    pub(super) epochs: Vec<Known>,
    pub(super) log: Vec<Kept>,
    pub(super) opened: Timestamp,
    pub(super) ends: Timestamp,
    pub(super) feeds: Feeds,
    /// Entries and bytes that are gone and counted.
    pub(super) lost: (usize, usize),
    /// The last time that the door was shut to joins.
    pub(super) shut: Option<Shut>,
}

/// An epoch, and until when it is known once it has ended.
#[derive(Clone, Copy)]
pub(super) struct Known {
    pub(super) record: EpochRecord,
    pub(super) until: Option<Timestamp>,
}

pub(super) struct Kept {
    pub(super) seq: Seq,
    pub(super) entry: Entry,
    pub(super) accepted: Timestamp,
}

impl Kept {
    fn expires(&self) -> Timestamp {
        self.accepted.after(self.entry.retention.lifetime())
    }
}

impl Room {
    pub(super) fn new(fault: Option<Fault>, genesis: Genesis, now: Timestamp) -> Self {
        let Genesis { policy, owner, first } = genesis;
        let record = EpochRecord {
            epoch: Epoch::FIRST,
            member: first.member,
            door: first.door,
            began: Seq::START,
            settled: true,
        };
        Self {
            fault,
            policy,
            owner,
            door: first.door,
            group_info: first.group_info,
            head: Seq::START,
            epochs: vec![Known { record, until: None }],
            log: Vec::new(),
            opened: now,
            ends: now.after(policy.linger()),
            feeds: Feeds::default(),
            lost: (0, 0),
            shut: None,
        }
    }

    pub(super) fn is(&self, fault: Fault) -> bool {
        self.fault == Some(fault)
    }

    pub(super) fn epoch(&self) -> Epoch {
        self.epochs.last().map_or(Epoch::FIRST, |known| known.record.epoch)
    }

    /// Why an entry cannot be appended.
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

    /// Takes an entry that was checked, and gives what is to be told of it.
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
            let accepted = if live { now.after(LONG) } else { now };
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
            let mut until = now.after(entry.retention.lifetime());
            if entry.retention.is_live() {
                until = now.after(LONG);
            }
            // The first end that it had is the one that counts.
            let earlier = ended.until.filter(|_| restored_expires);
            ended.until = Some(earlier.unwrap_or(until));
            match self.fault {
                Some(OldMember) => member = ended.record.member,
                Some(PastHasTheNewMember) => ended.record.member = next.member,
                Some(PastHasTheNewDoor) => ended.record.door = next.door,
                _ => {}
            }
        }
        if self.is(PastIsForgotten) || entry.retention.is_live() && !self.is(LiveEndIsRemembered) {
            self.epochs.pop();
        }
        let settled = match self.fault {
            Some(JoinsAreSettled) => true,
            Some(CommitsAreUnsettled) => false,
            Some(LiveJoinsAreSettled) if entry.retention.is_live() => true,
            _ => entry.kind != EntryKind::Join,
        };
        let record =
            EpochRecord { epoch: current.next(), member, door: next.door, began: seq, settled };
        if self.is(CommitsOpenTheDoor) && next.door != self.door {
            self.shut = None;
        }
        self.epochs.push(Known { record, until: None });
        let most = if self.is(OneEpochLess) { MAX_EPOCHS - 1 } else { MAX_EPOCHS };
        if self.epochs.len() > most && !self.is(EpochsUnbounded) {
            self.epochs.remove(0);
        }
        if !self.is(OldGroupInfo) {
            self.group_info = next.group_info;
        }
        if !self.is(OldDoor) {
            self.door = next.door;
        }
    }

    /// Tells every watch of an entry.
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
        self.feeds.tell(&Watched::Entry(LogItem { seq, age: 0, entry }));
    }

    pub(super) fn lose(&mut self, gone: &[Kept]) {
        self.lost.0 += gone.len();
        self.lost.1 += gone.iter().map(|kept| kept.entry.sealed.len()).sum::<usize>();
    }

    /// Forgets what has had its time.
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

    pub(super) fn read(&self, after: Seq, until: Seq, now: Timestamp) -> Page {
        let mut reaches = until.min(self.head);
        match self.fault {
            Some(ReachesUntil) => reaches = until,
            Some(ReachesNotBeforeTheCursor) => reaches = reaches.max(after),
            Some(ReachesTheLastKept) => {
                let kept = self.log.iter().map(|kept| kept.seq).filter(|&seq| seq <= until);
                reaches = kept.max().unwrap_or(after);
            }
            _ => {}
        }
        let mut page = Page { items: Vec::new(), reaches, more: false };
        let mut bytes = 0;
        for kept in &self.log {
            let from = after.value() + u64::from(!self.is(ReadsTheCursor));
            let to = until.value().saturating_add(u64::from(self.is(ReadsBeyondUntil)));
            let empty = kept.entry.sealed.is_empty() && self.is(EmptyIsLost);
            if !(from..=to).contains(&kept.seq.value()) || empty {
                continue;
            }
            bytes += kept.entry.sealed.len();
            if bytes > PAGE_BYTES && !page.items.is_empty() && !self.is(PagesAreEndless) {
                page.more = !self.is(MoreIsUnsaid);
                page.reaches = match page.items.last().map_or(after, |item: &LogItem| item.seq) {
                    last if self.is(PagesSkipOne) => last.next(),
                    last => last,
                };
                break;
            }
            page.items.push(self.item(kept, now));
        }
        if self.is(ReadsBackwards) {
            page.items.reverse();
        }
        page
    }

    fn item(&self, kept: &Kept, now: Timestamp) -> LogItem {
        let age = now.as_millis() - kept.accepted.as_millis();
        let age = if self.is(AgesAreZero) { 0 } else { age };
        let mut entry = kept.entry.clone();
        let length = match self.fault {
            Some(LongIsCut) => entry.sealed.len().min(32_768),
            Some(SealedEndsAtZero) => entry.sealed.iter().take_while(|&&byte| byte != 0).count(),
            _ => entry.sealed.len(),
        };
        entry.sealed = Payload::copy_from_slice(&entry.sealed[..length]);
        LogItem { seq: kept.seq, age, entry }
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
            Some(TouchesAddUp) => self.ends = self.ends.after(self.policy.linger()),
            Some(TouchDefersAge) => self.opened = now,
            _ => {}
        }
        self.ends = self.ends.max(now.after(self.policy.linger()));
    }

    /// Why the room is over, if it is.
    pub(super) fn ended(&self, now: Timestamp) -> Option<CloseReason> {
        let mut lonely = self.ends;
        let mut old = self.opened.after(self.policy.largest_age());
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
            // What it finds first when it looks.
            Some(LaterReasonIsTold) => old <= now,
            _ => old <= lonely,
        };
        Some(if is_old { CloseReason::Age } else { CloseReason::Gone })
    }
}
