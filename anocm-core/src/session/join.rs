//! Joining through the door by external commit, with no other member online.

use std::fmt;

use openmls::{
    messages::group_info::VerifiableGroupInfo,
    prelude::{
        Extensions, LeafNode, LeafNodeParameters, MlsGroup, MlsMessageBodyIn, MlsMessageIn,
        MlsMessageOut, PreSharedKeyProposal,
    },
    schedule::PreSharedKeyId,
};
use openmls_rust_crypto::RustCrypto;
use openmls_traits::{OpenMlsProvider, crypto::OpenMlsCrypto};
use rand_core::CryptoRng;
use tls_codec::{Deserialize as _, Serialize as _};

use super::{
    card::Card,
    commit::CommitBundle,
    create::{self, NewGroup},
    error::{Fault, JoinError},
    group::{Session, hash_of},
    identity::Identity,
    keys::{self, DoorKeys},
    leaf,
    provider::Provider,
    rules::MAX_MEMBERS,
    seal::{self, SealContext, SealKind},
};
use crate::{
    name::Nickname,
    retention::Retention,
    secret::Secret,
    wire::{Door, Entry, EntryKind},
};

/// The guest that joins through a door.
#[derive(Debug)]
#[expect(clippy::exhaustive_enums, reason = "there is no third way in")]
pub enum Joiner {
    /// A new guest, with fresh keys.
    New(Nickname),
    /// A guest that was in the room before: its old leaf, if it is still there, is replaced.
    Returning(Identity, Nickname),
}

/// A failed join.
#[derive(thiserror::Error)]
#[error("{why}")]
pub struct NotJoined {
    /// The reason.
    pub why: JoinError,
    /// The identity of a [`Joiner::Returning`], handed back.
    pub identity: Option<Identity>,
}

impl fmt::Debug for NotJoined {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "NotJoined({:?})", self.why)
    }
}

impl Session {
    /// Makes a join for the epoch that the door shows. The session is already in the epoch that the
    /// join begins: append the join, and drop the session if the relay rejects it.
    ///
    /// # Errors
    /// [`JoinError`], with the identity of a returning guest handed back.
    pub fn join(
        door: &Door,
        secret: &Secret<32>,
        who: Joiner,
        rng: &mut dyn CryptoRng,
    ) -> Result<(Self, CommitBundle), NotJoined> {
        let (identity, nickname, returning) = match who {
            Joiner::New(nickname) => (Identity::new(rng), nickname, false),
            Joiner::Returning(identity, nickname) => (identity, nickname, true),
        };
        match enter(door, secret, (&identity, &nickname), &RustCrypto::default(), rng) {
            Ok((begun, bundle)) => {
                let session = begun.into_session(door.address, identity, secret.clone());
                Ok((session, bundle))
            }
            Err(why) => Err(NotJoined { why, identity: returning.then_some(identity) }),
        }
    }
}

/// Returns the hash of the group context that the door shows, as [`Session::context`] does.
///
/// # Errors
/// `WrongLink`, `BadDoor`.
pub(crate) fn door_context(door: &Door, secret: &Secret<32>) -> Result<[u8; 32], JoinError> {
    let keys = DoorKeys::derive(&door.address, secret)?;
    let info = open_door(door, &keys)?;
    Ok(hash_of(info.group_context())?)
}

pub(super) fn enter(
    door: &Door,
    secret: &Secret<32>,
    (identity, nickname): (&Identity, &Nickname),
    crypto: &impl OpenMlsCrypto,
    rng: &mut dyn CryptoRng,
) -> Result<(NewGroup, CommitBundle), JoinError> {
    let keys = DoorKeys::derive(&door.address, secret)?;
    let info = open_door(door, &keys)?;
    let provider = Provider::default();
    create::store_psk(&provider, &keys)?;
    let card = Card::entering(nickname, identity.whisper_key(), rng);
    let who = (identity, leaf::leaf_extensions(&card)?);
    let (group, join, info) = external_commit(&provider, crypto, &keys, info, who, rng)?;

    // A group that is invalid now was invalid before the join: members accept no commit that makes
    // it so.
    let begun =
        NewGroup::read(group, provider, keys, &door.address).map_err(|_| JoinError::BadDoor)?;
    // Otherwise the group of another owner under the address of this room.
    if !begun.settings.are_signed(&door.address, crypto) {
        return Err(JoinError::BadDoor);
    }
    // A link never leads to a door older than itself, so the settings cannot be for a later one.
    if begun.settings.door > keys::door_number(secret) {
        return Err(JoinError::BadDoor);
    }
    if begun.settings.need_newer_program() {
        return Err(JoinError::NewerProgram);
    }
    if begun.members() > MAX_MEMBERS {
        return Err(JoinError::Full);
    }
    if begun.settings.policy != door.policy {
        return Err(JoinError::PolicyMismatch);
    }
    let place = SealContext {
        address: door.address,
        epoch: door.epoch,
        kind: SealKind::Join,
        retention: door.policy.handshakes,
    };
    let join = join.tls_serialize_detached().map_err(|_| Fault)?;
    let sealed = seal::seal(&begun.door.key, &place, &join, rng).ok_or(JoinError::BadDoor)?;
    let next = door.epoch.next();
    let info = create::seal_group_info(&door.address, next, &begun.door, &info, rng)
        .map_err(|_| JoinError::BadDoor)?;
    let bundle = CommitBundle {
        entry: Entry {
            kind: EntryKind::Join,
            epoch: door.epoch,
            retention: door.policy.handshakes,
            sealed,
        },
        next: create::next_epoch(&begun.live.keys, &begun.door, info),
    };
    Ok((begun, bundle))
}

/// Opens the sealed group information. It must be of this room, epoch and suite.
pub(super) fn open_door(door: &Door, keys: &DoorKeys) -> Result<VerifiableGroupInfo, JoinError> {
    let place = SealContext {
        address: door.address,
        epoch: door.epoch,
        kind: SealKind::GroupInfo,
        retention: Retention::Live,
    };
    let bytes = seal::open(&keys.key, &place, &door.group_info).ok_or(JoinError::WrongLink)?;
    let message =
        MlsMessageIn::tls_deserialize_exact(bytes.as_slice()).map_err(|_| JoinError::BadDoor)?;
    match message.extract() {
        MlsMessageBodyIn::GroupInfo(info)
            if info.group_id().as_slice() == door.address.as_bytes()
                && info.epoch().as_u64() == door.epoch.value()
                && info.ciphersuite() == leaf::SUITE =>
        {
            Ok(info)
        }
        _ => Err(JoinError::BadDoor),
    }
}

/// Builds the MLS external commit (RFC 9420, section 12.4.3.2) with the door's PSK.
fn external_commit(
    provider: &Provider,
    crypto: &impl OpenMlsCrypto,
    keys: &DoorKeys,
    info: VerifiableGroupInfo,
    (identity, card): (&Identity, Extensions<LeafNode>),
    rng: &mut dyn CryptoRng,
) -> Result<(MlsGroup, MlsMessageOut, MlsMessageOut), JoinError> {
    let mut nonce = vec![0; 32];
    rng.fill_bytes(&mut nonce);
    let leaf = LeafNodeParameters::builder()
        .with_capabilities(leaf::capabilities())
        .with_extensions(card)
        .build();
    let (group, bundle) = MlsGroup::external_commit_builder()
        .with_config(create::join_config())
        // Only the creator's leaf has a lifetime; a wrong clock must not prevent a join.
        .skip_lifetime_validation()
        .build_group(provider, info, identity.credential())
        .map_err(|_| JoinError::BadDoor)?
        .leaf_node_parameters(leaf)
        .add_psk_proposal(PreSharedKeyProposal::new(psk_id(keys, nonce)))
        .load_psks(provider.storage())
        .map_err(|_| Fault)?
        .create_group_info(true)
        .build(provider.rand(), crypto, identity, |_| true)
        .map_err(|_| JoinError::BadDoor)?
        .finalize(provider)
        .map_err(|_| Fault)?;
    let (join, _, info) = bundle.into_messages();
    Ok((group, join, info.ok_or(Fault)?))
}

/// The id of the door's PSK in a join. The nonce is fresh for every proposal and not part of the
/// storage key.
pub(super) fn psk_id(keys: &DoorKeys, nonce: Vec<u8>) -> PreSharedKeyId {
    PreSharedKeyId::external(keys.psk_id.expose().to_vec(), nonce)
}
