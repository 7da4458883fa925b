//! A process that is stopped for a while.
#![cfg(unix)]
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use std::time::Duration;

use anocm_core::{
    Epoch, Payload, RelayUrl, Retention, RoomAddress, Secret, Token,
    transport::{Link, Transport},
    wire::{
        ClientFrame, ClientHello, Genesis, Hello, NextEpoch, Policy, RelayFrame, Reply, Request,
        decode, encode,
    },
};
use anocm_ws::client::{WsOptions, WsTransport};
use common::{LONG, Server, redis};
use rustix::process::Signal;

const SECOND: Duration = Duration::from_secs(1);
const LINGER: Duration = Duration::from_secs(3);
/// Longer than the linger, and than the threshold at which a relay detects a pause.
const STOPPED: Duration = Duration::from_secs(6);

fn token() -> Token {
    Token::new(Secret::new([1; 32]))
}

fn genesis() -> Genesis {
    let kept = Retention::keep(Duration::from_secs(60)).unwrap();
    let policy = Policy {
        max_retention: kept,
        handshakes: kept,
        linger: u64::try_from(LINGER.as_millis()).unwrap(),
        max_age: 3_600_000,
        max_entries: 100,
        max_bytes: 100_000,
    };
    let (member, door) = (token().hash(), token().hash());
    let first = NextEpoch { member, door, group_info: Payload::from(vec![0; 1_000]) };
    Genesis { policy, owner: token().hash(), first }
}

async fn ask(link: &dyn Link, request: Request) -> RelayFrame {
    link.send(&[encode(&ClientFrame { id: 1, request })]).await.unwrap();
    let answer = tokio::time::timeout(LONG, link.recv()).await.unwrap().unwrap().unwrap();
    decode(&answer, 1_000_000).unwrap()
}

#[tokio::test]
async fn a_process_that_was_stopped_ends_no_room_when_it_goes_on() {
    are_stopped(&[Server::start(&[])], STOPPED).await;
}

#[tokio::test]
async fn nor_one_whose_rooms_are_in_redis() {
    let store = redis::Server::start(&[]);
    // The server holds keys for some seconds longer than the linger of a room.
    are_stopped(&[Server::start(&["--store", &store.url()])], STOPPED).await;
}

#[tokio::test]
async fn nor_does_a_relay_beside_it_that_has_no_connections() {
    let store = redis::Server::start(&[]);
    let start = || Server::start(&["--store", &store.url()]);
    are_stopped(&[start(), start()], STOPPED + SECOND).await;
}

/// Stops relays, of which the first has a guest.
async fn are_stopped(servers: &[Server], stopped: Duration) {
    let [server, ..] = servers else { panic!("no relay") };
    let url = RelayUrl::parse(&server.url).unwrap();
    let transport = WsTransport::new(&url, WsOptions::default()).unwrap();
    let alice = transport.connect().await.unwrap();
    alice.send(&[ClientHello::default().to_frame()]).await.unwrap();
    alice.recv().await.unwrap().unwrap();
    let address = RoomAddress::new([u8::try_from(stopped.as_secs()).unwrap(); 16]);
    let created = ask(&*alice, Request::Create { address, genesis: genesis() }).await;
    assert!(matches!(created, RelayFrame::Reply { result: Ok(Reply::Done), .. }), "{created:?}");

    servers.iter().for_each(|server| server.signal(Signal::STOP));
    // The process has no clock other than the system's.
    tokio::time::sleep(stopped).await;
    // The relay with the guest is continued last.
    servers.iter().rev().for_each(|server| server.signal(Signal::CONT));
    let (epoch, member) = (Epoch::FIRST, token());
    let entered = ask(&*alice, Request::Enter { address, epoch, member }).await;
    let RelayFrame::Reply { result: Ok(Reply::Entered(_)), .. } = entered else {
        panic!("the room is gone: {entered:?}")
    };
}
