//! Bytes that are wiped on drop: secrets, tokens, payloads.

use std::{fmt, ops::Deref};

use bytes::Bytes;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

/// `N` secret bytes: wiped on drop, compared in constant time, never printed.
///
/// The bytes live on the heap, so moving the value leaves no copy behind.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct Secret<const N: usize>(Box<[u8; N]>);

impl<const N: usize> Secret<N> {
    /// Takes the bytes. The caller's array is a copy that the caller must wipe; prefer
    /// [`Secret::fill`].
    #[must_use]
    pub fn new(bytes: [u8; N]) -> Self {
        Self(Box::new(bytes))
    }

    /// Makes a secret without a copy: `fill` writes into the final buffer.
    ///
    /// # Errors
    /// The error of `fill`; the partially filled buffer is wiped.
    pub fn fill<E>(fill: impl FnOnce(&mut [u8; N]) -> Result<(), E>) -> Result<Self, E> {
        let mut secret = Self(Box::new([0; N]));
        fill(&mut secret.0)?;
        Ok(secret)
    }

    /// Returns the bytes, for cryptographic operations.
    #[must_use]
    pub fn expose(&self) -> &[u8; N] {
        &self.0
    }
}

impl<const N: usize> PartialEq for Secret<N> {
    fn eq(&self, other: &Self) -> bool {
        self.0.as_slice().ct_eq(other.0.as_slice()).into()
    }
}

impl<const N: usize> Eq for Secret<N> {}

impl<const N: usize> fmt::Debug for Secret<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

/// A 32-byte bearer token sent to the relay over the connection: to look through the door, to prove
/// membership of an epoch, or to close the room. The relay holds only its [`TokenHash`].
#[derive(Clone, PartialEq, Eq)]
pub struct Token(Secret<32>);

impl Token {
    /// Makes a token from a derived secret.
    #[must_use]
    pub fn new(secret: Secret<32>) -> Self {
        Self(secret)
    }

    /// The bytes.
    #[must_use]
    pub fn expose(&self) -> &[u8; 32] {
        self.0.expose()
    }

    /// Returns what the relay keeps: the SHA-256 of the token.
    #[must_use]
    pub fn hash(&self) -> TokenHash {
        TokenHash(Sha256::digest(self.expose()).into())
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(..)")
    }
}

impl Serialize for Token {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.expose().serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Token {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let bytes = Zeroizing::new(<[u8; 32]>::deserialize(deserializer)?);
        Ok(Self(Secret::new(*bytes)))
    }
}

/// The SHA-256 of a [`Token`]: the only form in which a relay holds it.
#[derive(Clone, Copy, Serialize, Deserialize)]
pub struct TokenHash([u8; 32]);

impl TokenHash {
    /// Makes a hash from its bytes.
    #[must_use]
    pub const fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Whether `token` is the one that was hashed. Constant time.
    #[must_use]
    pub fn admits(&self, token: &Token) -> bool {
        *self == token.hash()
    }
}

impl PartialEq for TokenHash {
    fn eq(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl Eq for TokenHash {}

impl fmt::Debug for TokenHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TokenHash(..)")
    }
}

/// Bytes shared by several holders without copying, and overwritten with zeros when the last holder
/// is dropped: sealed entries, frames, group information, decrypted content.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Payload(Bytes);

impl Payload {
    /// Copies `bytes` into a buffer that is wiped on drop.
    #[must_use]
    pub fn copy_from_slice(bytes: &[u8]) -> Self {
        Self::from(bytes.to_vec())
    }

    /// Makes a payload that keeps `guard` until its last holder is dropped, for example a permit of
    /// a budget.
    #[must_use]
    pub fn guarded(bytes: Vec<u8>, guard: impl Send + 'static) -> Self {
        let buffer = WipingBuffer(bytes);
        Self(Bytes::from_owner(Guarded { buffer, _guard: guard }))
    }

    /// Returns the same bytes as [`Bytes`], still shared, and still wiped when the last holder is
    /// dropped.
    #[must_use]
    pub fn into_bytes(self) -> Bytes {
        self.0
    }
}

#[cfg(any(test, feature = "__fuzz"))]
impl Payload {
    /// Returns a payload, and a weak handle that expires when the last holder of the payload is
    /// dropped.
    pub(crate) fn witnessed(bytes: Vec<u8>) -> (Self, std::sync::Weak<()>) {
        let alive = std::sync::Arc::new(());
        let weak = std::sync::Arc::downgrade(&alive);
        (Self::guarded(bytes, alive), weak)
    }
}

/// Drops the guard after the bytes are wiped.
struct Guarded<T> {
    buffer: WipingBuffer,
    _guard: T,
}

impl<T> AsRef<[u8]> for Guarded<T> {
    fn as_ref(&self) -> &[u8] {
        self.buffer.as_ref()
    }
}

struct WipingBuffer(Vec<u8>);

impl Drop for WipingBuffer {
    fn drop(&mut self) {
        wipe(&mut self.0);
    }
}

/// Overwrites the whole allocation. Wiping the slices fills them in bulk; wiping the vector itself
/// works byte by byte, which costs a relay measurable time with every entry.
fn wipe(bytes: &mut Vec<u8>) {
    bytes.as_mut_slice().zeroize();
    bytes.spare_capacity_mut().zeroize();
}

impl AsRef<[u8]> for WipingBuffer {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl From<Vec<u8>> for Payload {
    fn from(bytes: Vec<u8>) -> Self {
        Self(Bytes::from_owner(WipingBuffer(bytes)))
    }
}

impl From<Zeroizing<Vec<u8>>> for Payload {
    fn from(mut bytes: Zeroizing<Vec<u8>>) -> Self {
        Self::from(std::mem::take(&mut *bytes))
    }
}

impl Deref for Payload {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.0
    }
}

impl AsRef<[u8]> for Payload {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Payload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Payload(..)")
    }
}

impl Serialize for Payload {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(&self.0)
    }
}

impl<'de> Deserialize<'de> for Payload {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl de::Visitor<'_> for Visitor {
            type Value = Payload;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("bytes")
            }
            // The length was checked against the frame, and the frame against its limit, before
            // this allocates.
            fn visit_bytes<E: de::Error>(self, bytes: &[u8]) -> Result<Payload, E> {
                Ok(Payload::copy_from_slice(bytes))
            }
        }
        deserializer.deserialize_bytes(Visitor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_secret_prints() {
        let secret = Secret::new([0x41; 32]);
        let token = Token::new(secret.clone());
        let shown = format!(
            "{:?} {:?} {:?} {:?}",
            secret,
            token,
            token.hash(),
            Payload::from(vec![0x41; 32])
        );
        assert_eq!(shown, "Secret(..) Token(..) TokenHash(..) Payload(..)");
    }

    #[test]
    fn a_hash_admits_its_token_only() {
        let hash = Token::new(Secret::new([1; 32])).hash();
        assert!(hash.admits(&Token::new(Secret::new([1; 32]))));
        assert!(!hash.admits(&Token::new(Secret::new([2; 32]))));
    }

    #[test]
    fn a_wiped_buffer_is_zeros_and_no_shorter() {
        for length in [0, 1, 7, 1_000] {
            let mut bytes = vec![0x41; length];
            wipe(&mut bytes);
            assert_eq!(bytes, vec![0; length]);
        }
    }

    #[test]
    fn a_payload_survives_a_round_trip() {
        let payload = Payload::from(vec![1, 2, 3]);
        let bytes = postcard::to_allocvec(&payload).unwrap();
        assert_eq!(postcard::from_bytes::<Payload>(&bytes).unwrap(), payload);
    }
}
