//! A byte buffer that is wiped when it is released or moved.

use zeroize::Zeroize;

/// Received bytes of which the first have been used up. Holds no allocation while it is empty.
#[derive(Default)]
pub(super) struct Buffer {
    bytes: Vec<u8>,
    used: usize,
}

impl Buffer {
    pub(super) fn new(bytes: &[u8]) -> Self {
        Self { bytes: bytes.to_vec(), used: 0 }
    }

    /// Returns the bytes that have not been used up.
    pub(super) fn unread(&self) -> &[u8] {
        self.bytes.get(self.used..).unwrap_or_default()
    }

    pub(super) fn unread_mut(&mut self) -> &mut [u8] {
        self.bytes.get_mut(self.used..).unwrap_or_default()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Marks the first `length` bytes as used up. After the last, the buffer is wiped and freed.
    pub(super) fn consume(&mut self, length: usize) {
        self.used = self.used.saturating_add(length);
        if self.used >= self.bytes.len() {
            *self = Self::default();
        }
    }

    /// Makes space for `length` bytes in all, those that have not been used up included. A larger
    /// space is at least twice as large as what it holds, so that many small fragments of a message
    /// are not moved each time.
    pub(super) fn reserve(&mut self, length: usize) {
        if length > self.bytes.capacity() {
            let unread = self.unread();
            let mut larger = Vec::with_capacity(length.max(unread.len().saturating_mul(2)));
            larger.extend_from_slice(unread);
            *self = Self { bytes: larger, used: 0 };
        } else if self.used > 0 {
            self.bytes.copy_within(self.used.., 0);
            self.bytes.truncate(self.bytes.len().saturating_sub(self.used));
            self.used = 0;
        }
    }

    /// Returns the vector, to append to it within the reserved space.
    pub(super) fn tail(&mut self) -> &mut Vec<u8> {
        &mut self.bytes
    }

    /// Takes the bytes out. The caller must wipe them.
    pub(super) fn take(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.bytes)
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        // The slices are wiped in bulk; `Vec::zeroize` works byte by byte.
        self.bytes.as_mut_slice().zeroize();
        self.bytes.spare_capacity_mut().zeroize();
    }
}
