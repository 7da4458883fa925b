//! A guest's identity in one room.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use ed25519_dalek::{Signer as _, SigningKey};
use openmls::prelude::{BasicCredential, CredentialWithKey};
use openmls_traits::{
    signatures::{Signer, SignerError},
    types::SignatureScheme,
};
use rand_core::CryptoRng;
use x25519_dalek::{PublicKey, StaticSecret};
use zeroize::Zeroizing;

use super::{MemberKey, error::Fault, settings::Settings};
use crate::{id::MemberId, secret::Secret, secret_tap};

/// A guest's identity in one room: signing key, member id, whisper key, and the owner secret if the
/// guest opened the room. It is kept across a rejoin; wiped on drop. Use it in one session at a
/// time.
pub struct Identity {
    member: MemberId,
    // Boxed, so that moving the identity leaves no copy behind.
    signing: Box<SigningKey>,
    whisper: Box<StaticSecret>,
    owner: Option<Secret<32>>,
    /// The keys that the owner has named moderators in signed settings, by the door's number in
    /// them: also in settings that were refused or overtaken, which a relay can have kept.
    granted: BTreeMap<u32, BTreeSet<MemberKey>>,
}

impl Identity {
    pub(super) fn new(rng: &mut dyn CryptoRng) -> Self {
        let mut member = [0; MemberId::LEN];
        rng.fill_bytes(&mut member);
        let mut seed = Zeroizing::new([0; 32]);
        rng.fill_bytes(seed.as_mut());
        let signing = Box::new(SigningKey::from_bytes(&seed));
        secret_tap::report("signing key", seed.as_slice());
        rng.fill_bytes(seed.as_mut());
        secret_tap::report("whisper key", seed.as_slice());
        Self {
            member: MemberId::new(member),
            signing,
            whisper: Box::new(StaticSecret::from(*seed)),
            owner: None,
            granted: BTreeMap::new(),
        }
    }

    /// Creates the identity of a guest that opens a room, with an owner secret.
    pub(super) fn owner(rng: &mut dyn CryptoRng) -> Result<Self, Fault> {
        let owner = Secret::fill(|bytes| {
            rng.fill_bytes(bytes);
            Ok::<_, Fault>(())
        })?;
        Ok(Self { owner: Some(owner), ..Self::new(rng) })
    }

    /// Records signed settings that leave this session, while the room's door has the number `now`.
    pub(super) fn grants(&mut self, now: u32, settings: &Settings) {
        self.granted.retain(|door, _| *door >= now);
        self.granted.entry(settings.door).or_default().extend(&settings.moderators);
    }

    /// Returns whether settings were signed for the door `now` that name others moderators.
    pub(super) fn has_granted_others(&self, now: u32, settings: &Settings) -> bool {
        let granted = self.granted.get(&now).into_iter().flatten();
        granted.into_iter().any(|key| settings.moderators.binary_search(key).is_err())
    }

    /// The member's id.
    #[must_use]
    pub const fn member(&self) -> MemberId {
        self.member
    }

    /// The public part of the signing key.
    #[must_use]
    pub fn key(&self) -> MemberKey {
        MemberKey::new(self.signing.verifying_key().to_bytes())
    }

    pub(super) fn whisper(&self) -> &StaticSecret {
        &self.whisper
    }

    pub(super) fn whisper_key(&self) -> [u8; 32] {
        PublicKey::from(self.whisper()).to_bytes()
    }

    pub(super) fn owner_secret(&self) -> Option<&Secret<32>> {
        self.owner.as_ref()
    }

    pub(super) fn credential(&self) -> CredentialWithKey {
        CredentialWithKey {
            credential: BasicCredential::new(self.member.as_bytes().to_vec()).into(),
            signature_key: self.key().as_bytes().to_vec().into(),
        }
    }
}

impl Signer for Identity {
    fn sign(&self, payload: &[u8]) -> Result<Vec<u8>, SignerError> {
        self.signing
            .try_sign(payload)
            .map(|signature| signature.to_bytes().to_vec())
            .map_err(|_| SignerError::SigningError)
    }

    fn signature_scheme(&self) -> SignatureScheme {
        SignatureScheme::ED25519
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Identity(..)")
    }
}

#[cfg(test)]
impl Identity {
    /// Returns the same identity, as a modified client could keep it.
    pub(super) fn copy(&self) -> Self {
        Self {
            member: self.member,
            signing: self.signing.clone(),
            whisper: self.whisper.clone(),
            owner: self.owner.clone(),
            granted: self.granted.clone(),
        }
    }

    /// Takes the id of another member.
    pub(super) fn take_id(&mut self, member: MemberId) {
        self.member = member;
    }
}
