//! SOCKS5: who resolves names, and what the proxy is told.
#![cfg(all(feature = "client", feature = "server"))]
#![allow(
    clippy::cast_possible_truncation,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

mod common;

use std::net::SocketAddr;

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

/// What a client asked of the proxy.
#[derive(Debug, PartialEq, Eq)]
struct Asked {
    user: Vec<u8>,
    password: Vec<u8>,
    /// 1 for an IPv4 address, 3 for a name.
    kind: u8,
    host: Vec<u8>,
    port: u16,
}

/// A proxy that records what it is asked, and connects everyone to `relay`.
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
        1 => {
            let mut host = vec![0; 4];
            client.read_exact(&mut host).await?;
            host
        }
        _ => sized(&mut client).await?,
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
    let mut bytes = vec![0; client.read_u8().await?.into()];
    client.read_exact(&mut bytes).await?;
    Ok(bytes)
}

fn through(url: &str, proxy: &str) -> Result<WsTransport, WsError> {
    let options = WsOptions { socks5: Some(proxy.to_owned()), ..WsOptions::default() };
    WsTransport::new(&RelayUrl::parse(url).unwrap(), options)
}

#[tokio::test]
async fn the_proxy_gets_the_name_and_nobody_else_does() {
    let mut server = Server::start().await;
    let (address, mut asked) = proxy(Some(server.address)).await;
    // A name that no resolver knows: reaching the relay shows that none was asked.
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

#[tokio::test]
async fn loopback_goes_through_the_proxy_too() {
    let server = Server::start().await;
    let (address, mut asked) = proxy(Some(server.address)).await;
    let transport = through("http://127.0.0.1:1/", &address).unwrap();
    let _alice = soon(transport.connect()).await.unwrap();
    let seen = soon(asked.recv()).await.unwrap();
    assert_eq!((seen.kind, &seen.host[..], seen.port), (1, &[127, 0, 0, 1][..], 1));
}

#[tokio::test]
async fn a_relay_the_proxy_cannot_reach_is_unreachable() {
    let (address, _asked) = proxy(None).await;
    let transport = through("http://relay.onion/", &address).unwrap();
    assert_eq!(failure(&transport).await, TransportError::Unreachable);
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
