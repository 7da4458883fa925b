//! The frames of a queue, one by one and in batches.

use super::load::Load;
use crate::{
    id::{RoomAddress, Seq},
    relay::delivery::broadcast::{MAX_AGE_ERROR, with_ages_grown},
    secret::Payload,
    time::Timestamp,
};

/// A frame in the queue.
pub(super) struct Queued {
    pub(super) frame: Payload,
    pub(super) kind: FrameKind,
}

/// What a queued frame is.
pub(super) enum FrameKind {
    /// A reply, or an event that must not be lost.
    Control,
    /// A reply with entries, whose ages were right at `encoded_at`.
    Page { encoded_at: Timestamp, expires: Option<Timestamp> },
    /// An entry of a room, whose age was right at `encoded_at`.
    Entry { room: RoomAddress, seq: Seq, encoded_at: Timestamp, expires: Option<Timestamp> },
}

impl FrameKind {
    /// Returns the frame to be sent now: ages are those at the moment of sending.
    pub(super) fn with_current_ages(&self, frame: &Payload, now: Timestamp) -> Payload {
        match self {
            Self::Page { encoded_at, .. } | Self::Entry { encoded_at, .. }
                if now.saturating_duration_since(*encoded_at) > MAX_AGE_ERROR =>
            {
                with_ages_grown(frame, now.saturating_duration_since(*encoded_at)).frame
            }
            _ => frame.clone(),
        }
    }
}

/// Frames to be handed to the link in one send; none while the link still has some to write.
#[derive(Default)]
pub(crate) struct Batch {
    pub(crate) frames: Vec<Payload>,
    pub(super) all: Load,
    pub(super) entries: Load,
}

impl Batch {
    pub(crate) fn bytes(&self) -> usize {
        self.all.bytes
    }
}
