//! Numbered fields, by which cards and settings can grow.

use serde::{Deserialize, Serialize};

use crate::wire;

/// Fields that this version does not know: kept as they are, and passed on.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct More(pub(super) Vec<(u16, Vec<u8>)>);

impl More {
    /// Returns whether the numbers ascend, none is there twice, and the encoding has at most `max`
    /// bytes.
    pub(super) fn is_valid(&self, max: usize) -> bool {
        self.0.is_sorted_by(|(one, _), (next, _)| one < next) && wire::encode(self).len() <= max
    }

    /// Returns whether a field has a number that no reader may pass over: from 0x8000.
    pub(super) fn is_critical(&self) -> bool {
        self.0.iter().any(|(number, _)| *number >= 0x8000)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_ascend_and_the_encoding_is_bounded() {
        let more = |numbers: &[u16]| More(numbers.iter().map(|n| (*n, vec![7; 4])).collect());
        for (numbers, valid) in [
            (&[][..], true),
            (&[0], true),
            (&[1, 0x7fff, 0xffff], true),
            (&[2, 2], false),
            (&[2, 1], false),
        ] {
            assert_eq!(more(numbers).is_valid(32), valid, "{numbers:?}");
        }
        assert!(more(&[0x8000]).is_critical() && !more(&[0, 0x7fff]).is_critical());
        // The count, a number, a length and the bytes.
        assert!(More(vec![(1, vec![0; 29])]).is_valid(32));
        assert!(!More(vec![(1, vec![0; 30])]).is_valid(32));
    }
}
