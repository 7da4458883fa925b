//! Work that a relay under load asks for before a room is created or joined.

use serde::{Deserialize, Serialize};

/// Asks for a number whose digest is small. docs/protocol.md, section 9.8, says how it is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Puzzle {
    /// Random: nobody can have worked on it before.
    pub seed: [u8; 16],
    /// How many tries it takes on average.
    pub difficulty: u32,
}

/// The number that a [`Puzzle`] asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Solution(pub [u8; 8]);

impl Puzzle {
    /// The most tries that a client lets itself be asked for, some ten seconds of work.
    pub const MAX_DIFFICULTY: u32 = 1 << 18;
}
