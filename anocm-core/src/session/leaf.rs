//! The protocol's own data in a member's leaf and in the group context.

use openmls::{
    group::GroupContext,
    prelude::{
        BasicCredential, Capabilities, Ciphersuite, CredentialType, Extension, ExtensionType,
        Extensions, LeafNode, ProtocolVersion, RequiredCapabilitiesExtension, UnknownExtension,
    },
};

use super::{
    MemberKey,
    card::{Admission, Card, MAX_CARD, Stay},
    encryption,
    error::Fault,
    more::More,
    settings::{MAX_SETTINGS, Settings},
};
use crate::{id::MemberId, name::Nickname, wire};

/// The group's ciphersuite: X25519, ChaCha20-Poly1305, SHA-256, Ed25519 (0x0003).
pub(super) const SUITE: Ciphersuite =
    Ciphersuite::MLS_128_DHKEMX25519_CHACHA20POLY1305_SHA256_Ed25519;

/// Extension types, from the range for private use (RFC 9420, section 17.3).
pub(super) const LEAF: u16 = 0xf0a1;
const SETTINGS: u16 = 0xf0a2;

/// A member's decoded leaf, the same for every member.
pub(super) struct Leaf {
    pub(super) id: MemberId,
    pub(super) key: MemberKey,
    pub(super) nickname: Nickname,
    pub(super) whisper: [u8; 32],
    pub(super) stay: Stay,
    pub(super) admission: Admission,
    pub(super) more: More,
}

/// The capabilities of every leaf. A leaf must have exactly these, so that no member can block a
/// change of the settings by claiming less.
pub(super) fn capabilities() -> Capabilities {
    Capabilities::new(
        Some(&[ProtocolVersion::Mls10]),
        Some(&[SUITE]),
        Some(&[ExtensionType::Unknown(LEAF), ExtensionType::Unknown(SETTINGS)]),
        Some(&[]),
        Some(&[CredentialType::Basic]),
    )
}

/// The extensions of a leaf.
pub(super) fn leaf_extensions(card: &Card<'_>) -> Result<Extensions<LeafNode>, Fault> {
    let card = wire::encode(card).to_vec();
    Extensions::single(Extension::Unknown(LEAF, UnknownExtension(card))).map_err(|_| Fault)
}

/// Reads a leaf. `None` unless it has exactly this protocol's form, and both of its public keys can
/// be encrypted to.
pub(super) fn read_leaf(leaf: &LeafNode) -> Option<Leaf> {
    let credential = BasicCredential::try_from(leaf.credential().clone()).ok()?;
    let id = MemberId::new(credential.identity().try_into().ok()?);
    let key = MemberKey::new(leaf.signature_key().as_slice().try_into().ok()?);
    let Card { nickname, whisper, stay, admission, more } = read_card(leaf.extensions())?;
    let valid = *leaf.capabilities() == capabilities()
        && encryption::is_usable(&whisper)
        && encryption::leaf_is_usable(leaf);
    let nickname = Nickname::received(nickname);
    valid.then_some(Leaf { id, key, nickname, whisper, stay, admission, more })
}

/// Reads the card. `None` unless it is the only extension, of valid lengths, and canonically
/// encoded.
pub(super) fn read_card(extensions: &Extensions<LeafNode>) -> Option<Card<'_>> {
    let UnknownExtension(bytes) = extensions.unknown(LEAF)?;
    let card: Card<'_> = wire::decode(bytes, MAX_CARD).ok()?;
    let valid = card.is_valid() && *extensions == leaf_extensions(&card).ok()?;
    valid.then_some(card)
}

/// The extensions of the group context.
pub(super) fn group_extensions(settings: &Settings) -> Result<Extensions<GroupContext>, Fault> {
    settings_extensions(wire::encode(settings).to_vec())
}

/// The extensions of a group context that carries `settings`.
pub(super) fn settings_extensions(settings: Vec<u8>) -> Result<Extensions<GroupContext>, Fault> {
    let required = RequiredCapabilitiesExtension::new(
        &[ExtensionType::Unknown(LEAF), ExtensionType::Unknown(SETTINGS)],
        &[],
        &[CredentialType::Basic],
    );
    Extensions::from_vec(vec![
        Extension::RequiredCapabilities(required),
        Extension::Unknown(SETTINGS, UnknownExtension(settings)),
    ])
    .map_err(|_| Fault)
}

/// Reads the settings. `None` unless the group context has exactly the expected extensions, and the
/// settings are valid.
pub(super) fn read_settings(extensions: &Extensions<GroupContext>) -> Option<Settings> {
    let UnknownExtension(bytes) = extensions.unknown(SETTINGS)?;
    let settings: Settings = wire::decode(bytes, MAX_SETTINGS).ok()?;
    (settings.are_valid() && *extensions == group_extensions(&settings).ok()?).then_some(settings)
}
