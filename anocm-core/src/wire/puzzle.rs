//! The proof of work that a relay under load requires before a room is created or joined.

use serde::{Deserialize, Serialize};

/// A proof of work: find a number whose digest is small enough. See docs/protocol.md, section 9.8.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Puzzle {
    /// Random, so that the work cannot be done in advance.
    pub seed: [u8; 16],
    /// The average number of tries.
    pub difficulty: u32,
}

/// The number that solves a [`Puzzle`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Solution(pub [u8; 8]);

impl Puzzle {
    /// The highest difficulty that a client accepts, about ten seconds of work.
    pub const MAX_DIFFICULTY: u32 = 1 << 18;
}
