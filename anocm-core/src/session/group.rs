//! The session: its state and accessors.

use std::fmt;

use openmls::{group::GroupContext, prelude::MlsGroup};
use openmls_traits::OpenMlsProvider;
use sha2::{Digest as _, Sha256};
use tls_codec::Serialize as _;

use super::{
    MemberKey,
    commit::Pending,
    error::{Fault, SessionError},
    identity::Identity,
    keys::{self, DoorKeys, EpochKeys},
    member::Member,
    provider::Provider,
    roster::Roster,
    rules::{CommitContext, ValidatedCommit},
    safety::SafetyCode,
    seal::{SealContext, SealKind},
    settings::Settings,
};
use crate::{
    id::{Epoch, MemberId, RoomAddress},
    retention::Retention,
    secret::{Secret, Token},
};

/// One guest's end-to-end state in one room.
///
/// After this member was removed, every call that needs keys fails with `Removed`; roster and
/// settings keep their last state. Wiped on drop.
pub struct Session {
    pub(super) address: RoomAddress,
    pub(super) identity: Identity,
    pub(super) provider: Provider,
    /// `None` once this member was removed.
    pub(super) live: Option<Live>,
    pub(super) epoch: Epoch,
    pub(super) invite: Secret<32>,
    pub(super) door: DoorKeys,
    pub(super) settings: Settings,
    pub(super) roster: Roster,
    pub(super) pending: Option<Pending>,
}

/// The state that exists only during the membership.
pub(super) struct Live {
    pub(super) group: MlsGroup,
    pub(super) keys: EpochKeys,
}

impl Session {
    /// Returns the part of the session that a rejoin needs.
    #[must_use]
    pub fn into_identity(self) -> Identity {
        self.identity
    }

    /// The epoch.
    #[must_use]
    pub const fn epoch(&self) -> Epoch {
        self.epoch
    }

    /// The room's address.
    #[must_use]
    pub const fn address(&self) -> &RoomAddress {
        &self.address
    }

    /// This member's id.
    #[must_use]
    pub const fn me(&self) -> MemberId {
        self.identity.member()
    }

    /// This member's signature key, which no other member can have.
    #[must_use]
    pub fn key(&self) -> MemberKey {
        self.identity.key()
    }

    /// Returns the SHA-256 of the MLS group context, which covers the tree and the history of
    /// commits. Equal for all members of the epoch.
    ///
    /// # Errors
    /// `Removed`, `Internal`.
    pub fn context(&self) -> Result<[u8; 32], SessionError> {
        let live = self.live.as_ref().ok_or(SessionError::Removed)?;
        Ok(hash_of(live.group.public_group().group_context())?)
    }

    /// The room's settings.
    #[must_use]
    pub const fn settings(&self) -> &Settings {
        &self.settings
    }

    /// All members, in the same order for every member.
    #[must_use]
    pub fn members(&self) -> &[Member] {
        self.roster.members()
    }

    /// Returns the member with that id.
    #[must_use]
    pub fn member(&self, id: MemberId) -> Option<&Member> {
        self.roster.by_id(id).map(|(member, _)| member)
    }

    /// Whether this member was removed.
    #[must_use]
    pub const fn is_removed(&self) -> bool {
        self.live.is_none()
    }

    /// The code that the members of the epoch compare.
    ///
    /// # Errors
    /// `Removed`.
    pub fn safety_code(&self) -> Result<&SafetyCode, SessionError> {
        self.keys().map(|keys| &keys.safety)
    }

    /// The secret of the current invite.
    #[must_use]
    pub const fn invite_secret(&self) -> &Secret<32> {
        &self.invite
    }

    /// The number of the room's present door, which the invite secret ends with: 0 for the first.
    pub(crate) fn door_number(&self) -> u32 {
        keys::door_number(&self.invite)
    }

    /// Returns the number of the door that a validated commit begins, if it does.
    pub(super) fn next_door(&self, validated: &ValidatedCommit) -> Result<Option<u32>, Fault> {
        match validated.new_door {
            true => Ok(Some(self.door_number().checked_add(1).ok_or(Fault)?)),
            false => Ok(None),
        }
    }

    /// The token presented to the relay to read the door and to join.
    #[must_use]
    pub const fn door_token(&self) -> &Token {
        &self.door.token
    }

    /// The token presented to the relay to prove membership of the current epoch.
    ///
    /// # Errors
    /// `Removed`.
    pub fn member_token(&self) -> Result<&Token, SessionError> {
        self.keys().map(|keys| &keys.member)
    }

    /// The token presented to the relay to close the room and to void commits. `None` unless this
    /// member is the owner.
    ///
    /// # Errors
    /// `Internal`.
    pub fn owner_token(&self) -> Result<Option<Token>, SessionError> {
        let secret = self.identity.owner_secret();
        let token = secret.map(|secret| keys::owner_token(&self.address, secret));
        Ok(token.transpose()?)
    }

    fn keys(&self) -> Result<&EpochKeys, SessionError> {
        let live = self.live.as_ref().ok_or(SessionError::Removed)?;
        Ok(&live.keys)
    }

    pub(super) fn seal_context(&self, kind: SealKind, retention: Retention) -> SealContext {
        SealContext { address: self.address, epoch: self.epoch, kind, retention }
    }

    pub(super) fn commit_context(&self) -> CommitContext<'_, openmls_rust_crypto::RustCrypto> {
        CommitContext {
            crypto: self.provider.crypto(),
            address: &self.address,
            settings: &self.settings,
            roster: &self.roster,
            door: &self.door,
            door_number: self.door_number(),
        }
    }
}

/// Returns the SHA-256 of a group context in its encoding.
pub(super) fn hash_of(context: &GroupContext) -> Result<[u8; 32], Fault> {
    let encoded = context.tls_serialize_detached().map_err(|_| Fault)?;
    Ok(Sha256::digest(encoded).into())
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session").field("epoch", &self.epoch).finish_non_exhaustive()
    }
}
