//! The outer encryption of everything that a relay stores: padded, and bound to its context.

use chacha20poly1305::{AeadInPlace, KeyInit, Tag, XChaCha20Poly1305, XNonce};
use rand_core::CryptoRng;
use zeroize::{Zeroize, Zeroizing};

use crate::{
    id::{Epoch, RoomAddress},
    retention::Retention,
    secret::{Payload, Secret},
    wire::{DOOR_SIZES, EntryKind, SEALED_SIZES, VERSION},
};

const NONCE: usize = 24;
const LENGTH: usize = 4;
const TAG: usize = 16;

/// The bytes of a sealed item besides its content.
pub(super) const OVERHEAD: usize = NONCE + LENGTH + TAG;

/// The kind of the sealed content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SealKind {
    Message,
    Commit,
    Join,
    GroupInfo,
}

impl SealKind {
    fn byte(self) -> u8 {
        match self {
            Self::Message => 0,
            Self::Commit => 1,
            Self::Join => 2,
            Self::GroupInfo => 3,
        }
    }

    fn sizes(self) -> &'static [usize] {
        match self {
            Self::GroupInfo => &DOOR_SIZES,
            _ => &SEALED_SIZES,
        }
    }
}

impl From<EntryKind> for SealKind {
    fn from(kind: EntryKind) -> Self {
        match kind {
            EntryKind::Message => Self::Message,
            EntryKind::Commit => Self::Commit,
            EntryKind::Join => Self::Join,
        }
    }
}

/// The context that a seal binds the content to. A sealed item opens only in the context that it
/// was made for.
#[derive(Clone, Copy, Debug)]
pub(super) struct SealContext {
    pub(super) address: RoomAddress,
    pub(super) epoch: Epoch,
    pub(super) kind: SealKind,
    /// For group information: live, which is zero.
    pub(super) retention: Retention,
}

impl SealContext {
    /// Version u16 ‖ address ‖ epoch u64 ‖ kind u8 ‖ retention in milliseconds u32, big endian.
    pub(super) fn aad(&self) -> Vec<u8> {
        [
            VERSION.to_be_bytes().as_slice(),
            self.address.as_bytes(),
            &self.epoch.value().to_be_bytes(),
            &[self.kind.byte()],
            &self.retention.as_millis().to_be_bytes(),
        ]
        .concat()
    }
}

/// Seals `content` under a fresh nonce: `nonce ‖ XChaCha20-Poly1305(length u32 ‖ content ‖ zeros)`
/// in the smallest size that holds it. `None` when none does.
pub(super) fn seal(
    key: &Secret<32>,
    place: &SealContext,
    content: &[u8],
    rng: &mut dyn CryptoRng,
) -> Option<Payload> {
    let mut nonce = [0; NONCE];
    rng.fill_bytes(&mut nonce);
    seal_with(key, &nonce, place, content)
}

pub(super) fn seal_with(
    key: &Secret<32>,
    nonce: &[u8; NONCE],
    place: &SealContext,
    content: &[u8],
) -> Option<Payload> {
    let needed = content.len().checked_add(OVERHEAD)?;
    let size = *place.kind.sizes().iter().find(|&&size| size >= needed)?;
    // Written in place into its final buffer, so that no copy of the content is left behind.
    let mut sealed = Zeroizing::new(vec![0; size]);
    let (front, rest) = sealed.split_first_chunk_mut::<NONCE>()?;
    let (body, tag) = rest.split_last_chunk_mut::<TAG>()?;
    front.copy_from_slice(nonce);
    let (length, padded) = body.split_first_chunk_mut::<LENGTH>()?;
    *length = u32::try_from(content.len()).ok()?.to_be_bytes();
    padded.get_mut(..content.len())?.copy_from_slice(content);
    *tag = XChaCha20Poly1305::new(key.expose().into())
        .encrypt_in_place_detached(XNonce::from_slice(nonce), &place.aad(), body)
        .ok()?
        .into();
    Some(sealed.into())
}

/// Opens content that was sealed for exactly `place`. Otherwise returns `None`, without a reason.
pub(super) fn open(
    key: &Secret<32>,
    place: &SealContext,
    sealed: &[u8],
) -> Option<Zeroizing<Vec<u8>>> {
    if !place.kind.sizes().contains(&sealed.len()) {
        return None;
    }
    let (nonce, rest) = sealed.split_first_chunk::<NONCE>()?;
    let (body, tag) = rest.split_last_chunk::<TAG>()?;
    let mut content = Zeroizing::new(body.to_vec());
    XChaCha20Poly1305::new(key.expose().into())
        .decrypt_in_place_detached(
            XNonce::from_slice(nonce),
            &place.aad(),
            &mut content,
            Tag::from_slice(tag),
        )
        .ok()?;
    unpad(&mut content)?;
    Some(content)
}

/// Reduces `length u32 ‖ content ‖ zeros` to its content. `None` when it does not have that form.
pub(super) fn unpad(padded: &mut Vec<u8>) -> Option<()> {
    let (length, rest) = padded.split_first_chunk::<LENGTH>()?;
    let length = usize::try_from(u32::from_be_bytes(*length)).ok()?;
    let (_, zeros) = rest.split_at_checked(length)?;
    if zeros.iter().any(|&byte| byte != 0) {
        return None;
    }
    padded.copy_within(LENGTH..LENGTH.checked_add(length)?, 0);
    if let Some(left) = padded.get_mut(length..) {
        left.zeroize();
    }
    padded.truncate(length);
    Some(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const PLACE: SealContext = SealContext {
        address: RoomAddress::new([1; 16]),
        epoch: Epoch::new(7),
        kind: SealKind::Message,
        retention: Retention::Live,
    };

    fn key() -> Secret<32> {
        Secret::new([2; 32])
    }

    #[test]
    fn the_smallest_size_that_fits_is_taken() {
        for (kind, sizes) in [
            (SealKind::Message, SEALED_SIZES.as_slice()),
            (SealKind::GroupInfo, DOOR_SIZES.as_slice()),
        ] {
            let place = SealContext { kind, ..PLACE };
            let size = |content: usize| {
                seal_with(&key(), &[3; 24], &place, &vec![4; content]).map(|sealed| sealed.len())
            };
            assert_eq!(size(0), Some(1_000));
            for (index, &fits) in sizes.iter().enumerate() {
                assert_eq!(size(fits - OVERHEAD), Some(fits));
                assert_eq!(size(fits - OVERHEAD + 1), sizes.get(index + 1).copied());
            }
        }
    }

    #[test]
    fn it_opens_only_in_the_place_it_was_sealed_for() {
        let sealed = seal_with(&key(), &[3; 24], &PLACE, b"words").unwrap();
        assert_eq!(open(&key(), &PLACE, &sealed).unwrap().as_slice(), b"words");
        let long = Retention::keep(std::time::Duration::from_secs(9)).unwrap();
        for place in [
            SealContext { address: RoomAddress::new([2; 16]), ..PLACE },
            SealContext { epoch: Epoch::new(8), ..PLACE },
            SealContext { kind: SealKind::Commit, ..PLACE },
            SealContext { kind: SealKind::GroupInfo, ..PLACE },
            SealContext { retention: long, ..PLACE },
        ] {
            assert!(open(&key(), &place, &sealed).is_none());
        }
        assert!(open(&Secret::new([9; 32]), &PLACE, &sealed).is_none());
    }

    #[test]
    fn padding_that_is_not_zero_is_refused() {
        let padded = |tail: u8| vec![0, 0, 0, 2, 7, 7, 0, tail];
        let mut valid = padded(0);
        assert_eq!(unpad(&mut valid), Some(()));
        assert_eq!(valid, [7, 7]);
        assert_eq!(unpad(&mut padded(1)), None);
        assert_eq!(unpad(&mut vec![0, 0, 0, 9, 7]), None);
        assert_eq!(unpad(&mut vec![0xff; 6]), None);
        assert_eq!(unpad(&mut vec![]), None);
    }

    proptest! {
        #[test]
        fn any_content_survives(content in proptest::collection::vec(any::<u8>(), 0..5_000)) {
            let sealed = seal_with(&key(), &[3; 24], &PLACE, &content).unwrap();
            prop_assert_eq!(open(&key(), &PLACE, &sealed).unwrap().to_vec(), content);
        }

        #[test]
        fn one_changed_bit_anywhere_is_noticed(at in 0_usize..8_000) {
            let sealed = seal_with(&key(), &[3; 24], &PLACE, b"words").unwrap();
            let mut altered = sealed.to_vec();
            altered[at / 8] ^= 1 << (at % 8);
            prop_assert!(open(&key(), &PLACE, &altered).is_none());
        }

        #[test]
        fn unpadding_never_panics(mut bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
            let _ = unpad(&mut bytes);
        }
    }
}
