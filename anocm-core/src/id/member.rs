//! Newtypes that members see and a relay does not: they travel inside the encryption.

use std::fmt;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::RoomAddress;

/// The random identifier of a member, carried in the member's MLS leaf. Visible to members only.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct MemberId([u8; 16]);

impl MemberId {
    /// Size in bytes.
    pub const LEN: usize = 16;

    /// Makes an id from its bytes.
    #[must_use]
    pub const fn new(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// The bytes, as in the leaf's credential.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

impl fmt::Debug for MemberId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MemberId(..)")
    }
}

/// The Ed25519 public key of a member's leaf, generated anew for every room. Visible to members
/// only.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct MemberKey([u8; 32]);

impl MemberKey {
    /// Makes a key from its bytes.
    #[must_use]
    pub const fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Debug for MemberKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MemberKey(..)")
    }
}

impl RoomAddress {
    /// Returns the address of the room that the member of this key opened: the first 16 bytes of
    /// SHA-256("anocm/1 room" ‖ key).
    #[must_use]
    pub fn of(owner: &MemberKey) -> Self {
        let hash = Sha256::new().chain_update(b"anocm/1 room").chain_update(owner.0).finalize();
        let mut address = [0; Self::LEN];
        address.iter_mut().zip(hash).for_each(|(byte, hashed)| *byte = hashed);
        Self::new(address)
    }
}

/// The random identifier of a message, chosen by its sender and carried inside the encryption.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct MessageId([u8; 16]);

impl MessageId {
    /// Makes an id from its bytes.
    #[must_use]
    pub const fn new(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// The bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

impl fmt::Debug for MessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MessageId(..)")
    }
}
