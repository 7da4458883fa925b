//! A process that does not run for a while.
#![cfg(unix)]
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

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
use common::{LONG, Server};
use rustix::process::Signal;

const ROOM: RoomAddress = RoomAddress::new([7; 16]);
const LINGER: Duration = Duration::from_secs(1);
/// Longer than the linger, and than what a relay takes for a pause.
const STOPPED: Duration = Duration::from_secs(4);

fn token() -> Token {
    Token::new(Secret::new([1; 32]))
}

fn genesis() -> Genesis {
    let kept = Retention::keep(Duration::from_secs(60)).unwrap();
    let policy = Policy {
        largest: kept,
        handshakes: kept,
        linger: u64::try_from(LINGER.as_millis()).unwrap(),
        largest_age: 3_600_000,
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
    let server = Server::start(&[]);
    let url = RelayUrl::parse(&server.url).unwrap();
    let transport = WsTransport::new(&url, WsOptions::default()).unwrap();
    let alice = transport.connect().await.unwrap();
    alice.send(&[ClientHello::default().to_frame()]).await.unwrap();
    alice.recv().await.unwrap().unwrap();
    let created = ask(&*alice, Request::Create { address: ROOM, genesis: genesis() }).await;
    assert!(matches!(created, RelayFrame::Reply { result: Ok(Reply::Done), .. }), "{created:?}");

    server.signal(Signal::STOP);
    // The process has no other clock than the system's.
    tokio::time::sleep(STOPPED).await;
    server.signal(Signal::CONT);
    let (epoch, member) = (Epoch::FIRST, token());
    let entered = ask(&*alice, Request::Enter { address: ROOM, epoch, member }).await;
    let RelayFrame::Reply { result: Ok(Reply::Entered(_)), .. } = entered else {
        panic!("the room is gone: {entered:?}")
    };
}
