//! Static validation of requests, before the store is involved.

use crate::{
    relay::PolicyLimits,
    retention::{Lifetime, Retention},
    wire::{DOOR_SIZES, Entry, EntryKind, Genesis, NextEpoch, Policy, Refusal},
};

/// The minimum of a policy's linger and of its maximum age, in milliseconds.
const MIN_TIME: u64 = 1_000;

/// Commits and joins may be kept this long whatever the limit for messages is: ten minutes.
/// Otherwise a member that missed one could not re-synchronise.
const HANDSHAKE_RETENTION: Retention = Retention::For(Lifetime::TEN_MINUTES);

pub(crate) fn genesis(genesis: &Genesis, limits: &PolicyLimits) -> Result<(), Refusal> {
    let policy = &genesis.policy;
    let linger = crate::time::millis(limits.linger);
    let age = crate::time::millis(limits.max_age);
    if policy.max_retention > limits.max_retention {
        return Err(Refusal::RetentionTooLong { max: limits.max_retention });
    }
    ensure(
        policy.handshakes <= limits.max_retention.max(HANDSHAKE_RETENTION)
            && policy.handshakes > Retention::Live
            && (MIN_TIME..=linger).contains(&policy.linger)
            && (MIN_TIME..=age).contains(&policy.max_age)
            && (1..=limits.max_entries).contains(&policy.max_entries)
            && (1..=limits.max_bytes).contains(&policy.max_bytes)
            && has_valid_door(&genesis.first),
    )
}

pub(crate) fn join(entry: &Entry, next: &NextEpoch) -> Result<(), Refusal> {
    ensure(entry.kind == EntryKind::Join && entry.has_valid_size() && has_valid_door(next))
}

pub(crate) fn publication(entry: &Entry, next: Option<&NextEpoch>) -> Result<(), Refusal> {
    let fits = match (entry.kind, next) {
        (EntryKind::Message, None) => true,
        (EntryKind::Commit, Some(next)) => has_valid_door(next),
        _ => false,
    };
    ensure(fits && entry.has_valid_size())
}

pub(crate) fn restored(restored: &NextEpoch) -> Result<(), Refusal> {
    ensure(has_valid_door(restored))
}

pub(crate) fn retention(entry: &Entry, policy: &Policy) -> Result<(), Refusal> {
    if entry.kind.begins_epoch() {
        return ensure(entry.retention == policy.handshakes);
    }
    if entry.retention <= policy.max_retention {
        Ok(())
    } else {
        Err(Refusal::RetentionTooLong { max: policy.max_retention })
    }
}

fn has_valid_door(next: &NextEpoch) -> bool {
    DOOR_SIZES.contains(&next.group_info.len())
}

fn ensure(is: bool) -> Result<(), Refusal> {
    if is { Ok(()) } else { Err(Refusal::Unlawful) }
}
