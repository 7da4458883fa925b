//! Entries for all subscribers of a room, encoded once and shared.

use std::time::Duration;

use crate::{
    id::{RoomAddress, Seq},
    relay::ids::ShardId,
    secret::Payload,
    time::{Timestamp, millis},
    wire::{Event, LogItem, RelayFrame, Reply, decode, encode},
};

/// The maximum by which an age may be understated when it is sent: a frame that was queued for
/// longer is encoded again.
pub(crate) const MAX_AGE_ERROR: Duration = Duration::from_millis(20);

/// An entry event, encoded once and shared by all subscribers.
#[derive(Clone)]
pub(crate) struct EncodedEntry {
    pub(crate) seq: Seq,
    pub(crate) frame: Payload,
    /// When the age in `frame` was right.
    pub(crate) encoded_at: Timestamp,
    /// When its retention ends; `None` for a live entry.
    pub(crate) expires: Option<Timestamp>,
}

/// A frame with ages updated some time after it was encoded.
pub(crate) struct Aged {
    pub(crate) frame: Payload,
    /// How long until the first entry in it expires.
    pub(crate) expires_in: Option<Duration>,
}

/// Encodes a frame with entries again after `passed`: each entry's age grows by that, and entries
/// of a page whose retention is over are left out. The entry of an event is never left out: the
/// queue drops it.
pub(crate) fn with_ages_grown(frame: &Payload, passed: Duration) -> Aged {
    let unchanged = Aged { frame: frame.clone(), expires_in: None };
    // The relay has encoded the frame itself, so decoding does not fail.
    let Ok(mut decoded) = decode::<RelayFrame>(frame, frame.len()) else { return unchanged };
    let passed = millis(passed);
    let grow = |item: &mut LogItem| item.age = item.age.saturating_add(passed);
    let mut expires_in = None;
    match &mut decoded {
        RelayFrame::Event(Event::Entry { item, .. }) => grow(item),
        RelayFrame::Reply { result: Ok(Reply::Page(page)), .. } => {
            page.items.iter_mut().for_each(grow);
            page.items.retain(|item| !remaining(item).is_zero());
            expires_in = page.items.iter().map(remaining).min();
        }
        _ => return unchanged,
    }
    Aged { frame: encode(&decoded), expires_in }
}

/// Returns how long an entry of a page is still retained.
pub(crate) fn remaining(item: &LogItem) -> Duration {
    item.entry.retention.lifetime().saturating_sub(Duration::from_millis(item.age))
}

/// Entries of one room that are sent together, in order.
pub(crate) struct Broadcast {
    /// The shard that sends.
    pub(crate) shard: ShardId,
    pub(crate) room: RoomAddress,
    /// When the ages in their frames were right.
    encoded_at: Timestamp,
    pub(crate) entries: Vec<EncodedEntry>,
    /// Their frames again, as a contiguous slice for a link.
    frames: Vec<Payload>,
    bytes: usize,
    /// When the first of them expires, if any does.
    next_expiry: Option<Timestamp>,
}

impl Broadcast {
    pub(crate) fn new(
        shard: ShardId,
        room: RoomAddress,
        encoded_at: Timestamp,
        entries: Vec<EncodedEntry>,
    ) -> Self {
        let frames: Vec<_> = entries.iter().map(|entry| entry.frame.clone()).collect();
        let bytes = total_len(&frames);
        let next_expiry = entries.iter().filter_map(|entry| entry.expires).min();
        Self { shard, room, encoded_at, entries, frames, bytes, next_expiry }
    }

    /// Returns the frames of all entries.
    pub(crate) fn frames(&self) -> &[Payload] {
        &self.frames
    }

    /// Returns the bytes of the first `frames` frames.
    pub(crate) fn bytes(&self, frames: usize) -> usize {
        match self.frames.get(..frames) {
            Some(some) if some.len() < self.frames.len() => total_len(some),
            _ => self.bytes,
        }
    }

    /// Returns whether none of the entries has expired and their ages are still right.
    pub(crate) fn is_fresh(&self, now: Timestamp) -> bool {
        self.next_expiry.is_none_or(|expires| expires > now)
            && now.saturating_duration_since(self.encoded_at) <= MAX_AGE_ERROR
    }
}

fn total_len(frames: &[Payload]) -> usize {
    frames.iter().map(|frame| frame.len()).fold(0, usize::saturating_add)
}
