//! Joins of every shape that can be made with the link alone.

use anocm_core::{
    Invite, Payload, Retention,
    wire::{self, Entry, EntryKind, NextEpoch},
};
use openmls::{
    messages::group_info::VerifiableGroupInfo,
    prelude::{
        Capabilities, Extensions, LeafNode, LeafNodeParameters, MlsGroup, MlsGroupJoinConfig,
        MlsMessageBodyIn, MlsMessageIn, OpenMlsProvider, PURE_PLAINTEXT_WIRE_FORMAT_POLICY,
        PreSharedKeyProposal, SenderRatchetConfiguration,
    },
    schedule::PreSharedKeyId,
};
use tls_codec::{Deserialize as _, Serialize as _};

use super::{
    keys::{self, Door, Place},
    liar::{Lies, Provider},
    who::{Who, capabilities, leaf_extensions, random},
};

/// A PSK that a join names: its id, and the secret that is mixed in.
pub type Psk = (Vec<u8>, [u8; 32]);

/// How a join differs from a valid one.
pub struct Shape {
    pub who: Who,
    pub extensions: Extensions<LeafNode>,
    pub capabilities: Capabilities,
    /// `None`: the door's.
    pub psks: Option<Vec<Psk>>,
    pub aad: Vec<u8>,
    pub lies: Lies,
}

impl Shape {
    pub fn of(who: Who) -> Self {
        let extensions = leaf_extensions(who.card("Mallory"));
        Self {
            who,
            extensions,
            capabilities: capabilities(),
            psks: None,
            aad: Vec::new(),
            lies: Lies::default(),
        }
    }
}

/// A join, the group that it begins, and the group information of that group.
pub struct Made {
    pub who: Who,
    pub group: MlsGroup,
    pub provider: Provider,
    pub commit: Vec<u8>,
    pub info: Vec<u8>,
}

/// Makes a join from the door that the relay shows.
pub fn make(invite: &Invite, shown: &wire::Door, shape: Shape) -> Made {
    let door = Door::derive(invite.address(), invite.secret().expose());
    let provider = Provider::default();
    provider.lies(shape.lies);
    let leaf = LeafNodeParameters::builder()
        .with_capabilities(shape.capabilities)
        .with_extensions(shape.extensions)
        .build();
    let mut builder = MlsGroup::external_commit_builder()
        .with_config(config())
        .with_aad(shape.aad)
        .skip_lifetime_validation()
        .build_group(&provider, open(&door, shown), shape.who.credential())
        .unwrap()
        .leaf_node_parameters(leaf);
    for (id, secret) in shape.psks.unwrap_or_else(|| vec![(door.psk_id.to_vec(), door.psk)]) {
        let id = PreSharedKeyId::external(id, random::<32>().to_vec());
        id.store(&provider, &secret).unwrap();
        builder = builder.add_psk_proposal(PreSharedKeyProposal::new(id));
    }
    let (group, bundle) = builder
        .load_psks(provider.storage())
        .unwrap()
        .create_group_info(true)
        .build(provider.rand(), provider.crypto(), &shape.who, |_| true)
        .unwrap()
        .finalize(&provider)
        .unwrap();
    let (commit, _, info) = bundle.into_messages();
    let commit = commit.tls_serialize_detached().unwrap();
    let info = info.unwrap().tls_serialize_detached().unwrap();
    provider.lies(Lies::default());
    Made { who: shape.who, group, provider, commit, info }
}

impl Made {
    /// Returns the join as it is sent to the relay.
    pub fn sealed(&self, invite: &Invite, shown: &wire::Door) -> (Entry, NextEpoch) {
        let door = Door::derive(invite.address(), invite.secret().expose());
        let entry = entry(&door, shown, &self.commit);
        let address = invite.address();
        let member = exported(&self.group, &self.provider, address.as_bytes());
        let next = NextEpoch {
            member: keys::token(member).hash(),
            door: keys::token(door.token).hash(),
            group_info: info(&door, shown, shown.epoch.next().value(), &self.info),
        };
        (entry, next)
    }
}

/// Returns a join entry with `content` sealed in it.
pub fn entry(door: &Door, shown: &wire::Door, content: &[u8]) -> Entry {
    let retention = shown.policy.handshakes;
    let kind = EntryKind::Join;
    let (address, epoch) = (shown.address, shown.epoch);
    let place = Place { address, epoch, kind: keys::number(kind), retention };
    Entry { kind, epoch, retention, sealed: keys::seal(&door.key, random(), &place, content) }
}

/// Returns sealed group information.
pub fn info(door: &Door, shown: &wire::Door, epoch: u64, content: &[u8]) -> Payload {
    let place = Place {
        address: shown.address,
        epoch: anocm_core::Epoch::new(epoch),
        kind: 3,
        retention: Retention::Live,
    };
    keys::seal(&door.key, random(), &place, content)
}

fn open(door: &Door, shown: &wire::Door) -> VerifiableGroupInfo {
    let (address, epoch, retention) = (shown.address, shown.epoch, Retention::Live);
    let place = Place { address, epoch, kind: 3, retention };
    let bytes = keys::open(&door.key, &place, &shown.group_info).unwrap();
    let message = MlsMessageIn::tls_deserialize_exact(bytes).unwrap();
    match message.extract() {
        MlsMessageBodyIn::GroupInfo(info) => info,
        _ => panic!("the door holds no group information"),
    }
}

pub fn exported(group: &MlsGroup, provider: &Provider, address: &[u8]) -> [u8; 32] {
    let token = group.export_secret(provider.crypto(), "anocm/1 member token", address, 32);
    token.unwrap().try_into().unwrap()
}

fn config() -> MlsGroupJoinConfig {
    MlsGroupJoinConfig::builder()
        .wire_format_policy(PURE_PLAINTEXT_WIRE_FORMAT_POLICY)
        .max_past_epochs(0)
        .sender_ratchet_configuration(SenderRatchetConfiguration::new(64, 4_096))
        .use_ratchet_tree_extension(true)
        .build()
}
