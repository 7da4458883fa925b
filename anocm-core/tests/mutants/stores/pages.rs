//! Reading a room of the plain store, and the faults that this can have.

use anocm_core::{
    Payload, Seq, Timestamp,
    store::PAGE_BYTES,
    wire::{LogItem, Page},
};

use super::{
    faults::Fault::*,
    room::{Kept, Room},
};

impl Room {
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
}
