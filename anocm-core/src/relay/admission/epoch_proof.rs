//! The epochs of a room that a connection has proven.

use crate::{
    id::Epoch,
    secret::TokenHash,
    store::{EpochRecord, StoredDoor},
};

/// One epoch whose member token was shown. The hash distinguishes two epochs of the same number:
/// the voided one and its replacement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct EpochProof {
    pub(crate) epoch: Epoch,
    pub(crate) member: TokenHash,
}

impl EpochProof {
    fn holds(&self, door: &StoredDoor) -> bool {
        record(door, self.epoch).is_some_and(|record| record.member == self.member)
    }
}

/// The highest proven epoch, and the one proven before it, in case the highest is voided.
#[derive(Clone, Copy, Debug)]
pub(crate) struct EpochProofs {
    last: EpochProof,
    before: Option<EpochProof>,
}

impl EpochProofs {
    pub(crate) fn new(proof: EpochProof) -> Self {
        Self { last: proof, before: None }
    }

    /// Adds a proof that is valid by `door`, and removes those that no longer are.
    pub(crate) fn add(self, proof: EpochProof, door: &StoredDoor) -> Self {
        match self.still_valid(door) {
            Some(proofs) if proofs.last.epoch >= proof.epoch => proofs,
            Some(proofs) => Self { last: proof, before: Some(proofs.last) },
            None => Self::new(proof),
        }
    }

    /// Returns the proofs that are valid by `door`, if any.
    pub(crate) fn still_valid(self, door: &StoredDoor) -> Option<Self> {
        let before = self.before.filter(|proof| proof.holds(door));
        if self.last.holds(door) {
            Some(Self { last: self.last, before })
        } else {
            before.map(Self::new)
        }
    }

    /// Returns whether `proof` is one of these and valid by `door`.
    pub(crate) fn include(self, proof: EpochProof, door: &StoredDoor) -> bool {
        (self.last == proof || self.before == Some(proof)) && proof.holds(door)
    }

    /// Returns the record of the highest epoch that is proven by `door`.
    pub(crate) fn standing(self, door: &StoredDoor) -> Option<EpochRecord> {
        record(door, self.still_valid(door)?.epoch())
    }

    /// Returns the highest proven epoch.
    pub(crate) fn epoch(self) -> Epoch {
        self.last.epoch
    }
}

/// Returns the door's record of `epoch`.
pub(crate) fn record(door: &StoredDoor, epoch: Epoch) -> Option<EpochRecord> {
    door.epochs.iter().find(|record| record.epoch == epoch).copied()
}
