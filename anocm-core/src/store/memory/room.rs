//! One room: its log, its door, its deadlines. Has no clock: the caller passes the time.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use super::{MemoryLimits, replaced::Replaced, shut::Shut};
use crate::{
    id::{Epoch, Seq},
    secret::{Payload, TokenHash},
    store::{
        EpochRecord, Feeds, MAX_EPOCHS, PAGE_BYTES, SETTLES, StoreError, StoredDoor, TakeBack,
        UNJOINED_LINGER, Watch, Watched,
    },
    time::{Timestamp, millis},
    wire::{CloseReason, Entry, EntryKind, Genesis, LogItem, NextEpoch, Page, Policy},
};

const PER_ENTRY: usize = MemoryLimits::PER_ENTRY;

pub(super) struct Room {
    policy: Policy,
    owner: TokenHash,
    group_info: Payload,
    /// Group information that commits and joins have replaced and that a void may restore.
    replaced: Replaced,
    shut: Shut,
    head: Seq,
    /// Never empty; the last is the current epoch.
    epochs: Vec<EpochRecord>,
    kept: BTreeMap<Seq, Kept>,
    expiries: BTreeSet<(Timestamp, Seq)>,
    sealed: usize,
    opened: Timestamp,
    /// Excludes the time for which the relay was stopped.
    touched: Timestamp,
    /// Whether a join was ever accepted.
    joined: bool,
    feeds: Feeds,
}

/// How many more bytes the store accepts for one room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Spare {
    /// For messages.
    pub(super) messages: usize,
    /// For entries that begin an epoch, and for voids.
    pub(super) epochs: usize,
}

impl Spare {
    pub(super) const ALL: Self = Self { messages: usize::MAX, epochs: usize::MAX };
}

struct Kept {
    entry: Entry,
    accepted: Timestamp,
}

impl Kept {
    fn expires(&self) -> Timestamp {
        self.accepted.saturating_add(self.entry.retention.lifetime())
    }
}

impl Room {
    /// Creates a room at `now`, after the relay was stopped for `stopped` in total.
    pub(super) fn new(genesis: Genesis, feeds: Feeds, now: Timestamp, stopped: Duration) -> Self {
        let NextEpoch { member, door, group_info } = genesis.first;
        let first =
            EpochRecord { epoch: Epoch::FIRST, member, door, began: Seq::START, settled: true };
        Self {
            policy: genesis.policy,
            owner: genesis.owner,
            group_info,
            replaced: Replaced::new(now, genesis.policy.handshakes.lifetime()),
            shut: Shut::default(),
            head: Seq::START,
            epochs: vec![first],
            kept: BTreeMap::new(),
            expiries: BTreeSet::new(),
            sealed: 0,
            opened: now,
            touched: now.saturating_sub(stopped),
            joined: false,
            feeds,
        }
    }

    /// Appends to the log. `next` is present exactly when the entry begins an epoch; `spare` is how
    /// many bytes the store still accepts.
    pub(super) fn append(
        &mut self,
        entry: Entry,
        next: Option<NextEpoch>,
        now: Timestamp,
        spare: Spare,
    ) -> Result<Seq, StoreError> {
        let current = self.epoch();
        if entry.epoch != current {
            return Err(StoreError::StaleEpoch { current });
        }
        self.check_bounds(&entry, next.as_ref(), spare)?;

        let seq = self.head.next();
        self.head = seq;
        self.joined |= entry.kind == EntryKind::Join;
        if let Some(next) = next {
            let settled = entry.kind != EntryKind::Join;
            self.replaced.by_another(self.group_info.len(), now);
            self.begin_epoch(current.next(), seq, settled, next);
            if entry.retention.is_live() {
                // The entry that ended the epoch is not kept, so neither is its record.
                self.epochs.retain(|record| record.epoch != current);
            }
        }
        self.feeds.broadcast(&Watched::Entry(LogItem { seq, age: 0, entry: entry.clone() }));
        if !entry.retention.is_live() {
            self.keep(seq, entry, now);
        }
        Ok(seq)
    }

    fn check_bounds(
        &self,
        entry: &Entry,
        next: Option<&NextEpoch>,
        spare: Spare,
    ) -> Result<(), StoreError> {
        let mut needs = 0;
        let spare = if entry.kind.begins_epoch() { spare.epochs } else { spare.messages };
        if !entry.retention.is_live() {
            needs = entry.sealed.len().saturating_add(PER_ENTRY);
            let sealed = wide(self.sealed.saturating_add(entry.sealed.len()));
            let (entries, bytes) = self.policy.bounds(entry.kind);
            if wide(self.kept.len()) >= u64::from(entries) || sealed > bytes {
                return Err(StoreError::Full);
            }
        }
        if let Some(next) = next {
            // Nothing is released: the replaced group information must stay restorable.
            let grows = next.group_info.len().saturating_sub(self.takes_for_door());
            needs = needs.saturating_add(grows);
        }
        if needs > spare {
            return Err(StoreError::Full);
        }
        Ok(())
    }

    /// Returns the bytes counted for group information: the current size, or a larger one that may
    /// be restored.
    fn takes_for_door(&self) -> usize {
        self.group_info.len().max(self.replaced.max())
    }

    fn begin_epoch(&mut self, epoch: Epoch, began: Seq, settled: bool, next: NextEpoch) {
        let NextEpoch { member, door, group_info } = next;
        self.group_info = group_info;
        if self.epochs.len() >= MAX_EPOCHS {
            self.epochs.remove(superfluous(&self.epochs));
        }
        self.epochs.push(EpochRecord { epoch, member, door, began, settled });
    }

    fn keep(&mut self, seq: Seq, entry: Entry, accepted: Timestamp) {
        self.sealed = self.sealed.saturating_add(entry.sealed.len());
        let kept = Kept { entry, accepted };
        self.expiries.insert((kept.expires(), seq));
        self.kept.insert(seq, kept);
    }

    /// Voids the entry at `seq`, which began an epoch whose predecessor is still known, and every
    /// later entry.
    pub(super) fn void(
        &mut self,
        seq: Seq,
        restored: NextEpoch,
        now: Timestamp,
        spare: Spare,
    ) -> Result<(), StoreError> {
        let (at, join) = self.ended_at(seq)?;
        let Some(&EpochRecord { epoch, began, settled, .. }) = self.epochs.get(at) else {
            return Err(StoreError::StaleEpoch { current: self.epoch() });
        };
        let grows = restored.group_info.len().saturating_sub(self.takes_for_door());
        if grows > spare.epochs {
            return Err(StoreError::Full);
        }
        self.epochs.truncate(at);
        self.begin_epoch(epoch, began, settled, restored);
        if join {
            self.shut.again(self.door(), now);
        }
        for (seq, kept) in self.kept.split_off(&seq) {
            self.expiries.remove(&(kept.expires(), seq));
            self.sealed = self.sealed.saturating_sub(kept.entry.sealed.len());
        }
        self.feeds.broadcast(&Watched::Voided { seq, epoch });
        Ok(())
    }

    /// Returns the index of the record of the epoch that the entry at `seq` ended, and whether that
    /// entry is a join. Later epochs may already be forgotten: entries have different retentions.
    fn ended_at(&self, seq: Seq) -> Result<(usize, bool), StoreError> {
        let entry = self.kept.get(&seq).map(|kept| &kept.entry);
        let ended = entry.filter(|entry| entry.kind.begins_epoch()).and_then(|entry| {
            let at = self.epochs.iter().position(|record| record.epoch == entry.epoch)?;
            Some((at, entry.kind == EntryKind::Join))
        });
        ended.ok_or(StoreError::StaleEpoch { current: self.epoch() })
    }

    /// Records that a member of the previous epoch has proven the epoch that the join at `began`
    /// began.
    pub(super) fn settle(&mut self, began: Seq) {
        for record in self.epochs.iter_mut().filter(|record| record.began == began) {
            record.settled = true;
        }
    }

    /// Voids the unsettled join at `seq`, on behalf of a member of the previous epoch.
    pub(super) fn take_back(
        &mut self,
        seq: Seq,
        by: TakeBack,
        now: Timestamp,
        spare: Spare,
    ) -> Result<(), StoreError> {
        let stale = StoreError::StaleEpoch { current: self.epoch() };
        let (at, join) = self.ended_at(seq)?;
        let before = self.epochs.get(at).copied().filter(|before| before.member == by.member);
        let (Some(before), Some(kept), true) = (before, self.kept.get(&seq), join) else {
            return Err(stale);
        };
        // An epoch that is no longer known counts as settled.
        let begun = self.epochs.iter().find(|record| record.began == seq);
        if begun.is_none_or(|record| record.settled) {
            return Err(StoreError::Settled);
        }
        let age = now.saturating_duration_since(kept.accepted);
        if age < SETTLES {
            return Err(StoreError::TooEarly { wait: SETTLES.saturating_sub(age) });
        }
        let EpochRecord { member, door, .. } = before;
        self.void(seq, NextEpoch { member, door, group_info: by.group_info }, now, spare)
    }

    pub(super) fn touch(&mut self, now: Timestamp, stopped: Duration) {
        self.touched = now.saturating_sub(stopped);
    }

    /// Drops every expired entry, and the records of the epochs that they ended.
    pub(super) fn expire(&mut self, now: Timestamp) {
        self.replaced.expire(now);
        while let Some(&(due, seq)) = self.expiries.first()
            && due <= now
        {
            self.expiries.pop_first();
            let Some(kept) = self.kept.remove(&seq) else {
                continue;
            };
            self.sealed = self.sealed.saturating_sub(kept.entry.sealed.len());
            if kept.entry.kind.begins_epoch() {
                let ended = kept.entry.epoch;
                self.epochs.retain(|record| record.epoch != ended);
            }
        }
    }

    pub(super) fn close(&mut self, reason: CloseReason) {
        self.feeds.close(reason);
    }

    pub(super) fn watch(&mut self) -> Watch {
        self.feeds.watch()
    }

    pub(super) fn read(&self, after: Seq, until: Seq, now: Timestamp) -> Page {
        let until = until.min(self.head);
        let mut page = Page { items: Vec::new(), reaches: until, more: false };
        if after >= until {
            return page;
        }
        let mut bytes = 0_usize;
        let mut last = after;
        for (&seq, kept) in self.kept.range(after.next()..=until) {
            if kept.expires() <= now {
                continue;
            }
            bytes = bytes.saturating_add(kept.entry.sealed.len());
            if bytes > PAGE_BYTES && !page.items.is_empty() {
                page.reaches = last;
                page.more = true;
                break;
            }
            last = seq;
            page.items.push(LogItem {
                seq,
                age: millis(now.saturating_duration_since(kept.accepted)),
                entry: kept.entry.clone(),
            });
        }
        page
    }

    pub(super) fn stored_door(&self, now: Timestamp) -> StoredDoor {
        StoredDoor {
            policy: self.policy,
            owner: self.owner,
            door: self.door(),
            group_info: self.group_info.clone(),
            head: self.head,
            shut: self.shut.left(&self.door(), now),
            epochs: self.epochs.clone(),
        }
    }

    /// Returns why the room has ended, if it has; the relay was stopped for `stopped` in total.
    pub(super) fn ended(&self, now: Timestamp, stopped: Duration) -> Option<CloseReason> {
        let (lonely, old) = (self.lonely(stopped), self.old());
        if now < lonely.min(old) {
            None
        } else if old <= lonely {
            Some(CloseReason::Age)
        } else {
            Some(CloseReason::Gone)
        }
    }

    /// Returns when part of the room expires next.
    pub(super) fn deadline(&self, stopped: Duration) -> Timestamp {
        let entry = self.expiries.first().map(|&(due, _)| due);
        let end = self.lonely(stopped).min(self.old());
        [self.replaced.due(), entry].into_iter().flatten().fold(end, Timestamp::min)
    }

    /// Returns the bytes that count towards the store's bound: sealed entries, the door, and
    /// bookkeeping.
    pub(super) fn bytes(&self) -> usize {
        let kept = self.kept.len().saturating_mul(PER_ENTRY);
        [self.sealed, kept, self.takes_for_door(), MemoryLimits::PER_ROOM]
            .into_iter()
            .fold(0, usize::saturating_add)
    }

    /// Returns the hash of the door token of the current epoch.
    fn door(&self) -> TokenHash {
        self.epochs.last().map_or_else(|| TokenHash::new([0; 32]), |record| record.door)
    }

    /// Returns the number of kept entries.
    pub(super) fn entries(&self) -> usize {
        self.kept.len()
    }

    fn epoch(&self) -> Epoch {
        self.epochs.last().map_or(Epoch::FIRST, |record| record.epoch)
    }

    fn lonely(&self, stopped: Duration) -> Timestamp {
        let linger = self.policy.linger();
        let linger = if self.joined { linger } else { linger.min(UNJOINED_LINGER) };
        self.touched.saturating_add(linger).saturating_add(stopped)
    }

    fn old(&self) -> Timestamp {
        self.opened.saturating_add(self.policy.max_age())
    }
}

fn wide(n: usize) -> u64 {
    u64::try_from(n).unwrap_or(u64::MAX)
}

/// Returns the index of the record to forget when the history is full and another epoch begins.
/// That is the oldest one, unless the two oldest are the epoch that an unsettled join ended and the
/// epoch that it began: without these, neither the join nor a later one could be taken back. In
/// that case it is the last one before the current epoch.
fn superfluous(epochs: &[EpochRecord]) -> usize {
    match epochs {
        [ended, begun, ..] if !begun.settled && begun.epoch == ended.epoch.next() => {
            epochs.len().saturating_sub(2)
        }
        _ => 0,
    }
}
