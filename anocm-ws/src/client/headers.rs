//! Headers that the caller adds to the upgrade request.

use std::fmt;

use zeroize::Zeroizing;

/// The maximum length of all headers together in bytes: half of what the listener of a relay reads
/// of a request.
const MAX_BYTES: usize = 8 * 1_024;
/// The most headers: common servers refuse a request with more than a hundred.
const MAX_HEADERS: usize = 64;

/// Headers that the handshake itself sends, and those that would change how the request or the
/// connection is read.
const RESERVED: [&str; 11] = [
    "connection",
    "content-length",
    "expect",
    "host",
    "http2-settings",
    "keep-alive",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];
/// The handshake's own headers, those that it could negotiate included.
const RESERVED_PREFIX: &str = "sec-websocket-";

/// Headers to send with the upgrade request, such as `Authorization`.
///
/// They are sent inside TLS, to this machine, or to an onion service: see [`WsError::InClear`]. The
/// values are wiped when this is dropped, and never logged. The relay sees them, so that a value
/// that guests do not share tells one from another.
///
/// [`WsError::InClear`]: super::WsError::InClear
///
/// # Examples
/// ```
/// use anocm_ws::client::WsOptions;
///
/// let mut options = WsOptions::default();
/// options.headers.insert("Authorization", "Bearer example")?;
/// # Ok::<(), anocm_ws::client::HeaderError>(())
/// ```
#[derive(Clone, Default)]
pub struct UpgradeHeaders(Vec<(String, Zeroizing<String>)>);

/// Why a header cannot be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum HeaderError {
    /// The name is not a token (RFC 9110, section 5.6.2).
    #[error("the name of the header is not valid")]
    Name,
    /// The value has characters other than printable ASCII, spaces and tabs.
    #[error("the value of the header is not valid")]
    Value,
    /// The header belongs to the handshake.
    #[error("the header belongs to the handshake")]
    Reserved,
    /// All headers together are longer than 8 KiB, or more than 64.
    #[error("the headers are too long")]
    TooLong,
}

impl UpgradeHeaders {
    /// Adds a header. Replaces the value of an earlier one of the same name, whose case does not
    /// matter. The caller's own copy of the value is the caller's to wipe.
    ///
    /// # Errors
    /// [`HeaderError`] when the header cannot be sent.
    pub fn insert(&mut self, name: &str, value: &str) -> Result<(), HeaderError> {
        if name.is_empty() || !name.bytes().all(is_token) {
            return Err(HeaderError::Name);
        }
        let lower = name.to_ascii_lowercase();
        if RESERVED.contains(&lower.as_str()) || lower.starts_with(RESERVED_PREFIX) {
            return Err(HeaderError::Reserved);
        }
        if !value.bytes().all(|byte| byte == b'\t' || (b' '..=b'~').contains(&byte)) {
            return Err(HeaderError::Value);
        }
        let others = self.0.iter().filter(|(other, _)| !other.eq_ignore_ascii_case(name));
        let others = others.map(line_length).fold(0, usize::saturating_add);
        let header = (name.to_owned(), Zeroizing::new(value.to_owned()));
        if others.saturating_add(line_length(&header)) > MAX_BYTES {
            return Err(HeaderError::TooLong);
        }
        let is_new = !self.0.iter().any(|(other, _)| other.eq_ignore_ascii_case(name));
        if is_new && self.0.len() >= MAX_HEADERS {
            return Err(HeaderError::TooLong);
        }
        self.0.retain(|(other, _)| !other.eq_ignore_ascii_case(name));
        self.0.push(header);
        Ok(())
    }

    /// Whether there is none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns `head`, the headers, and the empty line that ends a request.
    pub(super) fn end(&self, head: &str) -> Zeroizing<String> {
        const END: &str = "\r\n";
        let headers = self.0.iter().map(line_length).fold(END.len(), usize::saturating_add);
        // With its final capacity, so that it leaves no copy behind by growing.
        let capacity = head.len().saturating_add(headers);
        let mut request = Zeroizing::new(String::with_capacity(capacity));
        request.push_str(head);
        for (name, value) in &self.0 {
            for part in [name, ": ", value, END] {
                request.push_str(part);
            }
        }
        request.push_str(END);
        request
    }
}

impl fmt::Debug for UpgradeHeaders {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("UpgradeHeaders(..)")
    }
}

/// Returns the length of a header's line: name, colon, space, value, line end.
fn line_length((name, value): &(String, Zeroizing<String>)) -> usize {
    name.len().saturating_add(value.len()).saturating_add(4)
}

const fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(byte, b'!' | b'#'..=b'\'' | b'*' | b'+' | b'-' | b'.' | b'^'..=b'`' | b'|' | b'~')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_end_the_request_in_their_order() {
        let mut headers = UpgradeHeaders::default();
        assert_eq!(headers.end("GET\r\n").as_str(), "GET\r\n\r\n");
        headers.insert("Authorization", "Bearer one").unwrap();
        headers.insert("X-Place", "here,\tthere").unwrap();
        headers.insert("authorization", "Bearer two").unwrap();
        let request = headers.end("GET\r\n");
        assert_eq!(
            request.as_str(),
            "GET\r\nX-Place: here,\tthere\r\nauthorization: Bearer two\r\n\r\n"
        );
        assert_eq!(request.capacity(), request.len());
    }

    #[test]
    fn what_would_change_the_request_is_refused() {
        let mut headers = UpgradeHeaders::default();
        for name in ["", "X Y", "X:", "X\r\nHost", "Ünder", "X\0", "(X)", "[X]", "X,Y"] {
            assert_eq!(headers.insert(name, "x"), Err(HeaderError::Name), "{name:?}");
        }
        for value in ["\r\nHost: y", "a\nb", "\0", "\x7f", "é", "a\rb"] {
            assert_eq!(headers.insert("X", value), Err(HeaderError::Value), "{value:?}");
        }
        for name in RESERVED.into_iter().chain([
            "Host",
            "UPGRADE",
            "Sec-WebSocket-Key",
            "sec-websocket-protocol",
            "Sec-WebSocket-Extensions",
        ]) {
            assert_eq!(headers.insert(name, "x"), Err(HeaderError::Reserved), "{name}");
        }
        assert!(headers.is_empty());
    }

    #[test]
    fn headers_have_a_maximum_length_together() {
        let mut headers = UpgradeHeaders::default();
        let half = "x".repeat(MAX_BYTES / 2 - 5);
        headers.insert("A", &half).unwrap();
        headers.insert("B", &half).unwrap();
        assert_eq!(headers.insert("C", ""), Err(HeaderError::TooLong));
        // What is replaced does not count, and is kept when its successor does not fit.
        headers.insert("B", "").unwrap();
        assert_eq!(headers.insert("b", &"x".repeat(MAX_BYTES)), Err(HeaderError::TooLong));
        assert!(headers.end("").ends_with("B: \r\n\r\n"));
    }

    #[test]
    fn headers_have_a_maximum_number() {
        let mut headers = UpgradeHeaders::default();
        for number in 0..MAX_HEADERS {
            headers.insert(&format!("X-{number}"), "").unwrap();
        }
        assert_eq!(headers.insert("Y", ""), Err(HeaderError::TooLong));
        headers.insert("X-0", "again").unwrap();
    }

    #[test]
    fn no_value_is_printed() {
        let mut options = crate::client::WsOptions::default();
        options.headers.insert("Authorization", "Bearer secret").unwrap();
        assert!(!format!("{options:?} {:?}", options.headers).contains("secret"));
    }
}
