//! The operations on a store.

use std::time::Duration;

use anocm_core::{
    Epoch, Lifetime, Payload, Retention, RoomAddress, Secret, Token, TokenHash,
    store::TakeBack,
    wire::{Entry, EntryKind, Genesis, NextEpoch, Policy},
};

use crate::seed::seeded;

seeded! {
    struct Case { max_rooms: u8, max_bytes: u32, steps: Vec<Step> }
}

seeded! {
    enum Step {
        Create { room: u8, rules: Rules, door: u16 },
        Append { room: u8, entry: Sealed, next: Option<u16> },
        Read { room: u8, after: u8, until: Option<u8> },
        Door { room: u8 },
        /// A lazy watch is polled only by some steps.
        Watch { room: u8, lazy: bool },
        /// Polls all watches.
        Hear,
        Touch { room: u8 },
        Void { room: u8, seq: u8, door: u16 },
        Settle { room: u8, began: u8 },
        /// With the member hash of that mark.
        TakeBack { room: u8, seq: u8, member: u8, door: u16 },
        Close { room: u8 },
        Advance { millis: u32 },
    }
}

seeded! {
    /// The part of a policy that a store enforces.
    struct Rules { linger: u32, max_age: u32, max_entries: u16, max_bytes: u32 }
}

seeded! {
    struct Sealed {
        kind: u8,
        /// Offset from the current epoch.
        off: u8,
        retention: u16,
        size: u16,
        mark: u8,
    }
}

/// One of three addresses.
pub(super) fn address(room: u8) -> RoomAddress {
    RoomAddress::new([room % 3; 16])
}

pub(super) fn genesis(rules: &Rules, door: u16) -> Genesis {
    let &Rules { linger, max_age, max_entries, max_bytes } = rules;
    let policy = Policy {
        max_retention: Retention::For(Lifetime::MAX),
        handshakes: Retention::For(Lifetime::MAX),
        linger: linger.into(),
        max_age: max_age.into(),
        max_entries: max_entries.into(),
        max_bytes: max_bytes.into(),
    };
    Genesis { policy, owner: hash(0xff), first: next(door, 0) }
}

/// A next epoch with a door of `door` bytes.
pub(super) fn next(door: u16, mark: u8) -> NextEpoch {
    NextEpoch { member: hash(mark), door: hash(mark ^ 0x80), group_info: payload(door, mark) }
}

/// The values that a member presents to take a join back.
pub(super) fn take_back(member: u8, door: u16) -> TakeBack {
    TakeBack { member: hash(member), group_info: payload(door, 0xef) }
}

pub(super) fn entry(sealed: &Sealed, current: Epoch) -> Entry {
    let &Sealed { kind, off, retention, size, mark } = sealed;
    let kinds = [EntryKind::Message, EntryKind::Commit, EntryKind::Join];
    let millis = Duration::from_millis(u64::from(retention));
    Entry {
        kind: kinds[usize::from(kind % 3)],
        epoch: Epoch::new(current.value().wrapping_add(u64::from(off))),
        retention: Lifetime::new(millis).map_or(Retention::Live, Retention::For),
        sealed: payload(size, mark),
    }
}

fn payload(size: u16, mark: u8) -> Payload {
    Payload::from(vec![mark; usize::from(size)])
}

fn hash(byte: u8) -> TokenHash {
    Token::new(Secret::new([byte; 32])).hash()
}
