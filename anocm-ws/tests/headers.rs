//! Headers of the caller in the upgrade request: where they arrive, and where they are not sent.
#![cfg(all(feature = "client", feature = "server"))]
#![expect(
    clippy::cast_possible_truncation,
    clippy::expect_used,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

mod common;

use anocm_core::{
    RelayUrl,
    transport::{Transport, TransportError},
};
use anocm_ws::client::{WsError, WsOptions, WsTransport};
use axum::{
    extract::Request,
    http::StatusCode,
    middleware::{Next, from_fn},
    response::Response,
};
use common::{frame, soon};
use tokio::{io::AsyncReadExt, net::TcpListener};

const TOKEN: &str = "Bearer a-secret-of-one-guest";

fn options(token: Option<&str>) -> WsOptions {
    let mut options = WsOptions::default();
    if let Some(token) = token {
        options.headers.insert("Authorization", token).unwrap();
    }
    options
}

fn transport(url: &str, options: WsOptions) -> Result<WsTransport, WsError> {
    WsTransport::new(&RelayUrl::parse(url).unwrap(), options)
}

async fn only_guests(request: Request, next: Next) -> Result<Response, StatusCode> {
    match request.headers().get("authorization") {
        Some(value) if value == TOKEN => Ok(next.run(request).await),
        _ => Err(StatusCode::UNAUTHORIZED),
    }
}

#[tokio::test]
async fn a_server_admits_by_a_header() {
    let address = common::serve(common::echo().layer(from_fn(only_guests))).await;
    let url = format!("http://{address}/");
    let admitted = transport(&url, options(Some(TOKEN))).unwrap();
    // Each connection sends it.
    for _ in 0..2 {
        let alice = soon(admitted.connect()).await.unwrap();
        soon(alice.send(&[frame(7)])).await.unwrap();
        assert_eq!(soon(alice.recv()).await, Ok(Some(frame(7))));
    }
    for token in [None, Some("Bearer another")] {
        let refused = transport(&url, options(token)).unwrap();
        assert_eq!(soon(refused.connect()).await.err(), Some(TransportError::Refused));
    }
}

#[tokio::test]
async fn a_peer_without_tls_gets_nothing_of_it_where_tls_is_asked_for() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("https://{}/", listener.local_addr().unwrap());
    let eavesdropper = tokio::spawn(async move {
        let (mut tcp, _) = listener.accept().await.unwrap();
        let mut heard = vec![0; 4_096];
        let length = tcp.read(&mut heard).await.unwrap();
        heard.truncate(length);
        heard
    });
    let transport = transport(&url, options(Some(TOKEN))).unwrap();
    assert!(soon(transport.connect()).await.is_err());
    let heard = soon(eavesdropper).await.unwrap();
    assert!(!heard.is_empty());
    assert!(!heard.windows(TOKEN.len()).any(|part| part == TOKEN.as_bytes()));
}

#[test]
fn a_proxy_elsewhere_gets_no_header_in_clear() {
    let through = |url, proxy: &str, token| {
        let options = WsOptions { socks5: Some(proxy.to_owned()), ..options(token) };
        transport(url, options).err()
    };
    for url in ["http://relay.onion/", "http://127.0.0.1/", "http://localhost/"] {
        for elsewhere in ["10.0.0.7:9050", "proxy.example:9050", "[2001:db8::1]:9050"] {
            assert_eq!(through(url, elsewhere, Some(TOKEN)), Some(WsError::InClear), "{elsewhere}");
            assert_eq!(through(url, elsewhere, None), None);
        }
        for here in ["127.0.0.1:9050", "[::1]:9050", "localhost:9050"] {
            assert_eq!(through(url, here, Some(TOKEN)), None, "{here}");
        }
    }
    assert_eq!(through("https://relay.example/", "10.0.0.7:9050", Some(TOKEN)), None);
}
