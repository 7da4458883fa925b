//! One room of the model.

use std::time::Duration;

use anocm_core::{
    Epoch, RoomAddress, Seq, TokenHash,
    store::{EpochRecord, MemoryLimits, StoreError, StoredDoor, UNJOINED_LINGER},
    wire::{Entry, EntryKind, NextEpoch, Policy},
};

use super::model::Spare;

pub(super) struct Room {
    pub(super) address: RoomAddress,
    pub(super) opened: u64,
    pub(super) touched: u64,
    pub(super) door: StoredDoor,
    /// For each voided join, the door that was shut, and when.
    pub(super) voided: Vec<(TokenHash, u64)>,
    /// With the time of their acceptance.
    pub(super) kept: Vec<(u64, Seq, Entry)>,
    pub(super) watches: Vec<usize>,
    pub(super) joined: bool,
    pub(super) replaced: Replaced,
    /// Memory that the room took from the reserve beyond the space for messages, and has not
    /// returned. Reset when less than half of the memory is in use.
    pub(super) drawn: usize,
}

/// The size of the largest group information that was replaced in the current span, which began at
/// `from`, and in the previous span.
#[derive(Default)]
pub(super) struct Replaced {
    from: u64,
    max_len: usize,
    earlier: usize,
}

impl Room {
    pub(super) fn check_bounds(
        &self,
        entry: &Entry,
        next: Option<&NextEpoch>,
        spare: Spare,
    ) -> Result<(), StoreError> {
        let spare = if entry.kind.begins_epoch() { spare.epochs } else { spare.messages };
        let mut needs = 0;
        if !entry.retention.is_live() {
            needs = entry.sealed.len() + MemoryLimits::PER_ENTRY;
            let (entries, bytes) = bounds(&self.door.policy, entry);
            let sealed = self.sealed() + entry.sealed.len();
            if self.kept.len() >= entries as usize || sealed as u64 > bytes {
                return Err(StoreError::Full);
            }
        }
        if let Some(next) = next {
            needs += next.group_info.len().saturating_sub(self.takes_for_door());
        }
        if needs > spare { Err(StoreError::Full) } else { Ok(()) }
    }

    pub(super) fn begin(&mut self, epoch: Epoch, began: Seq, settled: bool, next: NextEpoch) {
        let NextEpoch { member, door, group_info } = next;
        self.door.door = door;
        self.door.group_info = group_info;
        self.door.epochs.push(EpochRecord { epoch, member, door, began, settled });
    }

    /// For a kept entry that ended a known epoch, returns the time of its acceptance, its kind, and
    /// the record of the epoch.
    pub(super) fn ended_at(&self, seq: Seq) -> Result<(u64, EntryKind, EpochRecord), StoreError> {
        let kept =
            self.kept.iter().find(|(_, kept, entry)| *kept == seq && entry.kind.begins_epoch());
        let ended = kept.and_then(|(accepted, _, entry)| {
            let record = self.door.epochs.iter().find(|record| record.epoch == entry.epoch)?;
            Some((*accepted, entry.kind, *record))
        });
        ended.ok_or(StoreError::StaleEpoch { current: self.door.epoch() })
    }

    /// How long the door is still shut: twice as long each time, while it is the same door.
    pub(super) fn shut(&self, now: u64) -> Duration {
        let Some(&(door, since)) = self.voided.last() else { return Duration::ZERO };
        if door != self.door.door {
            return Duration::ZERO;
        }
        let times = self.voided.iter().rev().take_while(|voided| voided.0 == door).count();
        let seconds = [10, 20, 40, 80].get(times - 1).copied().unwrap_or(120);
        Duration::from_millis((since + seconds * 1_000).saturating_sub(now))
    }

    /// An entry is no longer kept, and with it the record of the epoch that it ended is dropped.
    pub(super) fn forget_end_of(&mut self, entry: &Entry) {
        if entry.kind.begins_epoch() {
            self.door.epochs.retain(|record| record.epoch != entry.epoch);
        }
    }

    /// The bytes that count towards the store's limit.
    pub(super) fn bytes(&self) -> usize {
        let kept = self.sealed() + self.kept.len() * MemoryLimits::PER_ENTRY;
        kept + self.takes_for_door() + MemoryLimits::PER_ROOM
    }

    /// The bytes of the group information, or those that a void may need again.
    pub(super) fn takes_for_door(&self) -> usize {
        let Replaced { max_len, earlier, .. } = self.replaced;
        self.door.group_info.len().max(max_len).max(earlier)
    }

    /// Forgets the replaced sizes after one or two spans, each as long as the retention of
    /// handshakes.
    pub(super) fn expire_replaced(&mut self, now: u64) {
        let span = u64::from(self.door.policy.handshakes.as_millis());
        let Replaced { from, max_len, .. } = self.replaced;
        if now >= from + 2 * span {
            self.replaced = Replaced::default();
        } else if now >= from + span {
            self.replaced = Replaced { from: from + span, max_len: 0, earlier: max_len };
        }
    }

    /// An entry replaces the group information.
    pub(super) fn replace(&mut self, now: u64) {
        self.expire_replaced(now);
        let before = &mut self.replaced;
        if before.max_len == 0 && before.earlier == 0 {
            before.from = now;
        }
        before.max_len = before.max_len.max(self.door.group_info.len());
    }

    pub(super) fn sealed(&self) -> usize {
        self.kept.iter().map(|(_, _, entry)| entry.sealed.len()).sum()
    }

    pub(super) fn lonely(&self) -> u64 {
        let most = UNJOINED_LINGER.as_millis() as u64;
        let linger = self.door.policy.linger;
        self.touched + if self.joined { linger } else { linger.min(most) }
    }

    pub(super) fn old(&self) -> u64 {
        self.opened + self.door.policy.max_age
    }
}

/// The last tenth is reserved for entries that begin an epoch.
fn bounds(policy: &Policy, entry: &Entry) -> (u32, u64) {
    let (entries, bytes) = (policy.max_entries, policy.max_bytes);
    if entry.kind.begins_epoch() {
        (entries, bytes)
    } else {
        (entries - entries / 10, bytes - bytes / 10)
    }
}
