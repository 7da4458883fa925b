//! The client side of the opening handshake (RFC 6455, section 4.1).
//!
//! The length of a response head is bounded.

use anocm_core::{RelayUrl, transport::TransportError};
use bytes::{Bytes, BytesMut};
use data_encoding::BASE64;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use zeroize::Zeroizing;

use super::UpgradeHeaders;
use crate::{accept_key::accept_key, token::names};

/// The maximum length of a response head in bytes.
const MAX_HEAD: usize = 16 * 1_024;
/// The maximum number of header lines in a response.
const MAX_HEADERS: usize = 64;

/// The host, the path and the additional headers of the upgrade request.
pub(super) struct Target {
    host: String,
    path: String,
    headers: UpgradeHeaders,
}

impl Target {
    /// The WebSocket of the relay at `url`. The parts of a [`RelayUrl`] need no further escaping in
    /// a request.
    pub(super) fn new(url: &RelayUrl, headers: UpgradeHeaders) -> Self {
        Self { host: url.authority(), path: format!("{}ws", url.path()), headers }
    }

    /// Sends the upgrade request and reads the response. Returns the bytes that were read beyond
    /// the response head.
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

    fn request(&self, key: &str) -> Zeroizing<String> {
        let Self { host, path, headers } = self;
        headers.end(&format!(
            "GET {path} HTTP/1.1\r\n\
             Host: {host}\r\n\
             Connection: Upgrade\r\n\
             Upgrade: websocket\r\n\
             Sec-WebSocket-Version: 13\r\n\
             Sec-WebSocket-Key: {key}\r\n"
        ))
    }
}

/// Returns the length of a response head that accepts the upgrade; `None` when it is incomplete.
fn accepted(head: &[u8], accept: &str) -> Result<Option<usize>, TransportError> {
    let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
    let mut response = httparse::Response::new(&mut headers);
    let length = match response.parse(head) {
        Ok(httparse::Status::Complete(length)) => length,
        Ok(httparse::Status::Partial) => return Ok(None),
        Err(_) => return Err(TransportError::Refused),
    };
    let values = |name: &'static str| {
        let named = response.headers.iter().filter(move |h| h.name.eq_ignore_ascii_case(name));
        named.map(|header| header.value)
    };
    // `Upgrade` must name exactly one protocol; `Connection` may hold other tokens besides
    // `upgrade`.
    let web_socket = values("Upgrade").count() == 1
        && values("Upgrade").all(|value| value.trim_ascii().eq_ignore_ascii_case(b"websocket"));
    // No extension and no subprotocol was offered, so the server must not select one.
    let chose = ["Sec-WebSocket-Extensions", "Sec-WebSocket-Protocol"]
        .into_iter()
        .any(|name| values(name).next().is_some());
    let yes = response.code == Some(101)
        && web_socket
        && names(values("Connection"), "upgrade")
        && values("Sec-WebSocket-Accept").any(|value| value == accept.as_bytes())
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
    fn the_connection_may_be_said_to_be_more_than_upgraded() {
        let good = String::from_utf8(good()).unwrap();
        for connection in [
            "Connection: Upgrade, Keep-Alive",
            "connection: keep-alive ,upgrade",
            "connection: keep-alive\r\nConnection: Upgrade",
        ] {
            let head = good.replacen("connection: upgrade", connection, 1);
            let result = accepted(head.as_bytes(), ACCEPT);
            assert_eq!(result, Ok(Some(head.len())), "{connection}");
        }
    }

    #[test]
    fn anything_else_is_refused() {
        let good = String::from_utf8(good()).unwrap();
        let long = format!("accept: {}", "A".repeat(4_000));
        for (from, to) in [
            ("101", "200"),
            ("WebSocket", "h2c"),
            ("connection: upgrade", "connection: close"),
            ("connection: upgrade", "connection: upgraded, up, grade"),
            ("WebSocket", "WebSocket, h2c"),
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
