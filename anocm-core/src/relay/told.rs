//! What everyone who watches a room is told, encoded once and shared.

use std::time::Duration;

use super::hub::HubId;
use crate::{
    id::{RoomAddress, Seq},
    secret::Payload,
    time::{Timestamp, millis},
    wire::{Event, LogItem, RelayFrame, Reply, decode, encode},
};

/// An age is understated by no more than this when it is sent: a frame that waited for longer is
/// encoded again.
pub(super) const STALE: Duration = Duration::from_millis(20);

/// An entry event, encoded once and shared by everyone who is told.
#[derive(Clone)]
pub(super) struct Fanned {
    pub(super) seq: Seq,
    pub(super) frame: Payload,
    /// When its age was as `frame` says.
    pub(super) told: Timestamp,
    /// When its retention ends; a live entry has none.
    pub(super) expires: Option<Timestamp>,
}

/// A frame as it is some time after it was encoded.
pub(super) struct Retold {
    pub(super) frame: Payload,
    /// How long until something in it expires.
    pub(super) expires_in: Option<Duration>,
}

/// Encodes a frame with entries anew when `passed` has passed: each is that much older, and those of
/// a page whose retention is over are left out. An event's entry is never: the queue drops it.
pub(super) fn retell(frame: &Payload, passed: Duration) -> Retold {
    let unchanged = Retold { frame: frame.clone(), expires_in: None };
    // A frame that this relay encoded.
    let Ok(mut told) = decode::<RelayFrame>(frame, frame.len()) else { return unchanged };
    let passed = millis(passed);
    let grow = |item: &mut LogItem| item.age = item.age.saturating_add(passed);
    let mut expires_in = None;
    match &mut told {
        RelayFrame::Event(Event::Entry { item, .. }) => grow(item),
        RelayFrame::Reply { result: Ok(Reply::Page(page)), .. } => {
            page.items.iter_mut().for_each(grow);
            page.items.retain(|item| !left(item).is_zero());
            expires_in = page.items.iter().map(left).min();
        }
        _ => return unchanged,
    }
    Retold { frame: encode(&told), expires_in }
}

/// How long an entry of a page is still kept.
pub(super) fn left(item: &LogItem) -> Duration {
    item.entry.retention.lifetime().saturating_sub(Duration::from_millis(item.age))
}

/// Entries of one room that are told at one go, in order.
pub(super) struct Told {
    /// Who tells.
    pub(super) hub: HubId,
    pub(super) room: RoomAddress,
    /// When their ages were as their frames say.
    at: Timestamp,
    pub(super) entries: Vec<Fanned>,
    /// Their frames once more, side by side as a link takes them.
    frames: Vec<Payload>,
    bytes: usize,
    /// None of them expires before this.
    next_expiry: Option<Timestamp>,
}

impl Told {
    pub(super) fn new(hub: HubId, room: RoomAddress, at: Timestamp, entries: Vec<Fanned>) -> Self {
        let frames: Vec<_> = entries.iter().map(|fanned| fanned.frame.clone()).collect();
        let bytes = length(&frames);
        let next_expiry = entries.iter().filter_map(|fanned| fanned.expires).min();
        Self { hub, room, at, entries, frames, bytes, next_expiry }
    }

    /// The frames of all entries.
    pub(super) fn frames(&self) -> &[Payload] {
        &self.frames
    }

    /// Bytes of the first so many frames.
    pub(super) fn bytes(&self, frames: usize) -> usize {
        match self.frames.get(..frames) {
            Some(some) if some.len() < self.frames.len() => length(some),
            _ => self.bytes,
        }
    }

    /// Whether none of them has expired, and their ages are still right.
    pub(super) fn is_fresh(&self, now: Timestamp) -> bool {
        self.next_expiry.is_none_or(|expires| expires > now) && now.since(self.at) <= STALE
    }
}

fn length(frames: &[Payload]) -> usize {
    frames.iter().map(|frame| frame.len()).fold(0, usize::saturating_add)
}
