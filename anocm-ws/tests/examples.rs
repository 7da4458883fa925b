//! The examples of this crate, in use: two members talk through each of them.
#![cfg(all(feature = "client", feature = "server"))]
#![expect(
    clippy::cast_possible_truncation,
    clippy::expect_used,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

mod common;
#[expect(dead_code, reason = "its main is not called")]
#[path = "../examples/relay.rs"]
mod relay;
#[expect(dead_code, reason = "its main is not called")]
#[path = "../examples/relay_in_axum.rs"]
mod relay_in_axum;

use std::{net::SocketAddr, sync::Arc};

use anocm_core::{
    NewRoom, RelayUrl, RoomEvent,
    client::{Client, Room},
    transport::{Transport, TransportError},
};
use anocm_ws::client::{WsOptions, WsTransport};
use common::{LONG, soon};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

fn transport(url: &RelayUrl, options: &WsOptions) -> Arc<WsTransport> {
    Arc::new(WsTransport::new(url, options.clone()).unwrap())
}

fn client(url: &RelayUrl, options: &WsOptions) -> Client {
    let (client, driver) = Client::new(transport(url, options));
    tokio::spawn(driver);
    client
}

async fn entered(room: &mut Room) {
    soon(room.entered()).await.unwrap();
}

/// Opens a room, joins it, and sends a message. Returns what keeps both members in the room.
async fn talk(url: &RelayUrl, options: &WsOptions) -> [(Client, Room); 2] {
    let (alice, bob) = (client(url, options), client(url, options));
    let new = NewRoom { nickname: "Alice".parse().unwrap(), ..NewRoom::default() };
    let mut hers = alice.create(&new).unwrap();
    entered(&mut hers).await;
    let invite = hers.view().invite.unwrap();
    let mut his = bob.join(&invite, "Bob".parse().unwrap()).unwrap();
    entered(&mut his).await;
    hers.send("Hello, stranger.").unwrap();
    loop {
        if let RoomEvent::Message(said) = soon(his.next_event()).await.expect("it ended") {
            assert_eq!(said.text.as_str(), "Hello, stranger.");
            return [(alice, hers), (bob, his)];
        }
    }
}

#[tokio::test]
async fn members_talk_through_the_smallest_relay() {
    let serving = relay::start("127.0.0.1:0").await.unwrap();
    let url = RelayUrl::parse(&format!("http://{}/", serving.local_addr())).unwrap();
    let _members = talk(&url, &WsOptions::default()).await;
    assert_eq!(serving.relay().statistics().connections, 2);
    assert_eq!(soon(serving.shutdown(true, LONG)).await, Ok(()));
}

async fn get(address: SocketAddr, path: &str) -> String {
    let mut tcp = TcpStream::connect(address).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    tcp.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    soon(tcp.read_to_string(&mut answer)).await.unwrap();
    answer
}

#[tokio::test]
async fn members_talk_through_an_application_that_knows_them() {
    let app = relay_in_axum::app("one").unwrap();
    let app = app.into_make_service_with_connect_info::<SocketAddr>();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, app).await });
    let url = RelayUrl::parse(&format!("http://{address}/chat/")).unwrap();
    let with = |password: &str| {
        let mut options = WsOptions::default();
        options.headers.insert("Authorization", &format!("Bearer {password}")).unwrap();
        options
    };

    let _members = talk(&url, &with("one")).await;
    for (options, refused) in [(with("another"), true), (WsOptions::default(), false)] {
        let connected = soon(transport(&url, &options).connect()).await;
        assert_eq!(connected.err(), refused.then_some(TransportError::Refused));
    }
    assert!(get(address, "/").await.starts_with("HTTP/1.1 200 "));
    let metrics = get(address, "/metrics").await;
    assert!(metrics.contains("\nrooms 1\n"), "{metrics}");
}
