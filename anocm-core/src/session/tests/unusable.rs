//! Keys that cannot be encrypted to: members refuse a commit that introduces one.

use std::sync::atomic::{AtomicUsize, Ordering};

use openmls::prelude::Ciphersuite;
use openmls_rust_crypto::RustCrypto;
use openmls_traits::{
    OpenMlsProvider,
    crypto::OpenMlsCrypto,
    types::{
        AeadType, CryptoError, ExporterSecret, HashType, HpkeCiphertext, HpkeConfig, HpkeKeyPair,
        KemOutput, SignatureScheme,
    },
};
use tls_codec::{SecretVLBytes, Serialize as _};

use super::{
    forge::*,
    gatecrashing::{card, raw_join_with},
    *,
};
use crate::wire::EntryKind;

/// A point of order 8. These bytes do not occur by chance.
const OF_ORDER_8: [u8; 32] = [
    0xe0, 0xeb, 0x7a, 0x7c, 0x3b, 0x41, 0xb8, 0xae, 0x16, 0x56, 0xe3, 0xfa, 0xf1, 0x9f, 0xc4, 0x6a,
    0xda, 0x09, 0x8d, 0xeb, 0x9c, 0x32, 0xb1, 0xfd, 0x86, 0x62, 0x05, 0x16, 0x5f, 0x49, 0xb8, 0x00,
];

/// Ordinary cryptography, except for one of the key pairs or ciphertexts that it makes.
pub(super) struct Meddling {
    real: RustCrypto,
    /// The number of pairs before the one with that public key.
    pairs: AtomicUsize,
    /// The number of ciphertexts before the one that does not open.
    ciphertexts: AtomicUsize,
}

impl Meddling {
    fn with_pair(pairs: usize) -> Self {
        Self { pairs: AtomicUsize::new(pairs), ..Self::with_ciphertext(usize::MAX) }
    }

    pub(super) fn with_ciphertext(ciphertexts: usize) -> Self {
        Self {
            real: RustCrypto::default(),
            pairs: AtomicUsize::new(usize::MAX),
            ciphertexts: AtomicUsize::new(ciphertexts),
        }
    }
}

impl OpenMlsCrypto for Meddling {
    fn supports(&self, ciphersuite: Ciphersuite) -> Result<(), CryptoError> {
        self.real.supports(ciphersuite)
    }

    fn supported_ciphersuites(&self) -> Vec<Ciphersuite> {
        self.real.supported_ciphersuites()
    }

    fn hkdf_extract(
        &self,
        hash: HashType,
        salt: &[u8],
        ikm: &[u8],
    ) -> Result<SecretVLBytes, CryptoError> {
        self.real.hkdf_extract(hash, salt, ikm)
    }

    fn hmac(&self, hash: HashType, key: &[u8], m: &[u8]) -> Result<SecretVLBytes, CryptoError> {
        self.real.hmac(hash, key, m)
    }

    fn hkdf_expand(
        &self,
        hash: HashType,
        prk: &[u8],
        info: &[u8],
        length: usize,
    ) -> Result<SecretVLBytes, CryptoError> {
        self.real.hkdf_expand(hash, prk, info, length)
    }

    fn hash(&self, hash: HashType, data: &[u8]) -> Result<Vec<u8>, CryptoError> {
        self.real.hash(hash, data)
    }

    fn aead_encrypt(
        &self,
        alg: AeadType,
        key: &[u8],
        data: &[u8],
        nonce: &[u8],
        aad: &[u8],
    ) -> Result<Vec<u8>, CryptoError> {
        self.real.aead_encrypt(alg, key, data, nonce, aad)
    }

    fn aead_decrypt(
        &self,
        alg: AeadType,
        key: &[u8],
        ciphertext: &[u8],
        nonce: &[u8],
        aad: &[u8],
    ) -> Result<Vec<u8>, CryptoError> {
        self.real.aead_decrypt(alg, key, ciphertext, nonce, aad)
    }

    fn signature_key_gen(&self, alg: SignatureScheme) -> Result<(Vec<u8>, Vec<u8>), CryptoError> {
        self.real.signature_key_gen(alg)
    }

    fn verify_signature(
        &self,
        alg: SignatureScheme,
        data: &[u8],
        key: &[u8],
        signature: &[u8],
    ) -> Result<(), CryptoError> {
        self.real.verify_signature(alg, data, key, signature)
    }

    fn sign(&self, alg: SignatureScheme, data: &[u8], key: &[u8]) -> Result<Vec<u8>, CryptoError> {
        self.real.sign(alg, data, key)
    }

    fn hpke_seal(
        &self,
        config: HpkeConfig,
        key: &[u8],
        info: &[u8],
        aad: &[u8],
        text: &[u8],
    ) -> Result<HpkeCiphertext, CryptoError> {
        let mut sealed = self.real.hpke_seal(config, key, info, aad, text)?;
        if self.ciphertexts.fetch_sub(1, Ordering::Relaxed) == 0 {
            sealed.ciphertext = vec![0x66; sealed.ciphertext.as_slice().len()].into();
        }
        Ok(sealed)
    }

    fn hpke_open(
        &self,
        config: HpkeConfig,
        input: &HpkeCiphertext,
        key: &[u8],
        info: &[u8],
        aad: &[u8],
    ) -> Result<Vec<u8>, CryptoError> {
        self.real.hpke_open(config, input, key, info, aad)
    }

    fn hpke_setup_sender_and_export(
        &self,
        config: HpkeConfig,
        key: &[u8],
        info: &[u8],
        context: &[u8],
        length: usize,
    ) -> Result<(KemOutput, ExporterSecret), CryptoError> {
        self.real.hpke_setup_sender_and_export(config, key, info, context, length)
    }

    fn hpke_setup_receiver_and_export(
        &self,
        config: HpkeConfig,
        enc: &[u8],
        key: &[u8],
        info: &[u8],
        context: &[u8],
        length: usize,
    ) -> Result<ExporterSecret, CryptoError> {
        self.real.hpke_setup_receiver_and_export(config, enc, key, info, context, length)
    }

    fn derive_hpke_keypair(
        &self,
        config: HpkeConfig,
        ikm: &[u8],
    ) -> Result<HpkeKeyPair, CryptoError> {
        let mut pair = self.real.derive_hpke_keypair(config, ikm)?;
        if self.pairs.fetch_sub(1, Ordering::Relaxed) == 0 {
            pair.public = OF_ORDER_8.to_vec();
        }
        Ok(pair)
    }
}

/// Returns whether the commit contains that key.
fn has_it(commit: &[u8]) -> bool {
    commit.windows(32).any(|window| window == OF_ORDER_8)
}

#[test]
fn a_join_with_an_unusable_encryption_key_is_refused() {
    let mut refused = 0;
    for pairs in 0..8 {
        let (mut room, mut alice, mut bob) = Room::of_two();
        // Only the accomplice and Mallory know the secret of the node above their leaves.
        let accomplice = room.join("Accomplice", &mut [&mut alice, &mut bob]);
        let mallory = Identity::new(&mut room.rng);
        let psk = Some(join::psk_id(&alice.door, vec![1; 32]));
        let crypto = Meddling::with_pair(pairs);
        let commit = raw_join_with(&crypto, &accomplice, &mallory, psk, b"", card(&mallory));
        let bytes = commit.tls_serialize_detached().unwrap();
        let entry = envelop(&mut room, &accomplice, EntryKind::Join, handshakes(), &commit);
        if !has_it(&bytes) {
            continue;
        }
        refused += 1;
        for judge in [&mut alice, &mut bob] {
            assert_eq!(judge.open(&entry), Err(OpenError::Rejected { by: None }));
        }
        room.heard(&mut alice, &mut bob);
    }
    assert!(refused >= 2, "the leaf's own key, and that of a node above it");
}

#[test]
fn a_commit_with_an_unusable_encryption_key_is_refused() {
    let mut refused = 0;
    for pairs in 0..8 {
        let (mut room, mut alice, mut bob) = Room::of_two();
        let mut accomplice = room.join("Accomplice", &mut [&mut alice, &mut bob]);
        let others = &mut [&mut alice, &mut bob, &mut accomplice];
        let mut mallory = room.join("Mallory", others);
        let live = mallory.live.as_mut().unwrap();
        live.group.set_aad(notice(vec![], false).to_vec());
        let builder =
            live.group.commit_builder().consume_proposal_store(false).force_self_update(true);
        let (commit, _, _) = builder
            .load_psks(mallory.provider.storage())
            .unwrap()
            .build(mallory.provider.rand(), &Meddling::with_pair(pairs), &mallory.identity, |_| {
                true
            })
            .unwrap()
            .stage_commit(&mallory.provider)
            .unwrap()
            .into_messages();
        mallory.discard();
        if !has_it(&commit.tls_serialize_detached().unwrap()) {
            continue;
        }
        refused += 1;
        let entry = envelop(&mut room, &mallory, EntryKind::Commit, handshakes(), &commit);
        forbidden(&mut room, &entry, &mut mallory, &mut [&mut alice, &mut bob]);
    }
    assert!(refused >= 2, "the leaf's own key, and that of a node above it");
}

#[test]
fn a_join_with_an_unusable_whisper_key_is_refused() {
    let (mut room, mut alice, mut bob) = Room::of_two();
    let mallory = Identity::new(&mut room.rng);
    for key in [[0; 32], OF_ORDER_8] {
        let psk = Some(join::psk_id(&alice.door, vec![1; 32]));
        let card = card_extensions("Mallory", key, 1);
        let crypto = RustCrypto::default();
        let commit = raw_join_with(&crypto, &alice, &mallory, psk, b"", card);
        let entry = envelop(&mut room, &alice, EntryKind::Join, handshakes(), &commit);
        for judge in [&mut alice, &mut bob] {
            assert_eq!(judge.open(&entry), Err(OpenError::Rejected { by: None }));
        }
    }
    room.heard(&mut alice, &mut bob);
}
