//! Log order: which entry is next, and which sequence numbers are missing.

use std::{
    collections::{BTreeMap, btree_map},
    ops::RangeInclusive,
    time::Duration,
};

use crate::{
    id::Seq,
    secret::Payload,
    time::{Timestamp, millis},
    wire::{EntryKind, LogItem, Page},
};

/// Most entries, and most of their sealed bytes, that are buffered while an earlier sequence number
/// is missing. Entries beyond that are read from the relay when their turn comes.
const MAX_WAITING: usize = 2_048;
const MAX_WAITING_BYTES: usize = 8_000_000;

/// The position in the log, and the entries that arrived out of order.
#[derive(Debug, Default)]
pub(crate) struct Log {
    cursor: Seq,
    /// Entries that arrived out of order, and when; `None` where an entry was voided.
    waiting: BTreeMap<Seq, Option<(LogItem, Timestamp)>>,
    /// The sealed bytes of the waiting entries.
    bytes: usize,
    /// When the first waiting message expires, or earlier.
    expires: Option<Timestamp>,
    /// The relay has reported every sequence number up to here: one without an entry is a hole.
    known: Seq,
    holes: u64,
}

/// The content of the next sequence number.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum LogSlot {
    /// An entry, with its age as of now.
    Item {
        item: LogItem,
        /// The part of its age, in milliseconds, that it was buffered here.
        waited: u64,
    },
    /// No entry at these sequence numbers: each was live or has expired.
    Holes(RangeInclusive<Seq>),
    /// An entry that was voided.
    Voided,
}

/// A page that contradicts itself or earlier replies.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Contradiction;

impl Log {
    /// Restarts the log after `seq` and forgets everything else, except the count of holes.
    pub(crate) fn start_after(&mut self, seq: Seq) {
        *self = Self { cursor: seq, known: seq, holes: self.holes, ..Self::default() };
    }

    /// Returns the last sequence number that was taken.
    pub(crate) const fn cursor(&self) -> Seq {
        self.cursor
    }

    /// Returns how many sequence numbers turned out to be holes, since the beginning.
    pub(crate) const fn holes(&self) -> u64 {
        self.holes
    }

    /// Counts an entry that did not open as a hole: its content is missing.
    pub(crate) const fn count_unreadable(&mut self) {
        self.holes = self.holes.saturating_add(1);
    }

    /// Buffers an entry that the relay delivered as an event.
    pub(crate) fn push(&mut self, now: Timestamp, item: LogItem) {
        if item.seq > self.cursor && !self.is_full() {
            self.buffer(now, item);
        }
    }

    fn buffer(&mut self, now: Timestamp, item: LogItem) {
        let bytes = item.entry.sealed.len();
        if let btree_map::Entry::Vacant(place) = self.waiting.entry(item.seq) {
            self.expires = [self.expires, ends(&item, now)].into_iter().flatten().min();
            place.insert(Some((item, now)));
            self.bytes = self.bytes.saturating_add(bytes);
        }
    }

    /// Returns when [`expire`](Self::expire) is to be called next.
    pub(crate) const fn deadline(&self) -> Option<Timestamp> {
        self.expires
    }

    /// Wipes messages that expired while they waited. They keep their sequence numbers.
    pub(crate) fn expire(&mut self, now: Timestamp) {
        if self.expires.is_none_or(|at| at > now) {
            return;
        }
        self.expires = None;
        for (item, arrived) in self.waiting.values_mut().flatten() {
            let Some(end) = ends(item, *arrived) else { continue };
            if end > now {
                self.expires = Some(self.expires.map_or(end, |first| first.min(end)));
            } else {
                self.bytes = self.bytes.saturating_sub(item.entry.sealed.len());
                item.entry.sealed = Payload::default();
            }
        }
    }

    fn is_full(&self) -> bool {
        self.waiting.len() >= MAX_WAITING || self.bytes >= MAX_WAITING_BYTES
    }

    /// Buffers the entries of a page.
    pub(crate) fn read(&mut self, now: Timestamp, page: Page) -> Result<(), Contradiction> {
        let in_order = page.items.is_sorted_by(|a, b| a.seq < b.seq && a.age >= b.age);
        let within = page.items.last().is_none_or(|last| last.seq <= page.reaches);
        let progress = !page.more || page.reaches > self.cursor;
        if !(in_order && within && progress) {
            return Err(Contradiction);
        }
        for item in page.items {
            if item.seq > self.cursor {
                self.buffer(now, item);
            }
        }
        self.known = self.known.max(page.reaches);
        Ok(())
    }

    /// Drops the waiting entries at `seq` and after it, which were voided. Keeps `seq` itself as
    /// the sequence number of a voided entry.
    pub(crate) fn voided(&mut self, seq: Seq) {
        let gone = self.waiting.split_off(&seq);
        let bytes: usize = gone.values().flatten().map(|(item, _)| item.entry.sealed.len()).sum();
        self.bytes = self.bytes.saturating_sub(bytes);
        if seq > self.cursor && !self.is_full() {
            self.waiting.insert(seq, None);
        }
    }

    /// Takes the content of the next sequence number, if it is known. Its age is as of `now`.
    pub(crate) fn next(&mut self, now: Timestamp) -> Option<LogSlot> {
        let seq = self.cursor.next();
        if seq == self.cursor {
            return None;
        }
        let last = match self.waiting.remove(&seq) {
            Some(Some((mut item, arrived))) => {
                self.bytes = self.bytes.saturating_sub(item.entry.sealed.len());
                let waited = millis(now.saturating_duration_since(arrived));
                item.age = item.age.saturating_add(waited);
                self.cursor = seq;
                return Some(LogSlot::Item { item, waited });
            }
            Some(None) => {
                self.cursor = seq;
                self.count_unreadable();
                return Some(LogSlot::Voided);
            }
            None if seq > self.known => return None,
            // All at once: a relay may report more holes than can be counted one by one.
            None => self.next_waiting().map_or(self.known, |next| next.before().min(self.known)),
        };
        let holes = last.value().saturating_sub(self.cursor.value());
        self.holes = self.holes.saturating_add(holes);
        self.cursor = last;
        Some(LogSlot::Holes(seq..=last))
    }

    /// Returns the first sequence number that waits for its turn.
    pub(crate) fn next_waiting(&self) -> Option<Seq> {
        self.waiting.first_key_value().map(|(&seq, _)| seq)
    }

    /// Drops all waiting entries.
    pub(crate) fn forget_waiting(&mut self) {
        self.waiting.clear();
        self.bytes = 0;
        self.expires = None;
    }

    /// Whether an entry waits for a sequence number that the relay has not delivered.
    pub(crate) fn has_gap(&self) -> bool {
        let next = self.cursor.next();
        self.waiting
            .first_key_value()
            .is_some_and(|(&first, _)| first > next.max(self.known.next()))
            || self.is_full()
    }
}

/// Returns when a message that arrived at `arrived` expires. Membership changes are applied at any
/// age, and an entry that is live or was wiped holds nothing that could expire.
fn ends(item: &LogItem, arrived: Timestamp) -> Option<Timestamp> {
    let entry = &item.entry;
    let expires = entry.kind == EntryKind::Message && !entry.retention.is_live();
    let left = u64::from(entry.retention.as_millis()).saturating_sub(item.age);
    (expires && !entry.sealed.is_empty())
        .then(|| arrived.saturating_add(Duration::from_millis(left)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{id::Epoch, retention::Retention, wire::Entry};

    const NOW: Timestamp = Timestamp::from_millis(1_000);

    fn item(seq: u64) -> LogItem {
        let entry = Entry {
            kind: EntryKind::Message,
            epoch: Epoch::FIRST,
            retention: Retention::Live,
            sealed: Payload::from(vec![u8::try_from(seq % 256).unwrap()]),
        };
        LogItem { seq: Seq::new(seq), age: 0, entry }
    }

    fn page(seqs: &[u64], reaches: u64, more: bool) -> Page {
        let items = seqs.iter().map(|&seq| item(seq)).collect();
        Page { items, reaches: Seq::new(reaches), more }
    }

    fn take(log: &mut Log) -> Vec<String> {
        std::iter::from_fn(|| log.next(NOW))
            .map(|place| match place {
                LogSlot::Item { item, .. } => item.seq.value().to_string(),
                LogSlot::Voided => "void".to_owned(),
                LogSlot::Holes(seqs) if seqs.start() == seqs.end() => {
                    format!("-{}", seqs.start().value())
                }
                LogSlot::Holes(seqs) => {
                    format!("-{}..{}", seqs.start().value(), seqs.end().value())
                }
            })
            .collect()
    }

    #[test]
    fn entries_come_out_in_order_whatever_the_order_they_came_in() {
        let mut log = Log::default();
        log.push(NOW, item(3));
        log.push(NOW, item(2));
        assert!(log.has_gap());
        assert_eq!(take(&mut log), [""; 0]);
        log.push(NOW, item(1));
        assert!(!log.has_gap());
        assert_eq!(take(&mut log), ["1", "2", "3"]);
    }

    #[test]
    fn a_page_fills_a_gap_and_names_the_holes() {
        let mut log = Log::default();
        log.push(NOW, item(5));
        assert!(log.has_gap());
        log.read(NOW, page(&[1, 3], 4, false)).unwrap();
        assert_eq!(take(&mut log), ["1", "-2", "3", "-4", "5"]);
        assert_eq!(log.holes(), 2);
    }

    #[test]
    fn a_live_entry_that_was_told_is_no_hole_of_the_page() {
        let mut log = Log::default();
        log.push(NOW, item(2));
        log.read(NOW, page(&[1, 3], 3, false)).unwrap();
        assert_eq!(take(&mut log), ["1", "2", "3"]);
    }

    #[test]
    fn what_waits_is_bounded_in_bytes() {
        let mut log = Log::default();
        let large = |seq| {
            let mut item = item(seq);
            item.entry.sealed = Payload::from(vec![0; 64_000]);
            item
        };
        (2..=200).for_each(|seq| log.push(NOW, large(seq)));
        assert!(log.has_gap());
        assert_eq!(log.waiting.len(), MAX_WAITING_BYTES / 64_000);
        // Entries that were left out are read later, and taking entries frees space.
        log.push(NOW, item(1));
        assert_eq!(take(&mut log).len(), 0);
        log.read(NOW, page(&[1], 1, false)).unwrap();
        assert_eq!(take(&mut log).len(), 126);
        assert_eq!((log.waiting.len(), log.bytes, log.has_gap()), (0, 0, false));
    }

    #[test]
    fn an_entry_ages_while_it_waits_for_its_turn() {
        let mut log = Log::default();
        log.push(NOW, LogItem { age: 3, ..item(2) });
        log.push(NOW, LogItem { age: u64::MAX, ..item(3) });
        let later = Timestamp::from_millis(NOW.as_millis() + 7);
        log.read(later, page(&[1], 1, false)).unwrap();
        let ages = std::iter::from_fn(|| log.next(later)).map(|place| match place {
            LogSlot::Item { item, waited } => (item.age, waited),
            other => panic!("{other:?}"),
        });
        assert_eq!(ages.collect::<Vec<_>>(), [(0, 0), (10, 7), (u64::MAX, 7)]);
    }

    #[test]
    fn a_message_is_wiped_at_its_time_though_it_waits_and_keeps_its_place() {
        let mut log = Log::default();
        let kept = |seq, kind, seconds, age| {
            let mut item = item(seq);
            let retention = Retention::keep(Duration::from_secs(seconds)).unwrap();
            item.age = age;
            (item.entry.kind, item.entry.retention) = (kind, retention);
            item.entry.sealed = Payload::from(vec![1; 100]);
            item
        };
        log.push(NOW, kept(2, EntryKind::Message, 5, 1_000));
        log.push(NOW, kept(3, EntryKind::Commit, 1, 0));
        log.push(NOW, kept(4, EntryKind::Message, 60, 0));
        log.push(NOW, item(5));
        assert_eq!(log.deadline(), Some(NOW.saturating_add(Duration::from_secs(4))));
        log.expire(NOW.saturating_add(Duration::from_millis(3_999)));
        assert_eq!(log.bytes, 301);
        let later = NOW.saturating_add(Duration::from_secs(4));
        log.expire(later);
        assert_eq!(
            (log.bytes, log.deadline()),
            (201, Some(NOW.saturating_add(Duration::from_secs(60))))
        );
        log.read(later, page(&[1], 1, false)).unwrap();
        let rest = std::iter::from_fn(|| log.next(later)).map(|place| match place {
            LogSlot::Item { item, .. } => item.entry.sealed.len(),
            other => panic!("{other:?}"),
        });
        assert_eq!(rest.collect::<Vec<_>>(), [1, 0, 100, 100, 1]);
        // The deadline comes once more, early, and finds nothing.
        log.expire(NOW.saturating_add(Duration::from_secs(60)));
        assert_eq!((log.bytes, log.deadline()), (0, None));
    }

    #[test]
    fn what_was_taken_is_not_taken_again() {
        let mut log = Log::default();
        log.push(NOW, item(1));
        assert_eq!(take(&mut log), ["1"]);
        log.push(NOW, item(1));
        log.read(NOW, page(&[1], 1, false)).unwrap();
        assert_eq!(take(&mut log), [""; 0]);
    }

    #[test]
    fn a_page_that_contradicts_itself_is_refused() {
        let mut log = Log::default();
        assert_eq!(log.read(NOW, page(&[2, 1], 2, false)), Err(Contradiction));
        assert_eq!(log.read(NOW, page(&[1, 3], 2, false)), Err(Contradiction));
        assert_eq!(log.read(NOW, page(&[], 0, true)), Err(Contradiction));
        let mut growing = page(&[1, 2], 2, false);
        growing.items[1].age = 7;
        assert_eq!(log.read(NOW, growing), Err(Contradiction));
    }

    #[test]
    fn what_was_taken_back_is_a_hole() {
        let mut log = Log::default();
        log.push(NOW, item(1));
        log.push(NOW, item(3));
        log.voided(Seq::new(2));
        assert_eq!(take(&mut log), ["1", "void"]);
        log.push(NOW, item(3));
        assert_eq!(take(&mut log), ["3"]);
    }

    #[test]
    fn more_holes_than_can_be_counted_are_passed_in_one_step() {
        let mut log = Log::default();
        log.push(NOW, item(200));
        log.read(NOW, page(&[2], u64::MAX, false)).unwrap();
        let rest = format!("-201..{}", u64::MAX);
        assert_eq!(take(&mut log), ["-1", "2", "-3..199", "200", &rest]);
        log.push(NOW, item(7));
        assert_eq!(take(&mut log), [""; 0]);
    }
}
