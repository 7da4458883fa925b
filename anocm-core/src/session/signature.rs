//! What a room's members sign beside MLS, each under a label of its own.

use std::fmt;

use openmls_traits::{crypto::OpenMlsCrypto, signatures::Signer, types::SignatureScheme};
use serde::{Deserialize, Serialize};

use super::{MemberKey, error::Fault};
use crate::id::RoomAddress;

/// What is signed. No label begins another, and none begins like a structure that MLS signs, so no
/// signature is valid for anything else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Label {
    /// SHA-256 of the settings without their signature.
    Settings,
    /// Member id ‖ signature key ‖ stay.
    Leave,
}

impl Label {
    const fn text(self) -> &'static [u8] {
        match self {
            Self::Settings => b"anocm/1 settings",
            Self::Leave => b"anocm/1 leave",
        }
    }
}

/// An Ed25519 signature, verified strictly: as its two halves R and s, 64 bytes without a length.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Signature([[u8; 32]; 2]);

impl Signature {
    /// Its length in bytes.
    pub(super) const LENGTH: usize = 64;
    /// Valid for nothing.
    pub(super) const EMPTY: Self = Self([[0; 32]; 2]);

    /// Signs `parts` for the room of that address.
    pub(super) fn sign(
        label: Label,
        address: &RoomAddress,
        parts: &[&[u8]],
        who: &impl Signer,
    ) -> Result<Self, Fault> {
        let signature = who.sign(&signed_bytes(label, address, parts)).map_err(|_| Fault)?;
        let (r, s) = signature.split_first_chunk().ok_or(Fault)?;
        Ok(Self([*r, s.try_into().map_err(|_| Fault)?]))
    }

    /// Returns whether the holder of `key` signed this.
    pub(super) fn is_by(
        &self,
        key: MemberKey,
        label: Label,
        address: &RoomAddress,
        parts: &[&[u8]],
        crypto: &impl OpenMlsCrypto,
    ) -> bool {
        let signed = signed_bytes(label, address, parts);
        let (scheme, key) = (SignatureScheme::ED25519, key.as_bytes());
        crypto.verify_signature(scheme, &signed, key, &self.0.concat()).is_ok()
    }
}

impl fmt::Debug for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Signature(..)")
    }
}

/// Returns label ‖ address ‖ parts.
pub(super) fn signed_bytes(label: Label, address: &RoomAddress, parts: &[&[u8]]) -> Vec<u8> {
    [&[label.text(), address.as_bytes()], parts].concat().concat()
}

#[cfg(test)]
mod tests {
    use chacha20::ChaCha20Rng;
    use openmls_rust_crypto::RustCrypto;
    use rand_core::SeedableRng;

    use super::*;
    use crate::session::Identity;

    /// Every label of the protocol, those of later parts of it included.
    const LABELS: [&[u8]; 6] = [
        b"anocm/1 settings",
        b"anocm/1 succession",
        b"anocm/1 admit",
        b"anocm/1 ticket",
        b"anocm/1 leave",
        b"anocm/1 take back",
    ];

    #[test]
    fn no_label_begins_another_or_like_what_mls_signs() {
        assert!([Label::Settings, Label::Leave].iter().all(|label| LABELS.contains(&label.text())));
        for (at, label) in LABELS.iter().enumerate() {
            let others = LABELS.iter().enumerate().filter(|(other, _)| *other != at);
            assert!(others.into_iter().all(|(_, other)| !other.starts_with(label)));
            // `SignContent` begins with the length of a label "MLS 1.0 …", in one byte up to 63.
            assert!(label[0] > 63);
        }
    }

    #[test]
    fn a_signature_is_for_one_key_room_and_content() {
        let crypto = RustCrypto::default();
        let mut rng = ChaCha20Rng::seed_from_u64(1);
        let [alice, bob] = [(); 2].map(|()| Identity::new(&mut rng));
        let [here, there] = [1, 2].map(|byte| RoomAddress::new([byte; 16]));
        let signature = Signature::sign(Label::Leave, &here, &[b"ab", b"c"], &alice).unwrap();
        let is_by = |key, address, parts: &[&[u8]]| {
            signature.is_by(key, Label::Leave, address, parts, &crypto)
        };
        assert!(is_by(alice.key(), &here, &[b"ab", b"c"]));
        assert!(!is_by(bob.key(), &here, &[b"ab", b"c"]));
        assert!(!is_by(alice.key(), &there, &[b"ab", b"c"]));
        assert!(!is_by(alice.key(), &here, &[b"ab", b"d"]));
        assert!(!signature.is_by(alice.key(), Label::Settings, &here, &[b"ab", b"c"], &crypto));
        assert!(!Signature::EMPTY.is_by(alice.key(), Label::Leave, &here, &[], &crypto));
        // Parts have fixed lengths wherever they are signed.
        assert!(is_by(alice.key(), &here, &[b"a", b"bc"]));
    }
}
