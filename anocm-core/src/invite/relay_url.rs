//! The URL of a relay.

use std::{fmt, str::FromStr};

use super::{InviteError, host::Host};

/// The longest path in bytes, both slashes included. Keeps every link within a QR code.
const MAX_PATH: usize = 256;

/// The URL of a relay: scheme, host, port and path, in the one canonical spelling.
///
/// Canonical form: lower-case ASCII host, no default port, and a path that begins and ends with a
/// slash and contains letters, digits and `-._~` only. Nothing else follows. Plain `http` is
/// allowed only for this machine (`localhost`, `127.0.0.0/8`, `[::1]`) and for onion services,
/// which authenticate by their address and encrypt themselves.
///
/// `Debug` is redacted, since an invite points to people; `Display` is the URL.
///
/// # Examples
/// ```
/// use anocm_core::{InviteError, RelayUrl};
///
/// let relay = RelayUrl::parse("wss://Relay.Example:443/chat")?;
/// assert_eq!(relay.to_string(), "https://relay.example/chat/");
/// assert_eq!(relay.web_socket(), "wss://relay.example/chat/ws");
/// assert_eq!(RelayUrl::parse("http://relay.example/"), Err(InviteError::PlainHttp));
/// # Ok::<(), InviteError>(())
/// ```
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct RelayUrl {
    secure: bool,
    host: Host,
    // As written in the URL.
    host_text: String,
    port: u16,
    path: String,
}

impl RelayUrl {
    /// Parses the URL of a relay: `https://…` or `http://…`, or the same as `wss://…` or `ws://…`.
    ///
    /// # Errors
    /// [`InviteError`] when it is not valid, or plain `http` to a host other than loopback and
    /// `.onion`.
    pub fn parse(url: &str) -> Result<Self, InviteError> {
        let (scheme, rest) = split_scheme(url.trim())?;
        let secure = match scheme.as_str() {
            "https" | "wss" => true,
            "http" | "ws" => false,
            _ => return Err(InviteError::Malformed),
        };
        if rest.contains('#') {
            return Err(InviteError::Fragment);
        }
        Self::from_parts(secure, rest)
    }

    /// `http://localhost/`.
    pub(crate) fn localhost() -> Self {
        let host_text = "localhost".to_owned();
        let host = Host::Name(host_text.clone());
        Self { secure: false, host, host_text, port: default_port(false), path: "/".to_owned() }
    }

    /// Parses the part after `://`: host, port and path.
    pub(super) fn from_parts(secure: bool, rest: &str) -> Result<Self, InviteError> {
        let (authority, path) = match rest.find('/') {
            Some(at) => rest.split_at(at),
            None => (rest, "/"),
        };
        if rest.contains('?') {
            return Err(InviteError::Query);
        }
        if authority.contains('@') {
            return Err(InviteError::UserInfo);
        }
        let (host, port) = split_port(authority);
        let host = Host::parse(host)?;
        let port = match port {
            Some(port) => parse_port(port)?,
            None => default_port(secure),
        };
        if !secure && !host.is_loopback() && !host.is_onion() {
            return Err(InviteError::PlainHttp);
        }
        let host_text = match &host {
            Host::Name(name) => name.clone(),
            Host::V4(address) => address.to_string(),
            Host::V6(address) => format!("[{address}]"),
        };
        Ok(Self { secure, host, host_text, port, path: canonical_path(path)? })
    }

    /// Returns whether the scheme is `https`.
    #[must_use]
    pub const fn scheme_is_secure(&self) -> bool {
        self.secure
    }

    /// The host: a lower-case name or an address, an IPv6 address in brackets.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host_text
    }

    /// The port, whether it is the default or not.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// The path: begins and ends with a slash.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Host and port as written in the URL and in a `Host` header: a default port is left out.
    #[must_use]
    pub fn authority(&self) -> String {
        if self.port == default_port(self.secure) {
            self.host_text.clone()
        } else {
            format!("{}:{}", self.host_text, self.port)
        }
    }

    /// The URL of the relay's WebSocket: the same host and port, the path followed by `ws`.
    #[must_use]
    pub fn web_socket(&self) -> String {
        let scheme = if self.secure { "wss" } else { "ws" };
        format!("{scheme}://{}{}ws", self.authority(), self.path)
    }

    /// Returns whether the relay is an onion service, to be reached through Tor only (RFC 7686):
    /// its name must not be passed to any other resolver.
    #[must_use]
    pub fn is_onion(&self) -> bool {
        self.host.is_onion()
    }

    /// Returns whether the relay is on this machine.
    #[must_use]
    pub fn is_loopback(&self) -> bool {
        self.host.is_loopback()
    }

    pub(super) const fn scheme(&self) -> &'static str {
        if self.secure { "https" } else { "http" }
    }

    pub(super) const fn anocm_scheme(&self) -> &'static str {
        if self.secure { "anocm" } else { "anocm+http" }
    }
}

impl FromStr for RelayUrl {
    type Err = InviteError;

    /// Like [`RelayUrl::parse`].
    fn from_str(url: &str) -> Result<Self, InviteError> {
        Self::parse(url)
    }
}

impl fmt::Display for RelayUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}{}", self.scheme(), self.authority(), self.path)
    }
}

impl fmt::Debug for RelayUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RelayUrl(..)")
    }
}

/// Splits a URL into the lower-case scheme and the part after `://`.
pub(super) fn split_scheme(url: &str) -> Result<(String, &str), InviteError> {
    let (scheme, rest) = url.split_once("://").ok_or(InviteError::Malformed)?;
    let is_scheme = scheme.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'+');
    if is_scheme { Ok((scheme.to_ascii_lowercase(), rest)) } else { Err(InviteError::Malformed) }
}

/// Splits at the colon before the port; colons inside brackets do not count.
fn split_port(authority: &str) -> (&str, Option<&str>) {
    match authority.rsplit_once(':') {
        Some((host, port)) if !port.contains(']') => (host, Some(port)),
        _ => (authority, None),
    }
}

fn parse_port(port: &str) -> Result<u16, InviteError> {
    let digits = port.bytes().all(|b| b.is_ascii_digit()) && !port.starts_with('0');
    if digits { port.parse().map_err(|_| InviteError::BadPort) } else { Err(InviteError::BadPort) }
}

const fn default_port(secure: bool) -> u16 {
    if secure { 443 } else { 80 }
}

fn canonical_path(path: &str) -> Result<String, InviteError> {
    let inner = path.strip_prefix('/').ok_or(InviteError::BadPath)?;
    let inner = inner.strip_suffix('/').unwrap_or(inner);
    // "/" alone is the root; "//" has an empty segment.
    if inner.is_empty() && path.len() <= 1 {
        return Ok("/".to_owned());
    }
    let canonical = format!("/{inner}/");
    if canonical.len() <= MAX_PATH && inner.split('/').all(is_segment) {
        Ok(canonical)
    } else {
        Err(InviteError::BadPath)
    }
}

fn is_segment(segment: &str) -> bool {
    !matches!(segment, "" | "." | "..")
        && segment.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._~".contains(&b))
}

#[cfg(test)]
mod tests;
