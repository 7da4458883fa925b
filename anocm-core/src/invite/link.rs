//! Parsing and formatting of invite links.
//!
//! `SCHEME://HOST[:PORT]/[PATH/]#FRAGMENT`, where the fragment is the base64url, without padding,
//! of `version(1) ‖ address(16) ‖ secret(32) ‖ checksum(4)`.

use data_encoding::BASE64URL_NOPAD;
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use super::{Invite, InviteError, RelayUrl, relay_url::split_scheme};
use crate::{id::RoomAddress, secret::Secret};

const VERSION: u8 = 1;
const CHECKSUM: usize = 4;
const BODY: usize = 1 + RoomAddress::LEN + 32;
/// Bytes of the decoded fragment.
const RAW: usize = BODY + CHECKSUM;
/// Characters of the fragment.
const FRAGMENT: usize = (RAW * 4).div_ceil(3);
/// The upper bound of a valid link: scheme, host, port, path and fragment at their longest.
const MAX_LINK: usize = 1_024;

pub(super) fn to_text(invite: &Invite, scheme: &str) -> Zeroizing<String> {
    let relay = &invite.relay;
    let place = format!("{scheme}://{}{}#", relay.authority(), relay.path());
    // Allocated at full size, so that the string never moves and leaves no copy behind.
    let mut text = Zeroizing::new(String::with_capacity(place.len() + FRAGMENT));
    text.push_str(&place);
    BASE64URL_NOPAD.encode_append(&*body(invite), &mut text);
    text
}

pub(super) fn parse(link: &str) -> Result<Invite, InviteError> {
    let link = strip_wrapping(link);
    if link.len() > MAX_LINK {
        return Err(InviteError::TooLong);
    }
    let (scheme, rest) = split_scheme(link)?;
    let secure = match scheme.as_str() {
        "https" | "anocm" => true,
        "http" | "anocm+http" => false,
        _ => return Err(InviteError::Malformed),
    };
    let (place, fragment) = rest.split_once('#').unwrap_or((rest, ""));
    let relay = RelayUrl::from_parts(secure, place)?;
    open(relay, fragment)
}

/// Strips the spaces and angle brackets that often surround a link.
fn strip_wrapping(link: &str) -> &str {
    let link = link.trim();
    link.strip_prefix('<').and_then(|rest| rest.strip_suffix('>')).map_or(link, str::trim)
}

fn open(relay: RelayUrl, fragment: &str) -> Result<Invite, InviteError> {
    if fragment.is_empty() {
        return Err(InviteError::NoSecret);
    }
    check_alphabet(fragment)?;
    check_version(fragment)?;
    match fragment.len() {
        short if short < FRAGMENT => return Err(InviteError::Incomplete),
        FRAGMENT => {}
        _ => return Err(InviteError::Damaged),
    }
    let mut raw = Zeroizing::new([0; RAW]);
    // Strict: unused bits of the last character that are not zero are an error.
    BASE64URL_NOPAD.decode_mut(fragment.as_bytes(), &mut *raw).map_err(|_| InviteError::Damaged)?;
    let invite = from_raw(relay, &raw).ok_or(InviteError::Damaged)?;
    if *body(&invite) == *raw { Ok(invite) } else { Err(InviteError::Damaged) }
}

fn check_alphabet(fragment: &str) -> Result<(), InviteError> {
    let known = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
    if fragment.bytes().all(known) { Ok(()) } else { Err(InviteError::Damaged) }
}

/// Checks the version, which is the first byte. Other versions may have other lengths.
fn check_version(fragment: &str) -> Result<(), InviteError> {
    let mut first = Zeroizing::new([0; 3]);
    let head = fragment.get(..4).ok_or(InviteError::Incomplete)?;
    BASE64URL_NOPAD.decode_mut(head.as_bytes(), &mut *first).map_err(|_| InviteError::Damaged)?;
    if first.first() == Some(&VERSION) { Ok(()) } else { Err(InviteError::UnsupportedVersion) }
}

fn from_raw(relay: RelayUrl, raw: &[u8; RAW]) -> Option<Invite> {
    let (_, rest) = raw.split_first()?;
    let (address, rest) = rest.split_first_chunk()?;
    let secret = Secret::fill(|buffer| {
        buffer.copy_from_slice(rest.first_chunk::<32>().ok_or(())?);
        Ok::<(), ()>(())
    });
    Some(Invite::new(relay, RoomAddress::new(*address), secret.ok()?))
}

/// Returns the fragment's bytes, checksum included.
fn body(invite: &Invite) -> Zeroizing<[u8; RAW]> {
    let checksum = Sha256::new()
        .chain_update(b"anocm/1 invite")
        .chain_update(invite.relay.to_string())
        .chain_update([VERSION])
        .chain_update(invite.address.as_bytes())
        .chain_update(invite.secret.expose())
        .finalize();
    let mut raw = Zeroizing::new([0; RAW]);
    let bytes = [VERSION]
        .iter()
        .chain(invite.address.as_bytes())
        .chain(invite.secret.expose())
        .chain(checksum.iter().take(CHECKSUM));
    raw.iter_mut().zip(bytes).for_each(|(to, from)| *to = *from);
    raw
}

#[cfg(test)]
mod tests;
