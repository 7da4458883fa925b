//! For [`crate::fuzz`]: the decoders of content that only members decode, and the seal around it.

use openmls::prelude::{Extension, Extensions, LeafNode, UnknownExtension};
use rand_core::CryptoRng;
use zeroize::Zeroizing;

use super::{
    content::{Content, Envelope},
    group::Session,
    leaf,
    leave::LeaveStatement,
    rules::CommitNotice,
    seal::{self, SealKind},
    whisper,
};
use crate::{
    id::{Epoch, RoomAddress},
    retention::Retention,
    secret::{Payload, Secret},
    wire::{self, Entry, EntryKind},
};

/// Reads an envelope.
#[must_use]
pub fn envelope(bytes: &[u8]) -> Option<Envelope> {
    Envelope::decode(&Zeroizing::new(bytes.to_vec())).ok()
}

/// Encodes an envelope as it is sent. `None` when it cannot be sent.
#[must_use]
pub fn envelope_bytes(envelope: &Envelope) -> Option<Payload> {
    envelope.encode().ok()
}

/// Reads the decrypted content of a whisper.
#[must_use]
pub fn whispered(padded: &[u8]) -> Option<Content> {
    whisper::read(&mut padded.to_vec())
}

/// Removes the padding.
#[must_use]
pub fn unpadded(padded: &[u8]) -> Option<Vec<u8>> {
    let mut content = padded.to_vec();
    seal::unpad(&mut content).map(|()| content)
}

/// Decodes settings and encodes them again. `None` when members refuse them.
#[must_use]
pub fn settings(bytes: &[u8]) -> Option<Payload> {
    let extensions = leaf::settings_extensions(bytes.to_vec()).ok()?;
    leaf::read_settings(&extensions).map(|settings| wire::encode(&settings))
}

/// Decodes a leaf's card and encodes it again. `None` when members refuse it.
#[must_use]
pub fn card(bytes: &[u8]) -> Option<Payload> {
    let card = Extension::Unknown(leaf::LEAF, UnknownExtension(bytes.to_vec()));
    let extensions = Extensions::<LeafNode>::single(card).ok()?;
    let card = leaf::read_card(&extensions)?;
    Some(wire::encode(&card))
}

/// Decodes the notice of a commit and encodes it again. `None` when members refuse it.
#[must_use]
pub fn notice(bytes: &[u8]) -> Option<Payload> {
    CommitNotice::read(bytes).map(|notice| wire::encode(&notice))
}

/// Returns whether it is a valid leave statement of any member.
#[must_use]
pub fn is_by_a_member(session: &Session, statement: &LeaveStatement) -> bool {
    session.accepts_leave(statement)
}

/// The key of a seal, and the context that it binds the content to.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "fuzz targets make it")]
pub struct Place {
    /// The key that seals.
    pub key: Secret<32>,
    /// The room.
    pub address: RoomAddress,
    /// The epoch.
    pub epoch: Epoch,
    /// The kind of an entry; `None` for group information.
    pub kind: Option<EntryKind>,
    /// How long it may be kept.
    pub retention: Retention,
}

impl Place {
    /// Seals `content` in the smallest size that holds it.
    #[must_use]
    pub fn seal(&self, nonce: &[u8; 24], content: &[u8]) -> Option<Payload> {
        seal::seal_with(&self.key, nonce, &self.inner(), content)
    }

    /// Opens content that was sealed for exactly this context.
    #[must_use]
    pub fn open(&self, sealed: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        seal::open(&self.key, &self.inner(), sealed)
    }

    fn inner(&self) -> seal::SealContext {
        seal::SealContext {
            address: self.address,
            epoch: self.epoch,
            kind: self.kind.map_or(SealKind::GroupInfo, SealKind::from),
            retention: self.retention,
        }
    }
}

/// Opens the seal of an entry of this epoch.
#[must_use]
pub fn unsealed(session: &Session, entry: &Entry) -> Option<Zeroizing<Vec<u8>>> {
    let place = place(session, Some(entry.kind), entry.retention)?;
    place.open(&entry.sealed)
}

/// Makes an entry of this epoch with `bytes` behind a valid seal, as any member can.
#[must_use]
pub fn sealed(
    session: &Session,
    kind: EntryKind,
    retention: Retention,
    bytes: &[u8],
    rng: &mut dyn CryptoRng,
) -> Option<Entry> {
    let mut nonce = [0; 24];
    rng.fill_bytes(&mut nonce);
    let sealed = place(session, Some(kind), retention)?.seal(&nonce, bytes)?;
    Some(Entry { kind, epoch: session.epoch(), retention, sealed })
}

/// Makes a door of this epoch with `bytes` behind a valid seal, as any member can.
#[must_use]
pub fn sealed_door(session: &Session, bytes: &[u8], rng: &mut dyn CryptoRng) -> Option<Payload> {
    let mut nonce = [0; 24];
    rng.fill_bytes(&mut nonce);
    place(session, None, Retention::Live)?.seal(&nonce, bytes)
}

/// Opens the seal of a door of this epoch.
#[must_use]
pub fn unsealed_door(session: &Session, door: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    place(session, None, Retention::Live)?.open(door)
}

fn place(session: &Session, kind: Option<EntryKind>, retention: Retention) -> Option<Place> {
    let key = match kind {
        Some(EntryKind::Message | EntryKind::Commit) => &session.live.as_ref()?.keys.envelope,
        Some(EntryKind::Join) | None => &session.door.key,
    };
    let (address, epoch) = (session.address, session.epoch);
    Some(Place { key: key.clone(), address, epoch, kind, retention })
}
