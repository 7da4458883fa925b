//! What a request must look like before anybody is asked about it.

use super::PolicyLimits;
use crate::{
    retention::{Lifetime, Retention},
    wire::{DOOR_SIZES, Entry, EntryKind, Genesis, NextEpoch, Policy, Refusal},
};

/// The shortest linger and largest age of a room in milliseconds.
const MIN_TIME: u64 = 1_000;

/// Commits and joins may be kept so long whatever messages may, or nobody could miss one and find
/// back: ten minutes.
const HANDSHAKES: Retention = Retention::For(Lifetime::TEN_MINUTES);

pub(super) fn genesis(genesis: &Genesis, limits: &PolicyLimits) -> Result<(), Refusal> {
    let policy = &genesis.policy;
    let linger = crate::time::millis(limits.linger);
    let age = crate::time::millis(limits.largest_age);
    if policy.largest > limits.largest {
        return Err(Refusal::RetentionTooLong { largest: limits.largest });
    }
    lawful(
        policy.handshakes <= limits.largest.max(HANDSHAKES)
            && policy.handshakes > Retention::Live
            && (MIN_TIME..=linger).contains(&policy.linger)
            && (MIN_TIME..=age).contains(&policy.largest_age)
            && (1..=limits.max_entries).contains(&policy.max_entries)
            && (1..=limits.max_bytes).contains(&policy.max_bytes)
            && has_lawful_door(&genesis.first),
    )
}

pub(super) fn join(entry: &Entry, next: &NextEpoch) -> Result<(), Refusal> {
    lawful(entry.kind == EntryKind::Join && entry.has_lawful_size() && has_lawful_door(next))
}

pub(super) fn publication(entry: &Entry, next: Option<&NextEpoch>) -> Result<(), Refusal> {
    let fits = match (entry.kind, next) {
        (EntryKind::Message, None) => true,
        (EntryKind::Commit, Some(next)) => has_lawful_door(next),
        _ => false,
    };
    lawful(fits && entry.has_lawful_size())
}

pub(super) fn restored(restored: &NextEpoch) -> Result<(), Refusal> {
    lawful(has_lawful_door(restored))
}

pub(super) fn retention(entry: &Entry, policy: &Policy) -> Result<(), Refusal> {
    if entry.kind.begins_epoch() {
        return lawful(entry.retention == policy.handshakes);
    }
    if entry.retention <= policy.largest {
        Ok(())
    } else {
        Err(Refusal::RetentionTooLong { largest: policy.largest })
    }
}

fn has_lawful_door(next: &NextEpoch) -> bool {
    DOOR_SIZES.contains(&next.group_info.len())
}

fn lawful(is: bool) -> Result<(), Refusal> {
    if is { Ok(()) } else { Err(Refusal::Unlawful) }
}
