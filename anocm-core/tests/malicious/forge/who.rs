//! The identity that a forger claims, and the contents of its leaf.

use anocm_core::wire;
use ed25519_dalek::{Signer as _, SigningKey};
use openmls::prelude::{
    BasicCredential, Capabilities, Ciphersuite, CredentialType, CredentialWithKey, Extension,
    ExtensionType, Extensions, LeafNode, ProtocolVersion, UnknownExtension,
};
use openmls_traits::{
    signatures::{Signer, SignerError},
    types::SignatureScheme,
};

pub const SUITE: Ciphersuite = Ciphersuite::MLS_128_DHKEMX25519_CHACHA20POLY1305_SHA256_Ed25519;
pub const LEAF: u16 = 0xf0a1;
pub const SETTINGS: u16 = 0xf0a2;

/// The signing key, and the id and key that the credential states.
#[derive(Clone)]
pub struct Who {
    pub signing: SigningKey,
    pub id: Vec<u8>,
    /// Stated in place of the signing key's own public part.
    pub key: Option<[u8; 32]>,
    /// The public whisper key.
    pub whisper: [u8; 32],
    pub stay: [u8; 16],
}

impl Who {
    pub fn random() -> Self {
        let signing = SigningKey::from_bytes(&random());
        let id = random::<16>().to_vec();
        Self { signing, id, key: None, whisper: random(), stay: random() }
    }

    /// The same member in another stay.
    pub fn again(&self) -> Self {
        Self { stay: random(), ..self.clone() }
    }

    /// Its card under that name.
    pub fn card(&self, name: &str) -> Vec<u8> {
        card(name, self.whisper, self.stay)
    }

    pub fn key(&self) -> [u8; 32] {
        self.key.unwrap_or_else(|| self.signing.verifying_key().to_bytes())
    }

    pub fn credential(&self) -> CredentialWithKey {
        CredentialWithKey {
            credential: BasicCredential::new(self.id.clone()).into(),
            signature_key: self.key().to_vec().into(),
        }
    }

    /// Returns a statement signed by this member that it leaves `address` (docs/protocol.md,
    /// section 10), for the member `id` with the key `key` in its own stay.
    pub fn leaves(&self, address: &[u8; 16], id: &[u8], key: &[u8; 32]) -> Vec<u8> {
        let signed = [b"anocm/1 leave".as_slice(), address, id, key, &self.stay].concat();
        [id, self.signing.sign(&signed).to_bytes().as_slice()].concat()
    }
}

impl Signer for Who {
    fn sign(&self, payload: &[u8]) -> Result<Vec<u8>, SignerError> {
        Ok(self.signing.sign(payload).to_bytes().to_vec())
    }

    fn signature_scheme(&self) -> SignatureScheme {
        SignatureScheme::ED25519
    }
}

pub fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).unwrap();
    bytes
}

/// Encodes the leaf's extension of this protocol, without an admission.
pub fn card(name: &str, whisper: [u8; 32], stay: [u8; 16]) -> Vec<u8> {
    card_with(name, whisper, stay, &[0, 0])
}

/// The same with these bytes as admission and numbered fields.
pub fn card_with(name: &str, whisper: [u8; 32], stay: [u8; 16], rest: &[u8]) -> Vec<u8> {
    [&wire::encode(&(name, whisper, stay)), rest].concat()
}

pub fn leaf_extensions(card: Vec<u8>) -> Extensions<LeafNode> {
    Extensions::single(Extension::Unknown(LEAF, UnknownExtension(card))).unwrap()
}

pub fn capabilities() -> Capabilities {
    Capabilities::new(
        Some(&[ProtocolVersion::Mls10]),
        Some(&[SUITE]),
        Some(&[ExtensionType::Unknown(LEAF), ExtensionType::Unknown(SETTINGS)]),
        Some(&[]),
        Some(&[CredentialType::Basic]),
    )
}
