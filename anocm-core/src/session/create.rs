//! Creating a session: for the group of a new room, or for one just joined.

use openmls::prelude::{
    GroupId, Lifetime, MlsGroup, MlsGroupCreateConfig, MlsGroupJoinConfig, MlsMessageOut,
    PURE_PLAINTEXT_WIRE_FORMAT_POLICY, SenderRatchetConfiguration,
};
use openmls_traits::OpenMlsProvider;
use rand_core::CryptoRng;
use tls_codec::Serialize as _;

use super::{
    card::Card,
    error::{Fault, SessionError},
    group::{Live, Session},
    identity::Identity,
    join,
    keys::{self, DoorKeys, EpochKeys},
    leaf,
    provider::Provider,
    roster::Roster,
    seal::{self, SealContext, SealKind},
    settings::Settings,
};
use crate::{
    id::{Epoch, RoomAddress},
    name::Nickname,
    retention::{Retention, RoomRetention},
    secret::{Payload, Secret},
    wire::{Genesis, MAX_DOOR, NextEpoch, Policy},
};

impl Session {
    /// Opens a room with its owner as the only member, in epoch 0. Its address follows from the
    /// owner's new key.
    ///
    /// # Errors
    /// `NotAllowed` when `retention` goes beyond `policy`, or `secret` is not that of a first door.
    pub fn create(
        secret: &Secret<32>,
        policy: Policy,
        retention: RoomRetention,
        nickname: &Nickname,
        rng: &mut dyn CryptoRng,
    ) -> Result<(Self, Genesis), SessionError> {
        let identity = Identity::owner(rng)?;
        let card = Card::entering(nickname, identity.whisper_key(), rng);
        let group = first_group(&identity, secret, policy, retention, &card)?;
        let address = RoomAddress::of(&identity.key());
        let session = group.into_session(address, identity, secret.clone());
        let genesis = session.genesis(rng)?;
        Ok((session, genesis))
    }

    /// Opens the room anew under the same address and with the same owner, after the relay has
    /// refused to create it. `secret` must be another than before, since the relay has seen group
    /// information that the one before opens.
    ///
    /// # Errors
    /// `NotAllowed` when `retention` goes beyond `policy`, `secret` is not that of a first door or the
    /// same as before, or this is not a room that its owner has just opened.
    pub fn create_again(
        &mut self,
        secret: &Secret<32>,
        policy: Policy,
        retention: RoomRetention,
        nickname: &Nickname,
        rng: &mut dyn CryptoRng,
    ) -> Result<Genesis, SessionError> {
        let is_new = self.epoch == Epoch::FIRST && self.live.is_some() && self.pending.is_none();
        let is_own = RoomAddress::of(&self.identity.key()) == self.address;
        if !is_new || !is_own || *secret == self.invite {
            return Err(SessionError::NotAllowed);
        }
        let card = Card::entering(nickname, self.identity.whisper_key(), rng);
        let group = first_group(&self.identity, secret, policy, retention, &card)?;
        group.put_into(self, secret.clone());
        self.genesis(rng)
    }

    fn genesis(&self, rng: &mut dyn CryptoRng) -> Result<Genesis, SessionError> {
        let owner = self.owner_token()?.ok_or(Fault)?.hash();
        Ok(Genesis { policy: self.settings.policy, owner, first: self.restored(rng)? })
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
        let keys = EpochKeys::export(&|label, length| {
            group.export_secret(provider.crypto(), label, address.as_bytes(), length).ok()
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

    /// Replaces the group of `session`, whose identity made this one.
    fn put_into(self, session: &mut Session, invite: Secret<32>) {
        session.epoch = Epoch::new(self.live.group.epoch().as_u64());
        session.provider = self.provider;
        session.live = Some(self.live);
        session.invite = invite;
        session.door = self.door;
        session.settings = self.settings;
        session.roster = self.roster;
        session.pending = None;
    }
}

/// Makes the group of a new room, with its owner as the only member.
fn first_group(
    identity: &Identity,
    invite: &Secret<32>,
    policy: Policy,
    retention: RoomRetention,
    card: &Card<'_>,
) -> Result<NewGroup, SessionError> {
    let settings = Settings::first(policy, retention, identity)?;
    if !settings.are_valid() || keys::door_number(invite) != 0 {
        return Err(SessionError::NotAllowed);
    }
    let address = RoomAddress::of(settings.owner());
    let door = DoorKeys::derive(&address, invite)?;
    let provider = Provider::default();
    store_psk(&provider, &door)?;
    let group = create_group(&provider, identity, address, &settings, card)?;
    Ok(NewGroup::read(group, provider, door, &address)?)
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

pub(super) fn create_group(
    provider: &Provider,
    identity: &Identity,
    address: RoomAddress,
    settings: &Settings,
    card: &Card<'_>,
) -> Result<MlsGroup, Fault> {
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
        .with_leaf_node_extensions(leaf::leaf_extensions(card)?)
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
