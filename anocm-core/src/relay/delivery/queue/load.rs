//! The size of a set of queued frames.

use crate::secret::Payload;

/// Bytes and number of frames.
#[derive(Clone, Copy, Default)]
pub(super) struct Load {
    pub(super) bytes: usize,
    pub(super) frames: usize,
}

impl Load {
    pub(super) fn more(&mut self, frame: &Payload) {
        self.bytes = self.bytes.saturating_add(frame.len());
        self.frames = self.frames.saturating_add(1);
    }

    pub(super) fn less(&mut self, frame: &Payload) {
        self.without(Self { bytes: frame.len(), frames: 1 });
    }

    pub(super) fn without(&mut self, other: Self) {
        self.bytes = self.bytes.saturating_sub(other.bytes);
        self.frames = self.frames.saturating_sub(other.frames);
    }
}
