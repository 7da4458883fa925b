//! The relay's statement about its memory-only operation.

use anocm_core::wire;

/// The relay's own statement about its memory-only promise. It detects mistakes, not a dishonest
/// operator.
#[derive(Clone, Copy, Debug, PartialEq, Eq, uniffi::Enum)]
#[expect(clippy::exhaustive_enums, reason = "three-valued by design")]
pub enum Posture {
    /// All checks that are possible passed.
    Kept,
    /// Something could not be checked.
    Unknown,
    /// A check found that the promise is broken.
    Broken,
}

impl From<wire::Posture> for Posture {
    fn from(posture: wire::Posture) -> Self {
        match posture {
            wire::Posture::Kept => Self::Kept,
            wire::Posture::Unknown => Self::Unknown,
            wire::Posture::Broken => Self::Broken,
        }
    }
}
