//! What a relay says of itself.

use anocm_core::wire;

/// What a relay says of its own memory-only promise. It catches mistakes, not a lying operator.
#[derive(Clone, Copy, Debug, PartialEq, Eq, uniffi::Enum)]
#[expect(clippy::exhaustive_enums, reason = "three-valued by design")]
pub enum Posture {
    /// Everything that can be checked was checked and is as promised.
    Kept,
    /// Something could not be checked.
    Unknown,
    /// Something that was checked breaks the promise.
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
