//! The client's half of the opening handshake (RFC 6455, section 4.1).
//!
//! Done here and not by tokio-websockets: its client panics on a `Sec-WebSocket-Accept` longer
//! than expected (0.13.3), and reads a response head of any length.

use anocm_core::{RelayUrl, transport::TransportError};
use bytes::{Bytes, BytesMut};
use data_encoding::BASE64;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use crate::accept_key::accept_key;

/// The longest response head in bytes.
const MAX_HEAD: usize = 16 * 1_024;
/// The most header lines of a response.
const MAX_HEADERS: usize = 64;

/// What is asked for.
pub(super) struct Target {
    host: String,
    path: String,
}

impl Target {
    /// `None` when the URL holds something that would end a line of the request.
    pub(super) fn new(url: &RelayUrl) -> Option<Self> {
        let (name, default) = match (url.host(), url.scheme_is_secure()) {
            ("", _) => return None,
            (host, true) => (host, 443),
            (host, false) => (host, 80),
        };
        let name = if name.contains(':') && !name.starts_with('[') {
            format!("[{name}]")
        } else {
            name.to_owned()
        };
        let host = match url.port() {
            port if port == default => name,
            port => format!("{name}:{port}"),
        };
        let path = format!("{}ws", url.path());
        let printable = |text: &str| text.bytes().all(|byte| byte.is_ascii_graphic());
        (printable(&host) && printable(&path)).then_some(Self { host, path })
    }

    /// Asks for the WebSocket. Gives what was read beyond the response head.
    pub(super) async fn upgrade(
        &self,
        io: &mut (impl AsyncRead + AsyncWrite + Unpin),
    ) -> Result<Bytes, TransportError> {
        let mut key = [0; 16];
        getrandom::fill(&mut key).map_err(|_| TransportError::Unreachable)?;
        let key = BASE64.encode(&key);
        let request = self.request(&key);
        io.write_all(request.as_bytes()).await.map_err(|_| TransportError::Cut)?;
        io.flush().await.map_err(|_| TransportError::Cut)?;
        let mut head = BytesMut::with_capacity(1_024);
        loop {
            if head.len() >= MAX_HEAD {
                return Err(TransportError::Refused);
            }
            match io.read_buf(&mut head).await {
                Ok(0) | Err(_) => return Err(TransportError::Cut),
                Ok(_) => {}
            }
            if let Some(length) = accepted(&head, &accept_key(key.as_bytes()))? {
                return Ok(head.split_off(length).freeze());
            }
        }
    }

    fn request(&self, key: &str) -> String {
        let Self { host, path } = self;
        format!(
            "GET {path} HTTP/1.1\r\n\
             Host: {host}\r\n\
             Connection: Upgrade\r\n\
             Upgrade: websocket\r\n\
             Sec-WebSocket-Version: 13\r\n\
             Sec-WebSocket-Key: {key}\r\n\
             \r\n"
        )
    }
}

/// The length of a response head that accepts; `None` when more must be read.
fn accepted(head: &[u8], accept: &str) -> Result<Option<usize>, TransportError> {
    let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
    let mut response = httparse::Response::new(&mut headers);
    let length = match response.parse(head) {
        Ok(httparse::Status::Complete(length)) => length,
        Ok(httparse::Status::Partial) => return Ok(None),
        Err(_) => return Err(TransportError::Refused),
    };
    let is = |name: &str, expected: &str| {
        let mut values = response.headers.iter().filter(|h| h.name.eq_ignore_ascii_case(name));
        let value = values.next().map(|header| header.value.trim_ascii());
        value.is_some_and(|value| value.eq_ignore_ascii_case(expected.as_bytes()))
            && values.next().is_none()
    };
    // Nothing was offered, so nothing may be chosen.
    let chosen = ["Sec-WebSocket-Extensions", "Sec-WebSocket-Protocol"];
    let chose = response
        .headers
        .iter()
        .any(|header| chosen.iter().any(|name| header.name.eq_ignore_ascii_case(name)));
    let key = response.headers.iter().any(|h| {
        h.name.eq_ignore_ascii_case("Sec-WebSocket-Accept") && h.value == accept.as_bytes()
    });
    let yes = response.code == Some(101)
        && is("Upgrade", "websocket")
        && is("Connection", "upgrade")
        && key
        && !chose;
    if yes {
        Ok(Some(length))
    } else {
        tracing::debug!(status = response.code, "the upgrade was refused");
        Err(TransportError::Refused)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ACCEPT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

    fn response(lines: &[&str]) -> Vec<u8> {
        let mut head = lines.join("\r\n");
        head.push_str("\r\n\r\n");
        head.into_bytes()
    }

    fn good() -> Vec<u8> {
        response(&[
            "HTTP/1.1 101 Switching Protocols",
            "upgrade: WebSocket",
            "connection: upgrade",
            "sec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=",
        ])
    }

    #[test]
    fn a_proper_response_is_accepted_once_it_is_whole() {
        let good = good();
        for cut in 0..good.len() {
            assert_eq!(accepted(&good[..cut], ACCEPT), Ok(None));
        }
        assert_eq!(accepted(&good, ACCEPT), Ok(Some(good.len())));
    }

    #[test]
    fn anything_else_is_refused() {
        let good = String::from_utf8(good()).unwrap();
        let long = format!("accept: {}", "A".repeat(4_000));
        for (from, to) in [
            ("101", "200"),
            ("WebSocket", "h2c"),
            ("connection: upgrade", "connection: close"),
            ("s3pP", "S3pP"),
            ("accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=", long.as_str()),
            ("HTTP/1.1", "SSH-2.0"),
            ("connection:", "sec-websocket-protocol: chat\r\nconnection:"),
            ("connection:", "Sec-WebSocket-Extensions: permessage-deflate\r\nconnection:"),
        ] {
            let bad = good.replacen(from, to, 1);
            let result = accepted(bad.as_bytes(), ACCEPT);
            assert_eq!(result, Err(TransportError::Refused), "{from} -> {to}");
        }
    }
}
