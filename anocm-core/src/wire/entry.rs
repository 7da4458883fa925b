//! The contents of a room's log and door, as the relay sees them.

use std::{fmt, time::Duration};

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::{
    id::{Epoch, RoomAddress, Seq},
    retention::Retention,
    secret::{Payload, TokenHash},
};

/// The allowed sizes of a sealed entry in bytes.
pub(crate) const SEALED_SIZES: [usize; 4] = [1_000, 4_000, 16_000, 64_000];
/// The allowed sizes of sealed group information in bytes.
#[cfg(any(feature = "client", feature = "relay"))]
pub(crate) const DOOR_SIZES: [usize; 6] = [1_000, 4_000, 16_000, 64_000, 256_000, 1_000_000];

/// The minimum age of a join before a member can have it taken back. By then a connected member
/// that accepts the join has proven the epoch that it began.
pub const SETTLES: Duration = Duration::from_secs(3);

/// The largest sealed entry in bytes.
pub const MAX_SEALED: usize = 64_000;
/// The largest sealed group information in bytes.
pub const MAX_DOOR: usize = 1_000_000;

/// The effect of an entry on the room.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[expect(clippy::exhaustive_enums, reason = "another kind would be another protocol version")]
pub enum EntryKind {
    /// A member's message. Does not change the epoch.
    Message,
    /// A member changes the membership or the settings. Begins the next epoch.
    Commit,
    /// An external join of a new member. Begins the next epoch.
    Join,
}

impl EntryKind {
    /// Whether the next epoch begins after an entry of this kind.
    #[must_use]
    pub const fn begins_epoch(self) -> bool {
        !matches!(self, Self::Message)
    }
}

/// One sealed item for a room's log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// The effect on the room.
    pub kind: EntryKind,
    /// The epoch that it was sealed for. It can be appended only in this epoch.
    pub epoch: Epoch,
    /// How long it may be kept after its acceptance. For commits and joins this is the room's
    /// [`Policy::handshakes`].
    pub retention: Retention,
    /// `nonce(24) ‖ ciphertext`, in one of four sizes.
    pub sealed: Payload,
}

impl Entry {
    /// Whether the sealed part has an allowed size: 1,000, 4,000, 16,000 or 64,000 bytes.
    #[must_use]
    pub fn has_valid_size(&self) -> bool {
        SEALED_SIZES.contains(&self.sealed.len())
    }

    /// Returns the hash of the whole entry, by which its author recognises it. The nonce alone
    /// would not suffice, since every member sees the nonces of others and chooses its own.
    #[must_use]
    pub fn digest(&self) -> EntryDigest {
        let kind = match self.kind {
            EntryKind::Message => 0_u8,
            EntryKind::Commit => 1,
            EntryKind::Join => 2,
        };
        let mut hash = Sha256::new();
        hash.update([kind]);
        hash.update(self.epoch.value().to_be_bytes());
        hash.update(self.retention.as_millis().to_be_bytes());
        hash.update(&*self.sealed);
        EntryDigest(hash.finalize().into())
    }
}

/// SHA-256 of an [`Entry`]: kind, epoch, retention and every sealed byte.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct EntryDigest([u8; 32]);

impl fmt::Debug for EntryDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("EntryDigest(..)")
    }
}

/// An entry with its sequence number.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogItem {
    /// Its sequence number.
    pub seq: Seq,
    /// Milliseconds since the relay accepted it, by the relay's clock.
    pub age: u64,
    /// The entry.
    pub entry: Entry,
}

/// The state that the relay replaces when an epoch begins. Sent with the commit or join that begins
/// the epoch, and replaced in the same step.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NextEpoch {
    /// Hash of the new epoch's member token.
    pub member: TokenHash,
    /// Hash of the door token, unchanged unless the invite was replaced.
    pub door: TokenHash,
    /// The sealed group information of the new epoch.
    pub group_info: Payload,
}

/// Everything that a relay receives when a room is opened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Genesis {
    /// The public part of the room's rules.
    pub policy: Policy,
    /// Hash of the token that closes the room and voids commits.
    pub owner: TokenHash,
    /// Epoch 0: its member token, the door token, the sealed group information.
    pub first: NextEpoch,
}

/// The part of a room's rules that the relay enforces, and therefore knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Policy {
    /// The longest retention of any message.
    pub max_retention: Retention,
    /// How long commits and joins are kept, so that a guest that was away can process the missed
    /// epochs. They contain no messages.
    pub handshakes: Retention,
    /// Milliseconds that the room outlives its last connection.
    pub linger: u64,
    /// Milliseconds after its opening at which the room ends in any case.
    pub max_age: u64,
    /// The most entries kept at one time.
    pub max_entries: u32,
    /// The most bytes of sealed entries kept at one time.
    pub max_bytes: u64,
}

impl Policy {
    /// How long the room outlives its last connection.
    #[must_use]
    pub const fn linger(&self) -> Duration {
        Duration::from_millis(self.linger)
    }

    /// Returns the maximum number of entries and of bytes that may be kept, including a new entry
    /// of this kind. The last tenth of each is reserved for commits and joins, so that a member
    /// that fills a room with messages can still be removed.
    #[must_use]
    pub const fn bounds(&self, kind: EntryKind) -> (u32, u64) {
        if kind.begins_epoch() {
            (self.max_entries, self.max_bytes)
        } else {
            (self.max_entries - self.max_entries / 10, self.max_bytes - self.max_bytes / 10)
        }
    }

    /// The age at which the room ends in any case.
    #[must_use]
    pub const fn max_age(&self) -> Duration {
        Duration::from_millis(self.max_age)
    }
}

/// What the door token gives access to: the data needed to create a join for the current epoch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Door {
    /// The room's address, to which all sealed data is bound.
    pub address: RoomAddress,
    /// The current epoch.
    pub epoch: Epoch,
    /// The sealed group information of that epoch.
    pub group_info: Payload,
    /// The public part of the room's rules.
    pub policy: Policy,
}
