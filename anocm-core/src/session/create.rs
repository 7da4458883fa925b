//! Creating a session: for the group of a new room, or for one just joined.

use openmls::prelude::{
    GroupId, Lifetime, MlsGroup, MlsGroupCreateConfig, MlsGroupJoinConfig, MlsMessageOut,
    PURE_PLAINTEXT_WIRE_FORMAT_POLICY, SenderRatchetConfiguration,
};
use openmls_traits::OpenMlsProvider;
use rand_core::CryptoRng;
use tls_codec::Serialize as _;

use super::{
    error::{Fault, SessionError},
    group::{Live, Session},
    identity::Identity,
    join,
    keys::{DoorKeys, EpochKeys},
    leaf,
    member::Settings,
    provider::Provider,
    roster::Roster,
    seal::{self, SealContext, SealKind},
};
use crate::{
    id::{Epoch, RoomAddress},
    name::Nickname,
    retention::{Retention, RoomRetention},
    secret::{Payload, Secret},
    wire::{Genesis, MAX_DOOR, NextEpoch, Policy},
};

impl Session {
    /// Opens a room with its owner as the only member, in epoch 0.
    ///
    /// # Errors
    /// `NotAllowed` when `retention` goes beyond `policy`.
    pub fn create(
        address: RoomAddress,
        secret: &Secret<32>,
        policy: Policy,
        retention: RoomRetention,
        nickname: &Nickname,
        rng: &mut dyn CryptoRng,
    ) -> Result<(Self, Genesis), SessionError> {
        let identity = Identity::owner(rng)?;
        let settings =
            Settings { policy, retention, owner: identity.key(), moderators: Vec::new() };
        if !settings.is_valid() {
            return Err(SessionError::NotAllowed);
        }
        let door = DoorKeys::derive(&address, secret)?;
        let provider = Provider::default();
        store_psk(&provider, &door)?;
        let group = create_group(&provider, &identity, address, &settings, nickname)?;
        let session = NewGroup::read(group, provider, door, &address)?.into_session(
            address,
            identity,
            secret.clone(),
        );
        let owner = session.owner_token()?.ok_or(Fault)?.hash();
        let first = session.restored(rng)?;
        let genesis = Genesis { policy, owner, first };
        Ok((session, genesis))
    }

    /// Returns freshly sealed group information and token hashes of the current epoch, for `void`
    /// to restore.
    ///
    /// # Errors
    /// `TooLong` when the group information does not fit a door, `Removed`.
    pub fn restored(&self, rng: &mut dyn CryptoRng) -> Result<NextEpoch, SessionError> {
        let live = self.live.as_ref().ok_or(SessionError::Removed)?;
        let info = live
            .group
            .export_group_info(self.provider.crypto(), &self.identity, true)
            .map_err(|_| Fault)?;
        let info = seal_group_info(&self.address, self.epoch, &self.door, &info, rng)?;
        Ok(next_epoch(&live.keys, &self.door, info))
    }
}

/// A group just created or joined, read and found valid.
pub(super) struct NewGroup {
    provider: Provider,
    pub(super) live: Live,
    pub(super) door: DoorKeys,
    pub(super) settings: Settings,
    roster: Roster,
}

impl NewGroup {
    pub(super) fn read(
        group: MlsGroup,
        provider: Provider,
        door: DoorKeys,
        address: &RoomAddress,
    ) -> Result<Self, Fault> {
        let settings = leaf::read_settings(group.extensions()).ok_or(Fault)?;
        let roster = Roster::read(&group, &settings, address, &Roster::default()).ok_or(Fault)?;
        let keys = EpochKeys::export(&|label| {
            group.export_secret(provider.crypto(), label, address.as_bytes(), 32).ok()
        })?;
        Ok(Self { provider, live: Live { group, keys }, door, settings, roster })
    }

    /// Returns the number of members, this one included.
    pub(super) fn members(&self) -> usize {
        self.roster.members().len()
    }

    pub(super) fn into_session(
        self,
        address: RoomAddress,
        identity: Identity,
        invite: Secret<32>,
    ) -> Session {
        Session {
            address,
            identity,
            epoch: Epoch::new(self.live.group.epoch().as_u64()),
            provider: self.provider,
            live: Some(self.live),
            invite,
            door: self.door,
            settings: self.settings,
            roster: self.roster,
            pending: None,
        }
    }
}

/// The same for every member: no keys of past epochs (the relay's order makes them unnecessary),
/// and plaintext handshakes, since everything that leaves the session is sealed.
pub(super) fn join_config() -> MlsGroupJoinConfig {
    MlsGroupJoinConfig::builder()
        .wire_format_policy(PURE_PLAINTEXT_WIRE_FORMAT_POLICY)
        .max_past_epochs(0)
        .sender_ratchet_configuration(ratchets())
        .use_ratchet_tree_extension(true)
        .build()
}

fn ratchets() -> SenderRatchetConfiguration {
    SenderRatchetConfiguration::new(64, 4_096)
}

fn create_group(
    provider: &Provider,
    identity: &Identity,
    address: RoomAddress,
    settings: &Settings,
    nickname: &Nickname,
) -> Result<MlsGroup, Fault> {
    let extensions = leaf::leaf_extensions(nickname.as_str(), identity.whisper_key())?;
    let config = MlsGroupCreateConfig::builder()
        .ciphersuite(leaf::SUITE)
        .wire_format_policy(PURE_PLAINTEXT_WIRE_FORMAT_POLICY)
        .max_past_epochs(0)
        .sender_ratchet_configuration(ratchets())
        .use_ratchet_tree_extension(true)
        // Unlimited: validity must not depend on clocks, and the time of creation is not to be
        // revealed.
        .lifetime(Lifetime::init(0, u64::MAX))
        .capabilities(leaf::capabilities())
        .with_leaf_node_extensions(extensions)
        .map_err(|_| Fault)?
        .with_group_context_extensions(leaf::group_extensions(settings)?)
        .build();
    let id = GroupId::from_slice(address.as_bytes());
    let credential = identity.credential();
    MlsGroup::new_with_group_id(provider, identity, &config, id, credential).map_err(|_| Fault)
}

/// Seals group information of `epoch` for holders of the invite.
pub(super) fn seal_group_info(
    address: &RoomAddress,
    epoch: Epoch,
    door: &DoorKeys,
    info: &MlsMessageOut,
    rng: &mut dyn CryptoRng,
) -> Result<Payload, SessionError> {
    let place = SealContext {
        address: *address,
        epoch,
        kind: SealKind::GroupInfo,
        retention: Retention::Live,
    };
    let info = info.tls_serialize_detached().map_err(|_| Fault)?;
    seal::seal(&door.key, &place, &info, rng).ok_or(SessionError::TooLong { limit: MAX_DOOR })
}

/// Returns the data of an epoch for the relay.
pub(super) fn next_epoch(keys: &EpochKeys, door: &DoorKeys, group_info: Payload) -> NextEpoch {
    NextEpoch { member: keys.member.hash(), door: door.token.hash(), group_info }
}

pub(super) fn store_psk(provider: &Provider, door: &DoorKeys) -> Result<(), Fault> {
    join::psk_id(door, Vec::new()).store(provider, door.psk.expose()).map_err(|_| Fault)
}
