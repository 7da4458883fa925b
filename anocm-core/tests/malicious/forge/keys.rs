//! Key derivations and the seal, reimplemented from docs/protocol.md, sections 6 and 7.

use anocm_core::{Epoch, Payload, Retention, RoomAddress, Secret, Token, wire::EntryKind};
use chacha20poly1305::{AeadInPlace, KeyInit, Tag, XChaCha20Poly1305, XNonce};
use hkdf::Hkdf;
use sha2::Sha256;

/// The sizes that the relay accepts: the first four for entries, all of them for group information.
pub const SIZES: [usize; 6] = [1_000, 4_000, 16_000, 64_000, 256_000, 1_000_000];

pub fn derive<const N: usize>(address: &RoomAddress, secret: &[u8], info: &str) -> [u8; N] {
    let mut out = [0; N];
    let hkdf = Hkdf::<Sha256>::new(Some(address.as_bytes()), secret);
    hkdf.expand(info.as_bytes(), &mut out).unwrap();
    out
}

/// The keys and the token derived from an invite secret.
#[derive(Clone)]
pub struct Door {
    pub key: [u8; 32],
    pub token: [u8; 32],
    pub psk: [u8; 32],
    pub psk_id: [u8; 16],
}

impl Door {
    pub fn derive(address: &RoomAddress, invite: &[u8; 32]) -> Self {
        Self {
            key: derive(address, invite, "anocm/1 door key"),
            token: derive(address, invite, "anocm/1 door token"),
            psk: derive(address, invite, "anocm/1 door psk"),
            psk_id: derive(address, invite, "anocm/1 door psk id"),
        }
    }
}

pub fn token(bytes: [u8; 32]) -> Token {
    Token::new(Secret::new(bytes))
}

/// The fields that a seal is bound to.
#[derive(Clone, Copy)]
pub struct Place {
    pub address: RoomAddress,
    pub epoch: Epoch,
    /// The kind of an entry; 3 for group information.
    pub kind: u8,
    pub retention: Retention,
}

pub const fn number(kind: EntryKind) -> u8 {
    match kind {
        EntryKind::Message => 0,
        EntryKind::Commit => 1,
        EntryKind::Join => 2,
    }
}

impl Place {
    fn aad(&self) -> Vec<u8> {
        [
            1_u16.to_be_bytes().as_slice(),
            self.address.as_bytes(),
            &self.epoch.value().to_be_bytes(),
            &[self.kind],
            &self.retention.as_millis().to_be_bytes(),
        ]
        .concat()
    }
}

/// Seals `content` in the smallest size that holds it.
pub fn seal(key: &[u8; 32], nonce: [u8; 24], place: &Place, content: &[u8]) -> Payload {
    let size = *SIZES.iter().find(|size| content.len() + 44 <= **size).unwrap();
    let mut padded = vec![0; size - 40];
    padded[..4].copy_from_slice(&u32::try_from(content.len()).unwrap().to_be_bytes());
    padded[4..4 + content.len()].copy_from_slice(content);
    seal_padded(key, nonce, place, padded)
}

/// Seals a plaintext in place of the usual length, content and zeros.
pub fn seal_padded(key: &[u8; 32], nonce: [u8; 24], place: &Place, mut padded: Vec<u8>) -> Payload {
    let tag = XChaCha20Poly1305::new(key.into())
        .encrypt_in_place_detached(XNonce::from_slice(&nonce), &place.aad(), &mut padded)
        .unwrap();
    Payload::from([nonce.as_slice(), &padded, &tag].concat())
}

pub fn open(key: &[u8; 32], place: &Place, sealed: &[u8]) -> Option<Vec<u8>> {
    let (nonce, rest) = sealed.split_first_chunk::<24>()?;
    let (body, tag) = rest.split_last_chunk::<16>()?;
    let mut padded = body.to_vec();
    XChaCha20Poly1305::new(key.into())
        .decrypt_in_place_detached(
            XNonce::from_slice(nonce),
            &place.aad(),
            &mut padded,
            Tag::from_slice(tag),
        )
        .ok()?;
    let length = u32::from_be_bytes(*padded.first_chunk::<4>()?) as usize;
    Some(padded.get(4..4 + length)?.to_vec())
}
