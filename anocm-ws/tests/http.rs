//! The opening handshake: what the server refuses, and what the client sends and refuses.
#![cfg(all(feature = "client", feature = "server"))]
#![expect(
    clippy::cast_possible_truncation,
    clippy::expect_used,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

mod common;

use std::{net::SocketAddr, time::Duration};

use anocm_core::{
    RelayUrl, SettingError,
    transport::{Transport, TransportError},
};
use anocm_ws::{
    Timing,
    client::{WsError, WsOptions, WsTransport},
    server::{ListenOptions, Listener, WsServerOptions},
};
use common::{Server, frame, soon};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

const GOOD: &str = "GET /ws HTTP/1.1\r\nHost: x\r\nConnection: keep-alive, Upgrade\r\n\
    Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

/// Returns the head of the response to `request`.
async fn answer(server: &Server, request: &str) -> String {
    answer_of(server.address, request).await
}

async fn answer_of(address: SocketAddr, request: &str) -> String {
    let mut tcp = TcpStream::connect(address).await.unwrap();
    tcp.write_all(request.as_bytes()).await.unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        match soon(tcp.read_u8()).await {
            Ok(byte) => head.push(byte),
            Err(_) => break,
        }
    }
    String::from_utf8(head).unwrap().to_ascii_lowercase()
}

#[tokio::test]
async fn a_proper_request_is_accepted() {
    let server = Server::start().await;
    let head = answer(&server, GOOD).await;
    assert!(head.starts_with("http/1.1 101 "), "{head}");
    assert!(head.contains("sec-websocket-accept: s3pplmbitxaq9kygzzhzrbk+xoo=\r\n"));
    assert!(
        !head.contains("extensions") && !head.contains("protocol:") && !head.contains("server:")
    );
}

#[tokio::test]
async fn every_answer_of_the_listener_but_an_upgrade_is_the_last_of_its_connection() {
    let listener = Listener::bind("127.0.0.1:0", ListenOptions::default()).await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(listener.serve(common::echo(), std::future::pending()));

    let upgraded = answer_of(address, GOOD).await;
    assert!(upgraded.starts_with("http/1.1 101 "), "{upgraded}");
    // No `close` besides `Upgrade`: proxies written in Go would remove the whole header.
    assert!(upgraded.contains("\r\nconnection: upgrade\r\n"), "{upgraded}");
    for other in [GOOD.replace("/ws", "/"), GOOD.replace("Upgrade: websocket\r\n", "")] {
        let head = answer_of(address, &other).await;
        let last = |line: &str| line.starts_with("connection: ") && line.ends_with("close");
        assert!(head.lines().any(last), "{head}");
    }
}

#[tokio::test]
async fn a_page_of_any_origin_may_connect_and_its_extensions_are_declined() {
    let server = Server::start().await;
    let browser = GOOD.replace(
        "Host",
        "Origin: https://elsewhere.example\r\n\
         Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\nHost",
    );
    let head = answer(&server, &browser).await;
    assert!(head.starts_with("http/1.1 101 "), "{head}");
    assert!(!head.contains("extensions"));
}

#[tokio::test]
async fn a_relay_for_one_machine_can_refuse_all_pages() {
    let options = WsServerOptions { refuse_origin: true, ..WsServerOptions::default() };
    let server = Server::with_options(options).await;
    for origin in ["https://elsewhere.example", "http://127.0.0.1", "null", ""] {
        let page = GOOD.replace("Host", &format!("Origin: {origin}\r\nHost"));
        let head = answer(&server, &page).await;
        assert!(head.starts_with("http/1.1 403 "), "{head}");
    }
    let head = answer(&server, GOOD).await;
    assert!(head.starts_with("http/1.1 101 "), "{head}");
}

#[tokio::test]
async fn improper_requests_are_refused_with_the_fitting_status() {
    let server = Server::start().await;
    for (from, to, status) in [
        ("GET", "POST", 405),
        ("GET", "HEAD", 405),
        ("/ws", "/", 404),
        ("/ws", "/ws/", 404),
        ("HTTP/1.1", "HTTP/1.0", 400),
        ("HTTP/1.1", "HTTP/9.9", 400),
        ("Upgrade: websocket", "Upgrade: h2c", 426),
        ("keep-alive, Upgrade", "keep-alive", 426),
        ("Version: 13", "Version: 8", 426),
        ("Sec-WebSocket-Version: 13\r\n", "", 426),
        ("dGhlIHNhbXBsZSBub25jZQ==", "dGhlIHNhbXBsZQ==", 400),
        ("dGhlIHNhbXBsZSBub25jZQ==", "?", 400),
        ("Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n", "", 400),
        ("Host", "Sec-WebSocket-Protocol: chat\r\nHost", 400),
        ("Host: x", "no header", 400),
        ("GET /ws HTTP/1.1", "nonsense", 400),
    ] {
        let head = answer(&server, &GOOD.replacen(from, to, 1)).await;
        assert_eq!(
            head.get(9..12),
            Some(status.to_string().as_str()),
            "{from:?} -> {to:?}: {head}"
        );
        match status {
            405 => assert!(head.contains("\r\nallow: get\r\n"), "{head}"),
            426 => assert!(head.contains("\r\nupgrade: websocket\r\n"), "{head}"),
            _ => {}
        }
    }
    let old = answer(&server, &GOOD.replace("Version: 13", "Version: 8")).await;
    assert!(old.contains("\r\nsec-websocket-version: 13\r\n"), "{old}");
}

#[tokio::test]
async fn a_relay_may_live_under_a_path() {
    let app = axum::Router::new().nest("/some/where", common::echo());
    let address = common::serve(app).await;
    let url = RelayUrl::parse(&format!("http://{address}/some/where/")).unwrap();
    let alice = common::connect(&url, anocm_ws::Timing::default()).await;
    soon(alice.send(&[frame(1)])).await.unwrap();
    assert_eq!(soon(alice.recv()).await, Ok(Some(frame(1))));
}

#[tokio::test]
async fn the_wrong_path_and_the_wrong_server_refuse() {
    let server = Server::start().await;
    let url = format!("http://{}/nowhere/", server.address);
    assert_eq!(failure(&url).await, TransportError::Refused);
    for nonsense in [
        "220 mail.example ESMTP\r\n".to_owned(),
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok".to_owned(),
        // Longer than a valid accept value, which makes a careless client panic.
        format!("HTTP/1.1 101 Yes\r\nSec-WebSocket-Accept: {}\r\n\r\n", "A".repeat(400)),
        format!("HTTP/1.1 101 Yes\r\nX: {}\r\n", "A".repeat(1_000_000)),
        "HTTP/1.1 101 Yes\r\nX: y\r\n".repeat(1_000),
    ] {
        let url = answering(nonsense).await.0;
        assert_eq!(failure(&url).await, TransportError::Refused);
    }
}

#[tokio::test]
async fn a_relay_that_is_not_there_or_does_not_answer_is_unreachable() {
    let free = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    assert_eq!(failure(&format!("http://{free}/")).await, TransportError::Unreachable);
    // A connection that the kernel accepts and that then stays silent.
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = RelayUrl::parse(&format!("http://{}/", silent.local_addr().unwrap())).unwrap();
    let options =
        WsOptions { connect_within: Some(Duration::from_millis(50)), ..WsOptions::default() };
    let transport = WsTransport::new(&url, options).unwrap();
    assert_eq!(soon(transport.connect()).await.err(), Some(TransportError::Unreachable));
}

#[tokio::test]
async fn the_request_tells_nothing_about_the_guest() {
    let (url, request) = answering("HTTP/1.1 404 No\r\n\r\n".to_owned()).await;
    assert_eq!(failure(&url).await, TransportError::Refused);
    let request = soon(request).await.unwrap();
    let names: Vec<_> = request
        .lines()
        .skip(1)
        .filter_map(|line| line.split_once(':').map(|(name, _)| name))
        .collect();
    let expected = ["Host", "Connection", "Upgrade", "Sec-WebSocket-Version", "Sec-WebSocket-Key"];
    assert_eq!(names, expected);
}

/// A server that replies `nonsense` to its first request. Returns its URL and the request.
async fn answering(nonsense: String) -> (String, tokio::task::JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let request = tokio::spawn(async move {
        let (mut tcp, _) = listener.accept().await.unwrap();
        let mut request = Vec::new();
        while !request.ends_with(b"\r\n\r\n") {
            request.push(tcp.read_u8().await.unwrap());
        }
        // The client may have closed the connection already.
        let _ = tcp.write_all(nonsense.as_bytes()).await;
        String::from_utf8(request).unwrap()
    });
    (url, request)
}

async fn failure(url: &str) -> TransportError {
    let transport = WsTransport::new(&RelayUrl::parse(url).unwrap(), WsOptions::default());
    soon(transport.unwrap().connect()).await.err().expect("connected")
}

#[tokio::test]
async fn a_listener_that_cannot_work_is_refused_by_the_name_of_the_option() {
    for (options, field) in [
        (ListenOptions { max_connections: 0, ..ListenOptions::default() }, "max_connections"),
        (
            ListenOptions { header_within: Duration::ZERO, ..ListenOptions::default() },
            "header_within",
        ),
        (ListenOptions { taken_within: Duration::MAX, ..ListenOptions::default() }, "taken_within"),
    ] {
        let refused = Listener::bind("127.0.0.1:0", options).await.unwrap_err();
        let error = refused.get_ref().and_then(|error| error.downcast_ref::<SettingError>());
        assert_eq!(error.unwrap().field, field);
    }
}

#[test]
fn a_link_that_cannot_live_is_refused_by_the_name_of_the_option() {
    let url = RelayUrl::parse("http://localhost/").unwrap();
    for timing in [
        Timing { dead_after: Duration::ZERO, ..Timing::default() },
        Timing { ping_after: Duration::ZERO, ..Timing::default() },
        Timing { close_within: Duration::MAX, ..Timing::default() },
    ] {
        let made = WsTransport::new(&url, WsOptions { timing, ..WsOptions::default() });
        assert!(matches!(made, Err(WsError::Setting(error)) if error.field.starts_with("timing.")));
    }
}
