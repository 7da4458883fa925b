//! Parsing and formatting of invite links.
//!
//! `SCHEME://HOST[:PORT]/[PATH/]#FRAGMENT`, where the fragment is the base64url, without padding,
//! of `version(1) ‖ kind(1) ‖ address(16) ‖ secret(32) ‖ checksum(4)`.

use data_encoding::BASE64URL_NOPAD;
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use super::{Invite, InviteError, RelayUrl, relay_url::split_scheme};
use crate::{id::RoomAddress, secret::Secret};

const VERSION: u8 = 1;
/// The kind of a link that opens the door. Other kinds need a newer version.
const OPEN: u8 = 0;
const CHECKSUM: usize = 4;
const BODY: usize = 2 + RoomAddress::LEN + 32;
/// Bytes of the decoded fragment.
const RAW: usize = BODY + CHECKSUM;
/// Characters of the fragment.
const FRAGMENT: usize = (RAW * 4).div_ceil(3);
/// Bytes and characters of a fragment of the earlier form, which had no kind.
const EARLIER_RAW: usize = RAW - 1;
const EARLIER: usize = (EARLIER_RAW * 4).div_ceil(3);
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
        FRAGMENT => {}
        EARLIER if decode_checked::<EARLIER_RAW>(&relay, fragment).is_some() => {
            return Err(InviteError::EarlierForm);
        }
        short if short < FRAGMENT => return Err(InviteError::Incomplete),
        _ => return Err(InviteError::Damaged),
    }
    let raw = decode_checked::<RAW>(&relay, fragment).ok_or(InviteError::Damaged)?;
    let [_, kind, rest @ ..] = &*raw;
    if *kind != OPEN {
        return Err(InviteError::UnsupportedVersion);
    }
    from_raw(relay, rest).ok_or(InviteError::Damaged)
}

/// Decodes a fragment of `N` bytes. `None` unless the last of them are the checksum of the others.
fn decode_checked<const N: usize>(relay: &RelayUrl, fragment: &str) -> Option<Zeroizing<[u8; N]>> {
    let mut raw = Zeroizing::new([0; N]);
    // Strict, where the last character has unused bits.
    BASE64URL_NOPAD.decode_mut(fragment.as_bytes(), &mut *raw).ok()?;
    let (body, sum) = raw.split_last_chunk()?;
    (checksum(relay, body) == *sum).then_some(raw)
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

fn from_raw(relay: RelayUrl, raw: &[u8]) -> Option<Invite> {
    let (address, rest) = raw.split_first_chunk()?;
    let secret = Secret::fill(|buffer| {
        buffer.copy_from_slice(rest.first_chunk::<32>().ok_or(())?);
        Ok::<(), ()>(())
    });
    Some(Invite::new(relay, RoomAddress::new(*address), secret.ok()?))
}

/// Returns the fragment's bytes, checksum included.
fn body(invite: &Invite) -> Zeroizing<[u8; RAW]> {
    let mut raw = Zeroizing::new([0; RAW]);
    let parts = [VERSION, OPEN];
    let parts = parts.iter().chain(invite.address.as_bytes()).chain(invite.secret.expose());
    raw.iter_mut().zip(parts).for_each(|(to, from)| *to = *from);
    if let Some((body, sum)) = raw.split_last_chunk_mut() {
        *sum = checksum(&invite.relay, body);
    }
    raw
}

/// Covers everything before it, the relay included.
fn checksum(relay: &RelayUrl, body: &[u8]) -> [u8; CHECKSUM] {
    let hash = Sha256::new()
        .chain_update(b"anocm/1 invite")
        .chain_update(relay.to_string())
        .chain_update(body)
        .finalize();
    let mut checksum = [0; CHECKSUM];
    checksum.iter_mut().zip(hash).for_each(|(to, from)| *to = from);
    checksum
}

#[cfg(test)]
mod tests;
