//! Keys and tokens derived from the invite secret, from the owner secret and from each epoch.

use std::convert::Infallible;

use hkdf::Hkdf;
use rand_core::CryptoRng;
use sha2::Sha256;
use zeroize::Zeroizing;

use super::{error::Fault, safety::SafetyCode};
use crate::{
    id::RoomAddress,
    secret::{Secret, Token},
    secret_tap,
};

const DOOR_KEY: &[u8] = b"anocm/1 door key";
const DOOR_TOKEN: &[u8] = b"anocm/1 door token";
const DOOR_PSK: &[u8] = b"anocm/1 door psk";
const DOOR_PSK_ID: &[u8] = b"anocm/1 door psk id";
const OWNER_TOKEN: &[u8] = b"anocm/1 owner token";

const ENVELOPE_KEY: &str = "anocm/1 envelope key";
const MEMBER_TOKEN: &str = "anocm/1 member token";
const SAFETY_CODE: &str = "anocm/1 safety code";
const INVITE_SECRET: &str = "anocm/1 invite secret";

/// Derives with HKDF-SHA256 (RFC 5869), with the room's address as salt.
pub(super) fn derive<const N: usize>(
    address: &RoomAddress,
    secret: &[u8],
    info: &[u8],
) -> Result<Secret<N>, Fault> {
    let hkdf = Hkdf::<Sha256>::new(Some(address.as_bytes()), secret);
    let derived = Secret::fill(|out| hkdf.expand(info, out)).map_err(|_| Fault)?;
    secret_tap::report("secret to derive from", secret);
    secret_tap::report("derived key", derived.expose());
    Ok(derived)
}

/// Derives the token that authorises closing the room and voiding commits.
pub(super) fn owner_token(address: &RoomAddress, secret: &Secret<32>) -> Result<Token, Fault> {
    Ok(Token::new(derive(address, secret.expose(), OWNER_TOKEN)?))
}

/// Derives the token that authorises reading the door that `invite` opens. `None` only if the hash
/// function fails, which it never does for these lengths.
#[must_use]
pub fn door_token(address: &RoomAddress, invite: &Secret<32>) -> Option<Token> {
    DoorKeys::derive(address, invite).ok().map(|keys| keys.token)
}

/// The keys derived from an invite secret.
pub(super) struct DoorKeys {
    /// Seals group information and joins.
    pub(super) key: Secret<32>,
    /// Presented to the relay to read the door and to join.
    pub(super) token: Token,
    /// The PSK that every join includes.
    pub(super) psk: Secret<32>,
    /// The id of that PSK in a join. Visible only to members and holders of the invite.
    pub(super) psk_id: Secret<16>,
}

impl DoorKeys {
    pub(super) fn derive(address: &RoomAddress, invite: &Secret<32>) -> Result<Self, Fault> {
        let invite = invite.expose();
        Ok(Self {
            key: derive(address, invite, DOOR_KEY)?,
            token: Token::new(derive(address, invite, DOOR_TOKEN)?),
            psk: derive(address, invite, DOOR_PSK)?,
            psk_id: derive(address, invite, DOOR_PSK_ID)?,
        })
    }
}

/// The keys that the members of an epoch share.
pub(super) struct EpochKeys {
    /// Seals the epoch's messages and commits.
    pub(super) envelope: Secret<32>,
    /// Presented to the relay by members of the epoch.
    pub(super) member: Token,
    /// The code that members compare.
    pub(super) safety: SafetyCode,
}

impl EpochKeys {
    /// Derives them with the MLS exporter of the epoch (RFC 9420, section 8.5).
    pub(super) fn export(export: &Exporter<'_>) -> Result<Self, Fault> {
        Ok(Self {
            envelope: exported(export, ENVELOPE_KEY)?,
            member: Token::new(exported(export, MEMBER_TOKEN)?),
            safety: SafetyCode::new(exported::<32>(export, SAFETY_CODE)?.expose()),
        })
    }
}

/// The MLS exporter of an epoch, with the context fixed: returns so many bytes for a label.
pub(super) type Exporter<'a> = dyn Fn(&str, usize) -> Option<Vec<u8>> + 'a;

/// The secret bytes of an invite secret; the others are the number of the door.
const INVITE_BYTES: usize = 28;

/// Draws the invite secret of a room's first door, which has the number 0.
pub(crate) fn first_invite(rng: &mut dyn CryptoRng) -> Secret<32> {
    let mut secret = Zeroizing::new([0; INVITE_BYTES]);
    rng.fill_bytes(secret.as_mut());
    numbered(&secret, 0)
}

/// Derives the invite secret of an epoch that begins with the door of that number. A member removed
/// by the commit that begins the epoch cannot derive it.
pub(super) fn exported_invite(export: &Exporter<'_>, number: u32) -> Result<Secret<32>, Fault> {
    let secret = exported::<INVITE_BYTES>(export, INVITE_SECRET)?;
    Ok(numbered(secret.expose(), number))
}

/// Returns the number of the door that an invite secret opens: 0 for the first, one more for each
/// that replaces it.
pub(super) fn door_number(invite: &Secret<32>) -> u32 {
    let [.., a, b, c, d] = *invite.expose();
    u32::from_be_bytes([a, b, c, d])
}

fn numbered(secret: &[u8; INVITE_BYTES], number: u32) -> Secret<32> {
    let Ok(invite) = Secret::fill(|out| {
        let bytes = secret.iter().copied().chain(number.to_be_bytes());
        out.iter_mut().zip(bytes).for_each(|(to, from)| *to = from);
        Ok::<_, Infallible>(())
    });
    invite
}

fn exported<const N: usize>(export: &Exporter<'_>, label: &str) -> Result<Secret<N>, Fault> {
    let bytes = Zeroizing::new(export(label, N).ok_or(Fault)?);
    secret_tap::report("exported key", &bytes);
    Secret::fill(|out| {
        let bytes: &[u8; N] = bytes.as_slice().try_into().map_err(|_| Fault)?;
        out.copy_from_slice(bytes);
        Ok(())
    })
}
