//! What a room's log and door are made of, as the relay sees them.

use std::{fmt, time::Duration};

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::{
    id::{Epoch, RoomAddress, Seq},
    retention::Retention,
    secret::{Payload, TokenHash},
};

/// The sizes in bytes that a sealed entry can have.
pub(crate) const SEALED_SIZES: [usize; 4] = [1_000, 4_000, 16_000, 64_000];
/// The sizes in bytes that sealed group information can have.
pub(crate) const DOOR_SIZES: [usize; 6] = [1_000, 4_000, 16_000, 64_000, 256_000, 1_000_000];

/// How old a join must be before a member can have it taken back: by then a member who is connected
/// and accepts it has proven the epoch that it began.
pub const SETTLES: Duration = Duration::from_secs(3);

/// The largest sealed entry in bytes.
pub const MAX_SEALED: usize = 64_000;
/// The largest sealed group information in bytes.
pub const MAX_DOOR: usize = 1_000_000;

/// What an entry does to the room.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[expect(clippy::exhaustive_enums, reason = "another kind would be another protocol version")]
pub enum EntryKind {
    /// Something a member says. Leaves the epoch as it is.
    Message,
    /// A member changes the membership or the settings: the next epoch begins.
    Commit,
    /// A newcomer lets themselves in: the next epoch begins.
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
    /// What it does to the room.
    pub kind: EntryKind,
    /// The epoch it was sealed for, and the only one in which it can be appended.
    pub epoch: Epoch,
    /// How long it may be kept after its acceptance. Of commits and joins this is the room's
    /// [`Policy::handshakes`].
    pub retention: Retention,
    /// `nonce(24) ‖ ciphertext`, in one of four sizes.
    pub sealed: Payload,
}

impl Entry {
    /// Whether the sealed part has one of the sizes it may have: 1,000, 4,000, 16,000 or
    /// 64,000 bytes.
    #[must_use]
    pub fn has_lawful_size(&self) -> bool {
        SEALED_SIZES.contains(&self.sealed.len())
    }

    /// What its author recognises it by: a hash of all of it. Its nonce alone would not do, since
    /// every member sees the nonces of others and chooses their own.
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

/// An entry at its place in the log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogItem {
    /// Its place.
    pub seq: Seq,
    /// Milliseconds since the relay accepted it, by the relay's clock.
    pub age: u64,
    /// The entry.
    pub entry: Entry,
}

/// What changes at the relay when an epoch begins; travels with the commit or join that begins
/// it and is replaced in the same step.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NextEpoch {
    /// Hash of the new epoch's member token.
    pub member: TokenHash,
    /// Hash of the door token, unchanged unless the invite was replaced.
    pub door: TokenHash,
    /// The sealed group information of the new epoch.
    pub group_info: Payload,
}

/// Everything a relay is told when a room is opened.
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
    /// How long commits and joins are kept, so that a guest who was away can walk forward
    /// through the epochs. They carry nothing that anyone said.
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

    /// The most entries and the most bytes that may be kept once an entry of this kind is. The
    /// last tenth of each is for commits and joins, so that whoever fills a room with messages
    /// can still be removed.
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

/// What the door token opens: enough to write a join for the current epoch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Door {
    /// The room's address, which everything sealed is bound to.
    pub address: RoomAddress,
    /// The current epoch.
    pub epoch: Epoch,
    /// The sealed group information of that epoch.
    pub group_info: Payload,
    /// The public part of the room's rules.
    pub policy: Policy,
}
