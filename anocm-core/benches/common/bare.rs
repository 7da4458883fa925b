//! The same room with OpenMLS alone: same suite, configuration and cryptography, the same group
//! operations in the same order. It lacks what this library adds: the seal, the rules, the roster,
//! the keys of door and epoch, and storage that wipes.

use ed25519_dalek::{Signer as _, SigningKey};
use openmls::{
    group::GroupContext,
    messages::proposals::PreSharedKeyProposal,
    prelude::{
        BasicCredential, Capabilities, Ciphersuite, CredentialType, CredentialWithKey, Extension,
        ExtensionType, Extensions, GroupId, LeafNode, LeafNodeIndex, LeafNodeParameters, Lifetime,
        MlsGroup, MlsGroupCreateConfig, MlsGroupJoinConfig, MlsMessageBodyIn, MlsMessageIn,
        MlsMessageOut, PURE_PLAINTEXT_WIRE_FORMAT_POLICY, ProcessedMessageContent, ProtocolVersion,
        RequiredCapabilitiesExtension, SenderRatchetConfiguration, UnknownExtension,
    },
    schedule::PreSharedKeyId,
};
use openmls_traits::{
    OpenMlsProvider,
    random::OpenMlsRand,
    signatures::{Signer, SignerError},
    types::SignatureScheme,
};
use tls_codec::{Deserialize as _, Serialize as _};

use super::{Room, storage::Provider};

const SUITE: Ciphersuite = Ciphersuite::MLS_128_DHKEMX25519_CHACHA20POLY1305_SHA256_Ed25519;
const LEAF: u16 = 0xf0a1;
const SETTINGS: u16 = 0xf0a2;
const PSK: [u8; 32] = [7; 32];

/// Alice's group, and the values that the next newcomer needs.
pub struct Bare {
    alice: Member,
    group_info: Vec<u8>,
}

/// A member's group and keys.
pub struct Member {
    group: MlsGroup,
    provider: Provider,
    key: Key,
}

/// A commit, and the group information of the epoch that it begins.
pub struct Commit {
    commit: Vec<u8>,
    group_info: Vec<u8>,
}

struct Key(SigningKey);

impl Room for Bare {
    const NAME: &'static str = "library";
    type Member = Member;
    type Commit = Commit;
    type Said = Vec<u8>;

    fn open() -> Self {
        let (provider, key) = (provider(), Key(SigningKey::from_bytes(&[1; 32])));
        let config = MlsGroupCreateConfig::builder()
            .ciphersuite(SUITE)
            .wire_format_policy(PURE_PLAINTEXT_WIRE_FORMAT_POLICY)
            .max_past_epochs(0)
            .sender_ratchet_configuration(ratchets())
            .use_ratchet_tree_extension(true)
            .lifetime(Lifetime::init(0, u64::MAX))
            .capabilities(capabilities())
            .with_leaf_node_extensions(leaf_extensions())
            .unwrap()
            .with_group_context_extensions(group_extensions())
            .build();
        let (id, credential) = (GroupId::from_slice(&[5; 16]), key.credential(&provider));
        let group = MlsGroup::new_with_group_id(&provider, &key, &config, id, credential).unwrap();
        let info = group.export_group_info(provider.crypto(), &key, true).unwrap();
        Self { alice: Member { group, provider, key }, group_info: bytes(&info) }
    }

    fn join(&mut self) -> (Member, Commit) {
        let provider = provider();
        let key = Key(SigningKey::from_bytes(&provider.rand().random_array().unwrap()));
        let MlsMessageBodyIn::GroupInfo(info) = message(&self.group_info) else {
            panic!("group information was expected");
        };
        let config = MlsGroupJoinConfig::builder()
            .wire_format_policy(PURE_PLAINTEXT_WIRE_FORMAT_POLICY)
            .max_past_epochs(0)
            .sender_ratchet_configuration(ratchets())
            .use_ratchet_tree_extension(true)
            .build();
        let leaf = LeafNodeParameters::builder()
            .with_capabilities(capabilities())
            .with_extensions(leaf_extensions())
            .build();
        let nonce = provider.rand().random_vec(32).unwrap();
        let (group, bundle) = MlsGroup::external_commit_builder()
            .with_config(config)
            .skip_lifetime_validation()
            .build_group(&provider, info, key.credential(&provider))
            .unwrap()
            .leaf_node_parameters(leaf)
            .add_psk_proposal(PreSharedKeyProposal::new(psk_id(nonce)))
            .load_psks(provider.storage())
            .unwrap()
            .create_group_info(true)
            .build(provider.rand(), provider.crypto(), &key, |_| true)
            .unwrap()
            .finalize(&provider)
            .unwrap();
        let (commit, _, info) = bundle.into_messages();
        let commit = Commit { commit: bytes(&commit), group_info: bytes(&info.unwrap()) };
        (Member { group, provider, key }, commit)
    }

    fn admit(&mut self, join: &Commit) {
        Self::follow(&mut self.alice, join);
    }

    fn replace_door(&mut self, commit: Commit) {
        self.group_info = commit.group_info;
    }

    fn remove(&mut self, member: &Member) -> Commit {
        let removed: LeafNodeIndex = member.group.own_leaf_index();
        let Member { group, provider, key } = &mut self.alice;
        let bundle = group
            .commit_builder()
            .consume_proposal_store(false)
            .force_self_update(true)
            .propose_removals([removed])
            .load_psks(provider.storage())
            .unwrap()
            .create_group_info(true)
            .build(provider.rand(), provider.crypto(), key, |_| true)
            .unwrap()
            .stage_commit(provider)
            .unwrap();
        let (commit, _, info) = bundle.into_messages();
        let commit = Commit { commit: bytes(&commit), group_info: bytes(&info.unwrap()) };
        group.merge_pending_commit(provider).unwrap();
        commit
    }

    fn say(&mut self, text: &str) -> Vec<u8> {
        let Member { group, provider, key } = &mut self.alice;
        bytes(&group.create_message(provider, key, text.as_bytes()).unwrap())
    }

    fn follow(member: &mut Member, commit: &Commit) {
        let MlsMessageBodyIn::PublicMessage(commit) = message(&commit.commit) else {
            panic!("a commit was expected");
        };
        let processed = member.group.process_message(&member.provider, commit).unwrap();
        let ProcessedMessageContent::StagedCommitMessage(staged) = processed.into_content() else {
            panic!("a commit was expected");
        };
        member.group.merge_staged_commit(&member.provider, *staged).unwrap();
    }

    fn hear(member: &mut Member, said: &Vec<u8>) {
        let MlsMessageBodyIn::PrivateMessage(said) = message(said) else {
            panic!("a message was expected");
        };
        let processed = member.group.process_message(&member.provider, said).unwrap();
        let ProcessedMessageContent::ApplicationMessage(said) = processed.into_content() else {
            panic!("a message was expected");
        };
        assert!(!said.into_bytes().is_empty());
    }
}

impl Key {
    fn credential(&self, provider: &Provider) -> CredentialWithKey {
        let id = provider.rand().random_vec(16).unwrap();
        CredentialWithKey {
            credential: BasicCredential::new(id).into(),
            signature_key: self.0.verifying_key().to_bytes().to_vec().into(),
        }
    }
}

impl Signer for Key {
    fn sign(&self, payload: &[u8]) -> Result<Vec<u8>, SignerError> {
        Ok(self.0.sign(payload).to_bytes().to_vec())
    }

    fn signature_scheme(&self) -> SignatureScheme {
        SignatureScheme::ED25519
    }
}

/// A provider for one member, which has the PSK.
fn provider() -> Provider {
    let provider = Provider::default();
    psk_id(Vec::new()).store(&provider, &PSK).unwrap();
    provider
}

fn psk_id(nonce: Vec<u8>) -> PreSharedKeyId {
    PreSharedKeyId::external(vec![9; 16], nonce)
}

fn ratchets() -> SenderRatchetConfiguration {
    SenderRatchetConfiguration::new(64, 4_096)
}

fn capabilities() -> Capabilities {
    Capabilities::new(
        Some(&[ProtocolVersion::Mls10]),
        Some(&[SUITE]),
        Some(&[ExtensionType::Unknown(LEAF), ExtensionType::Unknown(SETTINGS)]),
        Some(&[]),
        Some(&[CredentialType::Basic]),
    )
}

/// As large as the card of a leaf.
fn leaf_extensions() -> Extensions<LeafNode> {
    Extensions::single(Extension::Unknown(LEAF, UnknownExtension(vec![1; 60]))).unwrap()
}

/// As large as the settings of a room.
fn group_extensions() -> Extensions<GroupContext> {
    let required = RequiredCapabilitiesExtension::new(
        &[ExtensionType::Unknown(LEAF), ExtensionType::Unknown(SETTINGS)],
        &[],
        &[CredentialType::Basic],
    );
    Extensions::from_vec(vec![
        Extension::RequiredCapabilities(required),
        Extension::Unknown(SETTINGS, UnknownExtension(vec![1; 135])),
    ])
    .unwrap()
}

fn bytes(message: &MlsMessageOut) -> Vec<u8> {
    message.tls_serialize_detached().unwrap()
}

fn message(bytes: &[u8]) -> MlsMessageBodyIn {
    MlsMessageIn::tls_deserialize_exact(bytes).unwrap().extract()
}
