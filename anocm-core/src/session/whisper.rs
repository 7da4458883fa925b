//! Content for one member, inside a message that all members open.

use chacha20poly1305::{AeadInPlace, ChaCha20Poly1305, KeyInit, Nonce, Tag};
use rand_core::CryptoRng;
use x25519_dalek::{PublicKey, SharedSecret, StaticSecret};
use zeroize::Zeroizing;

use super::{
    content::{BODY_SIZES, Content, Whisper},
    error::{Fault, SessionError},
    keys, seal,
};
use crate::{
    id::{Epoch, MemberId, RoomAddress},
    secret::Secret,
};

const LABEL: &[u8] = b"anocm/1 whisper";
const KEY: usize = 32;
const LENGTH: usize = 4;
const KIND: usize = 2;
const TAG: usize = 16;
const OVERHEAD: usize = KEY + LENGTH + KIND + TAG;

/// The longest body in bytes that can be whispered.
pub const MAX_WHISPER: usize = super::MAX_CONTENT - OVERHEAD;

/// The sender, recipient and epoch of a whisper.
pub(super) struct WhisperContext {
    pub(super) address: RoomAddress,
    pub(super) epoch: Epoch,
    pub(super) sender: MemberId,
    pub(super) recipient: MemberId,
    /// The recipient's whisper key.
    pub(super) key: [u8; 32],
}

impl WhisperContext {
    fn derive(&self, shared: &SharedSecret, ephemeral: &[u8; 32]) -> Result<Secret<32>, Fault> {
        let info = [
            LABEL,
            &self.epoch.value().to_be_bytes(),
            self.sender.as_bytes(),
            self.recipient.as_bytes(),
            ephemeral,
            &self.key,
        ]
        .concat();
        keys::derive(&self.address, shared.as_bytes(), &info)
    }
}

/// Returns whether `body` can be a whisper: as long as the largest body of one of the sealed sizes.
pub(super) fn has_valid_size(body: &[u8]) -> bool {
    BODY_SIZES.contains(&body.len())
}

/// Seals `content` for one member: `ephemeral key ‖ ChaCha20-Poly1305(length u32 ‖ kind u16 ‖
/// body ‖ zeros)`.
pub(super) fn seal(
    context: &WhisperContext,
    content: &Content,
    rng: &mut dyn CryptoRng,
) -> Result<Whisper, SessionError> {
    let mut ephemeral = Zeroizing::new([0; KEY]);
    rng.fill_bytes(ephemeral.as_mut());
    seal_with(context, content, &StaticSecret::from(*ephemeral))
}

pub(super) fn seal_with(
    context: &WhisperContext,
    content: &Content,
    ephemeral: &StaticSecret,
) -> Result<Whisper, SessionError> {
    if matches!(content, Content::Whisper(_) | Content::Leaving(_)) {
        return Err(SessionError::NotAllowed);
    }
    let too_long = SessionError::TooLong { limit: MAX_WHISPER };
    let (kind, body) = content.parts()?;
    let body = body.as_bytes();
    let needed = body.len() + OVERHEAD;
    let size = *BODY_SIZES.iter().find(|&&size| size >= needed).ok_or(too_long)?;

    let shared = ephemeral.diffie_hellman(&PublicKey::from(context.key));
    if !shared.was_contributory() {
        return Err(SessionError::NotAllowed);
    }
    let public = PublicKey::from(ephemeral).to_bytes();
    let key = context.derive(&shared, &public)?;
    let mut whisper = Zeroizing::new(vec![0; size]);
    fill(&mut whisper, &public, kind, body, &key).ok_or(SessionError::Internal)?;
    Ok(Whisper(whisper.into()))
}

fn fill(
    whisper: &mut [u8],
    public: &[u8; KEY],
    kind: u16,
    body: &[u8],
    key: &Secret<32>,
) -> Option<()> {
    let (front, rest) = whisper.split_first_chunk_mut::<KEY>()?;
    let (padded, tag) = rest.split_last_chunk_mut::<TAG>()?;
    *front = *public;
    let (length, content) = padded.split_first_chunk_mut::<LENGTH>()?;
    *length = u32::try_from(KIND + body.len()).ok()?.to_be_bytes();
    let (number, content) = content.split_first_chunk_mut::<KIND>()?;
    *number = kind.to_be_bytes();
    content.get_mut(..body.len())?.copy_from_slice(body);
    // The key is used once: the nonce can be zero.
    *tag = ChaCha20Poly1305::new(key.expose().into())
        .encrypt_in_place_detached(&Nonce::default(), &[], padded)
        .ok()?
        .into();
    Some(())
}

/// Opens a whisper. `None` when it is for another member or was altered.
pub(super) fn open(
    context: &WhisperContext,
    whisper: &Whisper,
    own: &StaticSecret,
) -> Option<Content> {
    let (public, rest) = whisper.0.split_first_chunk::<KEY>()?;
    let (padded, tag) = rest.split_last_chunk::<TAG>()?;
    let shared = own.diffie_hellman(&PublicKey::from(*public));
    if !shared.was_contributory() {
        return None;
    }
    let key = context.derive(&shared, public).ok()?;
    let mut content = Zeroizing::new(padded.to_vec());
    ChaCha20Poly1305::new(key.expose().into())
        .decrypt_in_place_detached(&Nonce::default(), &[], &mut content, Tag::from_slice(tag))
        .ok()?;
    read(&mut content)
}

/// Reads decrypted content, padding included. `None` for content that cannot be whispered.
pub(super) fn read(padded: &mut Vec<u8>) -> Option<Content> {
    seal::unpad(padded)?;
    let (kind, body) = padded.split_first_chunk::<KIND>()?;
    match Content::from_parts(u16::from_be_bytes(*kind), body)? {
        Content::Whisper(_) | Content::Leaving(_) => None,
        content => Some(content),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::MessageText;

    fn own() -> StaticSecret {
        StaticSecret::from([1; 32])
    }

    fn context() -> WhisperContext {
        WhisperContext {
            address: RoomAddress::new([1; 16]),
            epoch: Epoch::new(2),
            sender: MemberId::new([3; 16]),
            recipient: MemberId::new([4; 16]),
            key: PublicKey::from(&own()).to_bytes(),
        }
    }

    fn text(bytes: usize) -> Content {
        Content::Text(MessageText::new("x".repeat(bytes)))
    }

    fn sealed(content: &Content) -> Result<Whisper, SessionError> {
        seal_with(&context(), content, &StaticSecret::from([7; 32]))
    }

    #[test]
    fn a_whisper_opens_only_between_the_two_and_in_its_epoch() {
        let whisper = sealed(&text(5)).unwrap();
        assert_eq!(open(&context(), &whisper, &own()), Some(text(5)));
        for other in [
            WhisperContext { address: RoomAddress::new([9; 16]), ..context() },
            WhisperContext { epoch: Epoch::new(3), ..context() },
            WhisperContext { sender: MemberId::new([9; 16]), ..context() },
            WhisperContext { recipient: MemberId::new([9; 16]), ..context() },
        ] {
            assert_eq!(open(&other, &whisper, &own()), None);
        }
        assert_eq!(open(&context(), &whisper, &StaticSecret::from([2; 32])), None);
    }

    #[test]
    fn every_whisper_fills_its_size() {
        for size in BODY_SIZES {
            let whisper = sealed(&text(size - OVERHEAD)).unwrap();
            assert_eq!(whisper.0.len(), size);
            assert!(open(&context(), &whisper, &own()).is_some());
        }
        assert_eq!(sealed(&Content::Here).unwrap().0.len(), BODY_SIZES[0]);
        assert_eq!(
            sealed(&text(MAX_WHISPER + 1)),
            Err(SessionError::TooLong { limit: MAX_WHISPER })
        );
    }

    #[test]
    fn keys_that_make_an_empty_secret_are_refused() {
        let low_order = WhisperContext { key: [0; 32], ..context() };
        let ephemeral = StaticSecret::from([7; 32]);
        assert_eq!(seal_with(&low_order, &text(1), &ephemeral), Err(SessionError::NotAllowed));
        let mut forged = sealed(&text(1)).unwrap().0.to_vec();
        forged[..KEY].fill(0);
        assert_eq!(open(&context(), &Whisper(forged.into()), &own()), None);
    }

    #[test]
    fn a_whisper_within_a_whisper_is_refused() {
        let whisper = Content::Whisper(sealed(&text(1)).unwrap());
        assert_eq!(sealed(&whisper), Err(SessionError::NotAllowed));
    }
}
