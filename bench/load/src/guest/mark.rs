//! The mark in a message: its number, and when it was due to be sent.

use std::time::Duration;

use tokio::time::Instant;

/// Length of a mark in bytes. It is at the front, where a sealed entry has its nonce.
pub(crate) const MARK: usize = 24;

/// Writes and reads the marks of one measurement.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Marker {
    /// Distinguishes this measurement from other traffic in the room.
    run: [u8; 8],
    start: Instant,
}

/// Contents of a mark.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Mark {
    /// How many messages of the room preceded it.
    pub(crate) number: u64,
    /// When it was due to be sent.
    pub(crate) at: Instant,
}

impl Marker {
    pub(crate) fn new(run: [u8; 8]) -> Self {
        Self { run, start: Instant::now() }
    }

    pub(crate) fn write(&self, mark: Mark) -> [u8; MARK] {
        let since = mark.at.saturating_duration_since(self.start);
        let nanos = u64::try_from(since.as_nanos()).unwrap_or(u64::MAX);
        let mut bytes = [0; MARK];
        let parts = [self.run, nanos.to_le_bytes(), mark.number.to_le_bytes()];
        for (to, from) in bytes.iter_mut().zip(parts.as_flattened()) {
            *to = *from;
        }
        bytes
    }

    /// Returns `None` for a message that is not of this measurement.
    pub(crate) fn read(&self, bytes: &[u8; MARK]) -> Option<Mark> {
        let (run, rest) = bytes.split_first_chunk::<8>()?;
        let (nanos, rest) = rest.split_first_chunk::<8>()?;
        let (number, _) = rest.split_first_chunk::<8>()?;
        if *run != self.run {
            return None;
        }
        let at = self.start.checked_add(Duration::from_nanos(u64::from_le_bytes(*nanos)))?;
        Some(Mark { number: u64::from_le_bytes(*number), at })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_survives_and_another_run_s_is_none() {
        let marker = Marker::new([7; 8]);
        let mark = Mark { number: 41, at: Instant::now() + Duration::from_millis(3) };
        let bytes = marker.write(mark);
        assert_eq!(marker.read(&bytes), Some(mark));
        assert_eq!(Marker { run: [8; 8], ..marker }.read(&bytes), None);
    }
}
