//! SOCKS5: where names are resolved, and what the proxy receives.
#![cfg(all(feature = "client", feature = "server"))]
#![expect(
    clippy::cast_possible_truncation,
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

mod common;

use std::{net::SocketAddr, time::Duration};

use anocm_core::{
    RelayUrl,
    transport::{Closing, Transport, TransportError},
};
use anocm_ws::client::{WsError, WsOptions, WsTransport};
use common::{Server, frame, soon};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional},
    net::{TcpListener, TcpStream},
    sync::mpsc,
};

/// A SOCKS5 request as the proxy received it.
#[derive(Debug, PartialEq, Eq)]
struct Asked {
    user: Vec<u8>,
    password: Vec<u8>,
    /// 1 for an IPv4 address, 3 for a name, 4 for an IPv6 address.
    kind: u8,
    host: Vec<u8>,
    port: u16,
}

/// A proxy that records its requests and connects every client to `relay`.
async fn proxy(relay: Option<SocketAddr>) -> (String, mpsc::UnboundedReceiver<Asked>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let (tell, asked) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            tokio::spawn(serve(client, relay, tell.clone()));
        }
    });
    (address, asked)
}

async fn serve(
    mut client: TcpStream,
    relay: Option<SocketAddr>,
    tell: mpsc::UnboundedSender<Asked>,
) -> std::io::Result<()> {
    assert_eq!(client.read_u8().await?, 5);
    assert!(sized(&mut client).await?.contains(&2), "offers a password");
    client.write_all(&[5, 2]).await?;
    assert_eq!(client.read_u8().await?, 1);
    let user = sized(&mut client).await?;
    let password = sized(&mut client).await?;
    client.write_all(&[1, 0]).await?;
    let mut head = [0; 4];
    client.read_exact(&mut head).await?;
    assert_eq!(head[..3], [5, 1, 0]);
    let kind = head[3];
    let host = match kind {
        1 => exactly(&mut client, 4).await?,
        3 => sized(&mut client).await?,
        4 => exactly(&mut client, 16).await?,
        _ => panic!("asks for {kind}"),
    };
    let port = client.read_u16().await?;
    let _ = tell.send(Asked { user, password, kind, host, port });
    let Some(relay) = relay else {
        // Host unreachable.
        return client.write_all(&[5, 4, 0, 1, 0, 0, 0, 0, 0, 0]).await;
    };
    let mut relay = TcpStream::connect(relay).await?;
    client.write_all(&[5, 0, 0, 1, 0, 0, 0, 0, 0, 0]).await?;
    copy_bidirectional(&mut client, &mut relay).await?;
    Ok(())
}

async fn sized(client: &mut TcpStream) -> std::io::Result<Vec<u8>> {
    let length = client.read_u8().await?;
    exactly(client, length.into()).await
}

async fn exactly(client: &mut TcpStream, length: usize) -> std::io::Result<Vec<u8>> {
    let mut bytes = vec![0; length];
    client.read_exact(&mut bytes).await?;
    Ok(bytes)
}

/// A proxy that sends one of `answers` after each read, and then closes the connection.
async fn answering<const N: usize>(answers: [Vec<u8>; N]) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    tokio::spawn(async move {
        let (mut client, _) = listener.accept().await.unwrap();
        for answer in answers {
            assert_ne!(client.read(&mut [0; 1_024]).await.unwrap(), 0);
            client.write_all(&answer).await.unwrap();
        }
    });
    address
}

fn through(url: &str, proxy: &str) -> Result<WsTransport, WsError> {
    let options = WsOptions { socks5: Some(proxy.to_owned()), ..WsOptions::default() };
    WsTransport::new(&RelayUrl::parse(url).unwrap(), options)
}

#[tokio::test]
async fn only_the_proxy_gets_the_name() {
    let mut server = Server::start().await;
    let (address, mut asked) = proxy(Some(server.address)).await;
    // The proxy receives the name. A local lookup of it would fail, and the connection with it.
    let transport = through("http://relay.onion:8181/", &address).unwrap();
    let alice = soon(transport.connect()).await.unwrap();
    let bob = server.accept().await;
    let seen = soon(asked.recv()).await.unwrap();
    assert_eq!((seen.kind, seen.port), (3, 8181));
    assert_eq!(seen.host, b"relay.onion");
    soon(alice.send(&[frame(300)])).await.unwrap();
    assert_eq!(soon(bob.recv()).await, Ok(Some(frame(300))));
    assert_eq!(
        soon(async { tokio::join!(alice.close(Closing::Done), bob.recv()) }).await.1,
        Ok(None)
    );
}

#[tokio::test]
async fn connections_are_kept_apart_by_a_password_each() {
    let mut server = Server::start().await;
    let (address, mut asked) = proxy(Some(server.address)).await;
    let transport = through("http://relay.onion/", &address).unwrap();
    let mut seen = Vec::new();
    let mut links = Vec::new();
    for _ in 0..3 {
        links.push(soon(transport.connect()).await.unwrap());
        links.push(server.accept().await);
        let asked = soon(asked.recv()).await.unwrap();
        assert_eq!((asked.user.len(), asked.password.len()), (32, 32));
        seen.push(asked.user);
        seen.push(asked.password);
    }
    seen.sort();
    seen.dedup();
    assert_eq!(seen.len(), 6);
}

/// A proxy that never replies, but reports the credentials of each request.
async fn silent_proxy() -> (String, mpsc::UnboundedReceiver<(Vec<u8>, Vec<u8>)>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let (tell, told) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            let tell = tell.clone();
            tokio::spawn(async move {
                client.read_u8().await?;
                sized(&mut client).await?;
                client.write_all(&[5, 2]).await?;
                client.read_u8().await?;
                let shown = (sized(&mut client).await?, sized(&mut client).await?);
                client.write_all(&[1, 0]).await?;
                client.read_exact(&mut [0; 4]).await?;
                let _ = tell.send(shown);
                // Until the client closes the connection.
                client.read_to_end(&mut Vec::new()).await
            });
        }
    });
    (address, told)
}

#[tokio::test]
async fn a_try_that_came_to_no_end_leaves_its_circuit_to_the_next() {
    let (address, mut told) = silent_proxy().await;
    let transport = through("http://relay.onion/", &address).unwrap();
    let mut shown = Vec::new();
    for _ in 0..3 {
        // Cancelled as soon as the proxy has received the request.
        let asked = tokio::select! {
            _ = transport.connect() => panic!("connected"),
            asked = soon(told.recv()) => asked.unwrap(),
        };
        shown.push(asked);
    }
    assert_eq!(shown[0], shown[1]);
    assert_eq!(shown[1], shown[2]);
    // Another transport uses credentials of its own.
    let other = through("http://relay.onion/", &address).unwrap();
    let asked = tokio::select! {
        _ = other.connect() => panic!("connected"),
        asked = soon(told.recv()) => asked.unwrap(),
    };
    assert_ne!(asked, shown[0]);
}

#[test]
fn patience_is_within_its_range() {
    for within in [Duration::ZERO, Duration::MAX] {
        let options = WsOptions { connect_within: Some(within), ..WsOptions::default() };
        let made = WsTransport::new(&RelayUrl::parse("http://localhost/").unwrap(), options);
        let Err(WsError::Setting(error)) = made else { panic!("{made:?}") };
        assert_eq!(error.field, "connect_within");
    }
}

#[tokio::test]
async fn loopback_goes_through_the_proxy_too() {
    let server = Server::start().await;
    let (address, mut asked) = proxy(Some(server.address)).await;
    let mut v6 = [0; 16];
    v6[15] = 1;
    for (url, kind, host) in
        [("http://127.0.0.1:1/", 1, &[127, 0, 0, 1][..]), ("http://[::1]:1/", 4, &v6)]
    {
        let _alice = soon(through(url, &address).unwrap().connect()).await.unwrap();
        let seen = soon(asked.recv()).await.unwrap();
        assert_eq!((seen.kind, &seen.host[..], seen.port), (kind, host, 1));
    }
}

#[tokio::test]
async fn a_relay_the_proxy_cannot_reach_is_unreachable() {
    let (address, _asked) = proxy(None).await;
    let transport = through("http://relay.onion/", &address).unwrap();
    assert_eq!(failure(&transport).await, TransportError::Unreachable);
}

#[tokio::test]
async fn whatever_else_listens_where_the_proxy_should_is_no_proxy() {
    for answer in [
        &b"HTTP/1.1 400 Bad Request\r\n\r\n"[..],
        // An older version, an empty reply, no acceptable authentication method.
        b"\x00\x5b\0\0\0\0\0\0",
        b"",
        b"\x05\xff",
    ] {
        let address = answering([answer.to_vec()]).await;
        let transport = through("http://relay.onion/", &address).unwrap();
        assert_eq!(failure(&transport).await, TransportError::ProxyUnreachable, "{answer:x?}");
    }
    let wrong_password = answering([vec![5, 2], vec![1, 1]]).await;
    let transport = through("http://relay.onion/", &wrong_password).unwrap();
    assert_eq!(failure(&transport).await, TransportError::ProxyUnreachable);
}

#[tokio::test]
async fn whatever_the_proxy_says_of_the_relay_is_not_held_against_the_proxy() {
    // The codes of RFC 1928, and one that Tor has for onion services.
    for code in [1, 2, 3, 4, 5, 6, 7, 8, 0xf0] {
        let reply = vec![5, code, 0, 1, 0, 0, 0, 0, 0, 0];
        let address = answering([vec![5, 0], reply]).await;
        let transport = through("http://relay.onion/", &address).unwrap();
        assert_eq!(failure(&transport).await, TransportError::Unreachable, "{code}");
    }
}

#[tokio::test]
async fn no_proxy_is_never_replaced_by_going_straight() {
    let server = Server::start().await;
    // A port that was free a moment ago.
    let gone = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let transport = through(&format!("http://{}/", server.address), &gone.to_string()).unwrap();
    assert_eq!(failure(&transport).await, TransportError::ProxyUnreachable);
}

#[test]
fn an_onion_relay_needs_a_proxy() {
    let url = RelayUrl::parse("http://relay.onion/").unwrap();
    let made = WsTransport::new(&url, WsOptions::default());
    assert_eq!(made.err(), Some(WsError::OnionWithoutProxy));
    assert_eq!(through("http://relay.onion/", "tor").err(), Some(WsError::BadProxy));
}

async fn failure(transport: &WsTransport) -> TransportError {
    soon(transport.connect()).await.err().expect("connected")
}
