//! Newtypes for the identifiers and numbers that cross an interface.

#[cfg(feature = "client")]
mod member;

use std::fmt;

use serde::{Deserialize, Serialize};

#[cfg(feature = "client")]
pub use self::member::{MemberId, MemberKey, MessageId};

/// The identifier under which a relay knows a room: 16 bytes of the hash of a key that is made for
/// this room alone, its owner's. A group of another owner is not that room.
///
/// `Debug` prints it redacted, so that no log identifies a room.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct RoomAddress([u8; 16]);

impl RoomAddress {
    /// Size in bytes.
    pub const LEN: usize = 16;

    /// Makes an address from its bytes.
    #[must_use]
    pub const fn new(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// The bytes, as in frames and in the invite.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

impl fmt::Debug for RoomAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RoomAddress(..)")
    }
}

/// An entry's sequence number in the room's log: 1, 2, 3 … assigned by the relay and never reused.
/// [`Seq::START`] (zero) means "before the first entry".
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize,
)]
pub struct Seq(u64);

impl Seq {
    /// The position before the first entry.
    pub const START: Self = Self(0);

    /// Makes a sequence number.
    #[must_use]
    pub const fn new(n: u64) -> Self {
        Self(n)
    }

    /// The number.
    #[must_use]
    pub const fn value(self) -> u64 {
        self.0
    }

    /// Returns the next sequence number. Saturates at `u64::MAX`, which no room reaches.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }

    /// Returns the previous sequence number. Saturates at [`Seq::START`].
    #[cfg(feature = "client")]
    pub(crate) const fn before(self) -> Self {
        Self(self.0.saturating_sub(1))
    }
}

/// The version of the room's membership: each commit or join increments it from n to n + 1 (RFC
/// 9420, section 8). A new room is in epoch 0.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize,
)]
pub struct Epoch(u64);

impl Epoch {
    /// The epoch of a new room.
    pub const FIRST: Self = Self(0);

    /// Makes an epoch from its number.
    #[must_use]
    pub const fn new(n: u64) -> Self {
        Self(n)
    }

    /// The number.
    #[must_use]
    pub const fn value(self) -> u64 {
        self.0
    }

    /// Returns the epoch that a commit in this one begins.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}
