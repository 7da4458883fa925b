//! The protocol's own extension of a leaf.

use rand_core::CryptoRng;
use serde::{Deserialize, Serialize};

use super::{MemberKey, more::More, signature::Signature};
use crate::name::Nickname;

/// The longest nickname in bytes that a card can carry. Bounded so that the tree of a full room
/// fits its door, however its members rename themselves.
const MAX_NICKNAME: usize = 64;
const _: () = assert!(Nickname::MAX_BYTES <= MAX_NICKNAME, "every name fits a card");
const MAX_MORE: usize = 32;
/// The longest card in bytes.
pub(super) const MAX_CARD: usize = 256;
const _: () = assert!(1 + MAX_NICKNAME + 32 + 16 + 97 + MAX_MORE <= MAX_CARD, "every card fits");

/// What a member states of itself in its leaf.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Card<'a> {
    // A plain string: the rules for nicknames may differ between versions of this library, and all
    // members must agree on which leaf is valid.
    pub(super) nickname: &'a str,
    /// The public key to which whispers are sealed, X25519.
    pub(super) whisper: [u8; 32],
    pub(super) stay: Stay,
    pub(super) admission: Admission,
    pub(super) more: More,
}

impl<'a> Card<'a> {
    /// The card of a guest that enters: with a new stay, admitted by nothing but the door's PSK.
    pub(super) fn entering(
        nickname: &'a Nickname,
        whisper: [u8; 32],
        rng: &mut dyn CryptoRng,
    ) -> Self {
        let (admission, more) = (Admission::None, More::default());
        Self { nickname: nickname.as_str(), whisper, stay: Stay::random(rng), admission, more }
    }

    /// Returns whether all lengths are valid.
    pub(super) fn is_valid(&self) -> bool {
        self.nickname.len() <= MAX_NICKNAME && self.more.is_valid(MAX_MORE)
    }
}

/// A random number that a member draws each time it enters. What it signs for one stay is not valid
/// in another.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Stay([u8; 16]);

impl Stay {
    pub(super) fn random(rng: &mut dyn CryptoRng) -> Self {
        let mut stay = [0; 16];
        rng.fill_bytes(&mut stay);
        Self(stay)
    }

    #[cfg(test)]
    pub(super) const fn new(stay: [u8; 16]) -> Self {
        Self(stay)
    }

    pub(super) const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

/// By what a member was admitted, beside the door's PSK.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Admission {
    None,
    /// By a pass of the settings, whose key signed the member's.
    Pass {
        key: MemberKey,
        signature: Signature,
    },
    /// By a ticket that the owner or a moderator signed.
    Ticket {
        by: MemberKey,
        signature: Signature,
    },
}
