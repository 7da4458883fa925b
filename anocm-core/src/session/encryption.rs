//! Checks whether public keys of members can be encrypted to.
//!
//! HPKE refuses to encapsulate to an X25519 key of small order, since the shared secret would be
//! zero whatever the sender does. MLS accepts such a key in a leaf or on the path of a commit, and
//! from then on no member whose path includes it can make a commit. Members therefore reject a
//! commit that introduces one.

use openmls::prelude::LeafNode;
use tls_codec::Serialize as _;

/// Bytes of an X25519 public key.
const KEY: usize = 32;

/// The u-coordinates of small order, little endian, without the bit that X25519 ignores: five
/// points on the curve or its twist (RFC 7748, section 4.1), two of them in a second encoding.
const SMALL_ORDER: [[u8; KEY]; 7] = [
    [0; KEY],
    first(1),
    [
        0xe0, 0xeb, 0x7a, 0x7c, 0x3b, 0x41, 0xb8, 0xae, 0x16, 0x56, 0xe3, 0xfa, 0xf1, 0x9f, 0xc4,
        0x6a, 0xda, 0x09, 0x8d, 0xeb, 0x9c, 0x32, 0xb1, 0xfd, 0x86, 0x62, 0x05, 0x16, 0x5f, 0x49,
        0xb8, 0x00,
    ],
    [
        0x5f, 0x9c, 0x95, 0xbc, 0xa3, 0x50, 0x8c, 0x24, 0xb1, 0xd0, 0xb1, 0x55, 0x9c, 0x83, 0xef,
        0x5b, 0x04, 0x44, 0x5c, 0xc4, 0x58, 0x1c, 0x8e, 0x86, 0xd8, 0x22, 0x4e, 0xdd, 0xd0, 0x9f,
        0x11, 0x57,
    ],
    near_the_field(0xec),
    near_the_field(0xed),
    near_the_field(0xee),
];

const fn first(byte: u8) -> [u8; KEY] {
    let mut key = [0; KEY];
    key[0] = byte;
    key
}

/// 2²⁵⁵ − 256 + `lowest`; the field has 2²⁵⁵ − 19 elements.
const fn near_the_field(lowest: u8) -> [u8; KEY] {
    let mut key = [0xff; KEY];
    key[0] = lowest;
    key[KEY - 1] = 0x7f;
    key
}

/// Returns whether `key` is an X25519 public key with which a shared secret is not all zeros.
pub(super) fn is_usable(key: &[u8]) -> bool {
    let Ok(mut key) = <[u8; KEY]>::try_from(key) else {
        return false;
    };
    if let Some(highest) = key.last_mut() {
        *highest &= 0x7f;
    }
    !SMALL_ORDER.contains(&key)
}

/// Returns whether the leaf's own encryption key can be encrypted to.
pub(super) fn leaf_is_usable(leaf: &LeafNode) -> bool {
    let encoded = leaf.encryption_key().tls_serialize_detached();
    encoded.is_ok_and(|encoded| vector(&encoded).is_some_and(|(key, _)| is_usable(key)))
}

/// Returns whether every key on the path of a commit can be encrypted to, except the leaf's own.
/// `commit` is an MLSMessage with a PublicMessage; it is parsed here because the MLS library
/// exposes only the leaf of a path. Also false when the bytes do not have that form.
pub(super) fn path_is_usable(commit: &[u8]) -> bool {
    path(commit).is_some_and(|mut nodes| {
        while !nodes.is_empty() {
            let Some((key, rest)) = vector(nodes) else {
                return false;
            };
            let Some((_ciphertexts, rest)) = vector(rest) else {
                return false;
            };
            if !is_usable(key) {
                return false;
            }
            nodes = rest;
        }
        true
    })
}

/// Returns the nodes of the path (RFC 9420, sections 6, 6.2, 7.6 and 12.4).
fn path(commit: &[u8]) -> Option<&[u8]> {
    // Protocol version and wire format.
    let rest = commit.get(4..)?;
    let (_group_id, rest) = vector(rest)?;
    // Epoch.
    let rest = rest.get(8..)?;
    let (sender, rest) = rest.split_first()?;
    let rest = match sender {
        // A member, by leaf index.
        1 => rest.get(4..)?,
        // A new member that commits.
        4 => rest,
        _ => return None,
    };
    let (_authenticated_data, rest) = vector(rest)?;
    let rest = rest.strip_prefix(&[3])?;
    let (_proposals, rest) = vector(rest)?;
    let rest = after_leaf(rest.strip_prefix(&[1])?)?;
    vector(rest).map(|(nodes, _)| nodes)
}

/// Returns the bytes after a leaf (RFC 9420, section 7.2).
fn after_leaf(leaf: &[u8]) -> Option<&[u8]> {
    let (_encryption_key, rest) = vector(leaf)?;
    let (_signature_key, rest) = vector(rest)?;
    // A basic credential: its type, and the identity.
    let (_identity, mut rest) = vector(rest.strip_prefix(&[0, 1])?)?;
    // Capabilities: versions, suites, extensions, proposals, credentials.
    for _ in 0..5 {
        (_, rest) = vector(rest)?;
    }
    // The leaf node source: commit.
    let (_parent_hash, rest) = vector(rest.strip_prefix(&[3])?)?;
    let (_extensions, rest) = vector(rest)?;
    vector(rest).map(|(_signature, rest)| rest)
}

/// Splits off a variable-length vector; returns it and the bytes after it (RFC 9420, section
/// 2.1.2).
fn vector(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (first, _) = bytes.split_first()?;
    let prefix = match first >> 6 {
        0 => 1,
        1 => 2,
        2 => 4,
        _ => return None,
    };
    let (length, rest) = bytes.split_at_checked(prefix)?;
    let length = length.iter().fold(0_usize, |length, byte| (length << 8) | usize::from(*byte));
    let length = length & ((1 << (8 * prefix - 2)) - 1);
    rest.split_at_checked(length)
}

#[cfg(test)]
mod tests {
    use x25519_dalek::{PublicKey, StaticSecret, x25519};

    use super::*;

    /// Returns whether the library computes a zero secret. The clamped scalar is a power of two,
    /// which no odd order divides.
    fn gives_zeros(key: [u8; KEY]) -> bool {
        x25519([0; KEY], key) == [0; KEY]
    }

    #[test]
    fn what_the_table_refuses_gives_no_secret_and_nothing_beside_it_does() {
        for key in SMALL_ORDER {
            for highest in [0, 0x80] {
                let mut key = key;
                key[KEY - 1] |= highest;
                assert!(gives_zeros(key) && !is_usable(&key), "{key:02x?}");
            }
        }
        // All keys that differ in one byte from the tabulated groups, and each tabulated key with
        // one bit flipped.
        let near = (0..=255).flat_map(|byte| [first(byte), near_the_field(byte)]);
        let beside = SMALL_ORDER.map(|mut key| {
            key[1] ^= 1;
            key
        });
        for key in near.chain(beside) {
            assert_eq!(is_usable(&key), !gives_zeros(key), "{key:02x?}");
        }
    }

    #[test]
    fn an_ordinary_key_is_usable_and_one_of_another_length_is_not() {
        let key = PublicKey::from(&StaticSecret::from([7; KEY])).to_bytes();
        assert!(is_usable(&key));
        assert!(!is_usable(&key[1..]));
        assert!(!is_usable(&[]));
    }

    #[test]
    fn a_vector_is_read_in_each_of_its_three_forms_and_never_beyond_the_end() {
        assert_eq!(vector(&[2, 7, 8, 9]), Some((&[7, 8][..], &[9][..])));
        assert_eq!(vector(&[0x40, 1, 7]), Some((&[7][..], &[][..])));
        assert_eq!(vector(&[0x80, 0, 0, 1, 7]), Some((&[7][..], &[][..])));
        for cut in [&[][..], &[1], &[0x40], &[0x80, 0, 0], &[0xc0, 0, 0, 0, 0, 0, 0, 0]] {
            assert_eq!(vector(cut), None);
        }
    }
}
