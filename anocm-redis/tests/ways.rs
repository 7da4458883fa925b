//! Tests of connections to the servers: TLS, sockets, and clients without a relay in between.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::disallowed_methods,
    reason = "a test, helpers included, that writes a certificate"
)]

mod common;

use std::{path::Path, sync::Arc, time::Duration};

use anocm_core::{
    Invite, NewRoom, RelayUrl, RoomEvent,
    client::{Client, Room},
    relay::RelayConfig,
};
use anocm_redis::{ConnectError, RedisOptions, RedisStore, RedisTransport};
use common::{
    PATIENCE, Server,
    rooms::{address, everything, options},
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    time::timeout,
};

/// Waits for an event of a room.
async fn until(room: &mut Room, expected: impl Fn(&RoomEvent) -> bool) {
    let seen = async { while !expected(&room.next_event().await.unwrap()) {} };
    timeout(PATIENCE, seen).await.expect("not seen in time");
}

async fn hears(room: &mut Room, text: &str) {
    until(
        room,
        |event| matches!(event, RoomEvent::Message(message) if message.text.as_str() == text),
    )
    .await;
}

/// Returns a client with its own direct connection to the servers.
async fn program(server: &Server, url: &RelayUrl) -> (Client, Arc<RedisTransport>) {
    let connecting = RedisTransport::connect(url.clone(), options(server), RelayConfig::default());
    let transport = Arc::new(connecting.await.unwrap());
    let (client, driver) = Client::new(transport.clone());
    tokio::spawn(driver);
    (client, transport)
}

#[tokio::test]
async fn clients_straight_onto_the_servers_talk_with_each_other() {
    let server = Server::start(&[]);
    let url = RelayUrl::parse("https://relay.example/").unwrap();
    let (hers, her_way) = program(&server, &url).await;
    let (his, his_way) = program(&server, &url).await;
    let mut alice = hers.create(&NewRoom::default()).unwrap();
    until(&mut alice, |event| matches!(event, RoomEvent::Entered)).await;
    let link = alice.view().invite.unwrap().to_link();
    let invite = Invite::parse(&link).unwrap();
    let mut bob = his.join(&invite, "Bob".parse().unwrap()).unwrap();
    until(&mut bob, |event| matches!(event, RoomEvent::Entered)).await;
    alice.send("over no relay").unwrap();
    hears(&mut bob, "over no relay").await;
    bob.send("straight on").unwrap();
    hears(&mut alice, "straight on").await;
    // The room stays on the servers when one transport is shut down.
    her_way.shutdown().await;
    bob.send("still here").unwrap();
    hears(&mut bob, "still here").await;
    his_way.shutdown().await;
    assert!(!server.keys().is_empty());
}

#[tokio::test]
async fn a_socket_is_a_way() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("redis.sock");
    let socket = socket.to_str().unwrap();
    let _server = Server::start(&["--unixsocket", socket, "--unixsocketperm", "700"]);
    let options = RedisOptions::new([format!("unix://{socket}")]).unwrap();
    let store = RedisStore::connect(options).await.unwrap();
    everything(&store, &address(1)).await;
}

/// Starts a server that only accepts TLS, and returns the certificate that it presents.
fn secured(folder: &Path) -> (Server, String) {
    let names = vec!["localhost".to_owned(), "127.0.0.1".to_owned()];
    let rcgen::CertifiedKey { cert, signing_key } =
        rcgen::generate_simple_self_signed(names).unwrap();
    let file = |name: &str, pem: &str| {
        let file = folder.join(name);
        std::fs::write(&file, pem).unwrap();
        file.to_str().unwrap().to_owned()
    };
    let certificate = file("certificate.pem", &cert.pem());
    let key = file("key.pem", &signing_key.serialize_pem());
    let server = Server::start(
        &[
            ["--tls-cert-file", &certificate],
            ["--tls-key-file", &key],
            ["--tls-ca-cert-file", &certificate],
            ["--tls-auth-clients", "no"],
        ]
        .concat(),
    );
    (server, cert.pem())
}

#[tokio::test]
async fn tls_is_a_way_when_the_server_is_the_one_that_was_certified() {
    let folder = tempfile::tempdir().unwrap();
    let (server, root) = secured(folder.path());
    let url = format!("rediss://localhost:{}", server.port);
    let mut trusting = RedisOptions::new([&*url]).unwrap();
    trusting.set_root_certificate(root.as_bytes()).unwrap();
    let store = RedisStore::connect(trusting).await.unwrap();
    everything(&store, &address(1)).await;

    let connect = async |mut options: RedisOptions| {
        options.connect_timeout = Duration::from_secs(5);
        RedisStore::connect(options).await.map(drop).unwrap_err()
    };
    // Not certified by a public authority.
    let refused = connect(RedisOptions::new([&*url]).unwrap()).await;
    assert!(matches!(refused, ConnectError::Untrusted(_)), "{refused}");
    // The server accepts no connection without TLS.
    let refused = connect(RedisOptions::new([server.url()]).unwrap()).await;
    assert!(matches!(refused, ConnectError::Unreachable(_)), "{refused}");
    let mut options = RedisOptions::new([&*url]).unwrap();
    let refused = options.set_root_certificate(b"no certificate").unwrap_err();
    assert_eq!(refused, ConnectError::Certificate);
}

#[tokio::test]
async fn a_proxy_that_ends_the_connection_at_the_first_command_is_said_to_lack_resp3() {
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let url = format!("redis://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            // Like a proxy that does not know HELLO.
            let _ = client.read(&mut [0; 64]).await;
        }
    });
    let refused = RedisStore::connect(RedisOptions::new([&*url]).unwrap()).await.unwrap_err();
    assert!(matches!(refused, ConnectError::Unreachable(_)), "{refused}");
    assert!(refused.to_string().contains("RESP3"), "{refused}");
}

#[tokio::test]
async fn a_proxy_that_does_not_know_the_first_command_is_said_to_lack_resp3() {
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let url = format!("redis://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            tokio::spawn(async move {
                while client.read(&mut [0; 64]).await.is_ok_and(|read| read > 0) {
                    let _ = client.write_all(b"-ERR unknown command 'HELLO'\r\n").await;
                }
            });
        }
    });
    let refused = RedisStore::connect(RedisOptions::new([&*url]).unwrap()).await.unwrap_err();
    assert!(matches!(refused, ConnectError::Unsuitable(_)), "{refused}");
    assert!(refused.to_string().contains("RESP3"), "{refused}");
}
