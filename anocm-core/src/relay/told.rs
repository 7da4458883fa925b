//! What everyone who watches a room is told, encoded once and shared.

use super::hub::HubId;
use crate::{
    id::{RoomAddress, Seq},
    secret::Payload,
    time::Timestamp,
};

/// An entry event, encoded once and shared by everyone who is told.
#[derive(Clone)]
pub(super) struct Fanned {
    pub(super) seq: Seq,
    pub(super) frame: Payload,
    /// When its retention ends; a live entry has none.
    pub(super) expires: Option<Timestamp>,
}

/// Entries of one room that are told at one go, in order.
pub(super) struct Told {
    /// Who tells.
    pub(super) hub: HubId,
    pub(super) room: RoomAddress,
    pub(super) entries: Vec<Fanned>,
    /// Their frames once more, side by side as a link takes them.
    frames: Vec<Payload>,
    bytes: usize,
    /// None of them expires before this.
    next_expiry: Option<Timestamp>,
}

impl Told {
    pub(super) fn new(hub: HubId, room: RoomAddress, entries: Vec<Fanned>) -> Self {
        let frames: Vec<_> = entries.iter().map(|fanned| fanned.frame.clone()).collect();
        let bytes = length(&frames);
        let next_expiry = entries.iter().filter_map(|fanned| fanned.expires).min();
        Self { hub, room, entries, frames, bytes, next_expiry }
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

    /// Whether none of them has expired.
    pub(super) fn is_alive(&self, now: Timestamp) -> bool {
        self.next_expiry.is_none_or(|expires| expires > now)
    }
}

fn length(frames: &[Payload]) -> usize {
    frames.iter().map(|frame| frame.len()).fold(0, usize::saturating_add)
}
