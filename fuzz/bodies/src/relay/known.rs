//! Every token that a request ever tried to put into force, whether the relay granted it or not: a
//! guest with any other token must not be admitted.

use std::collections::BTreeSet;

use anocm_core::{
    Epoch, RoomAddress, Token, TokenHash,
    wire::{NextEpoch, Request},
};

/// What a token grants access to.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Lock {
    Door,
    Owner,
    Member(Epoch),
    /// The epoch restored by a void, whichever it was.
    Restored,
}

/// The tokens that would have been in force if every request had been granted.
#[derive(Default)]
pub(super) struct Known(BTreeSet<(RoomAddress, Lock, [u8; 32])>);

impl Known {
    /// Records the tokens of a request.
    pub(super) fn note(&mut self, request: &Request) {
        let address = request.address();
        match request {
            Request::Create { genesis, .. } => {
                self.add(address, Lock::Owner, &genesis.owner);
                self.add_epoch(address, Lock::Member(Epoch::FIRST), &genesis.first);
            }
            Request::Join { entry, next, .. }
            | Request::Publish { entry, next: Some(next), .. } => {
                self.add_epoch(address, Lock::Member(entry.epoch.next()), next);
            }
            Request::Void { restored, .. } => self.add_epoch(address, Lock::Restored, restored),
            _ => {}
        }
    }

    /// Whether the token may have been valid.
    pub(super) fn admits(&self, address: &RoomAddress, lock: Lock, token: &Token) -> bool {
        self.0.contains(&(*address, lock, *token.hash().as_bytes()))
    }

    /// Whether the token may have been a member token of any epoch.
    pub(super) fn admits_member(&self, address: &RoomAddress, token: &Token) -> bool {
        let hash = *token.hash().as_bytes();
        self.0.iter().any(|(room, lock, known)| {
            let is_member = matches!(lock, Lock::Member(_) | Lock::Restored);
            is_member && room == address && *known == hash
        })
    }

    fn add_epoch(&mut self, address: &RoomAddress, lock: Lock, next: &NextEpoch) {
        self.add(address, lock, &next.member);
        self.add(address, Lock::Door, &next.door);
    }

    fn add(&mut self, address: &RoomAddress, lock: Lock, hash: &TokenHash) {
        self.0.insert((*address, lock, *hash.as_bytes()));
    }
}
