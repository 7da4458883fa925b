//! How links end: by errors of the peer, by silence, by a cut connection.
#![cfg(all(feature = "client", feature = "server"))]
#![expect(
    clippy::cast_possible_truncation,
    clippy::expect_used,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

mod common;

use anocm_core::{
    Payload,
    transport::{Closing, Link, TransportError},
    wire::MAX_FRAME,
};
use anocm_ws::Timing;
use common::{Server, frame, impatient, pair, soon};
use futures_util::{SinkExt, StreamExt};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};
use tokio_websockets::{Config, Message, WebSocketStream};

/// Returns the code with which the peer closes.
async fn close_code(ws: &mut WebSocketStream<TcpStream>) -> u16 {
    loop {
        let message = soon(ws.next()).await.expect("no close").expect("a cut");
        if let Some((code, _)) = message.as_close() {
            let code = code.into();
            let _ = soon(ws.close()).await;
            return code;
        }
    }
}

/// Receives until the link ends, then closes it as a relay would.
async fn outcome(link: Box<dyn Link>) -> Result<(), TransportError> {
    let end = loop {
        match soon(link.recv()).await {
            Ok(Some(_)) => {}
            Ok(None) => break Ok(()),
            Err(error) => break Err(error),
        }
    };
    soon(link.close(Closing::Protocol)).await;
    end
}

#[tokio::test]
async fn each_reason_for_closing_has_its_code() {
    let mut server = Server::start().await;
    for (why, code) in [
        (Closing::Done, 1000),
        (Closing::GoingAway, 1001),
        (Closing::Protocol, 1002),
        (Closing::TooLong, 1009),
        (Closing::Timeout, 4408),
    ] {
        let (mut alice, link) = server.foreign().await;
        let (_, seen) = soon(async { tokio::join!(link.close(why), close_code(&mut alice)) }).await;
        assert_eq!(seen, code);
    }
}

#[tokio::test]
async fn a_frame_that_is_too_long_ends_the_link_and_says_so() {
    let mut server = Server::start().await;
    let (mut alice, link) = server.foreign().await;
    let send = async {
        // The peer cuts the connection while this is still being sent, so it may fail.
        let _ = alice.send(Message::binary(vec![0; MAX_FRAME + 1])).await;
        close_code(&mut alice).await
    };
    let (code, end) = soon(async { tokio::join!(send, outcome(link)) }).await;
    assert_eq!(code, 1009);
    assert_eq!(end, Err(TransportError::TooLong));
}

#[tokio::test]
async fn a_frame_that_is_too_long_in_pieces_ends_the_link_too() {
    let mut server = Server::start().await;
    let pieces = Config::default().frame_size(MAX_FRAME / 2);
    let (mut alice, link) = server.foreign_with(pieces).await;
    let send = async {
        let _ = alice.send(Message::binary(vec![0; MAX_FRAME + 1])).await;
        close_code(&mut alice).await
    };
    let (code, end) = soon(async { tokio::join!(send, outcome(link)) }).await;
    assert_eq!((code, end), (1009, Err(TransportError::TooLong)));
}

#[tokio::test]
async fn a_frame_in_pieces_arrives_whole() {
    let mut server = Server::start().await;
    let (mut alice, link) = server.foreign_with(Config::default().frame_size(10)).await;
    alice.send(Message::binary(frame(105).to_vec())).await.unwrap();
    assert_eq!(soon(link.recv()).await, Ok(Some(frame(105))));
}

#[tokio::test]
async fn frames_above_the_limit_are_neither_sent_nor_received() {
    let (alice, bob) = pair().await;
    let long = Payload::from(vec![0; MAX_FRAME + 1]);
    assert_eq!(soon(alice.send(&[long])).await, Err(TransportError::TooLong));
    assert_eq!(
        soon(async { tokio::join!(alice.close(Closing::Done), bob.recv()) }).await.1,
        Ok(None)
    );
}

#[tokio::test]
async fn text_ends_the_link() {
    let mut server = Server::start().await;
    let (mut alice, link) = server.foreign().await;
    alice.send(Message::text("hello")).await.unwrap();
    let (code, end) = soon(async { tokio::join!(close_code(&mut alice), outcome(link)) }).await;
    assert_eq!((code, end), (1003, Err(TransportError::Protocol)));
}

#[tokio::test]
async fn bytes_that_are_no_websocket_end_the_link() {
    let mut server = Server::start().await;
    for (bytes, code) in [
        // Reserved bits, an unmasked message, an unknown opcode, a continuation without a first
        // frame.
        (&[0xf2, 0x80][..], 1002),
        (&[0x82, 0x01], 1002),
        (&[0x83, 0x80], 1002),
        (&[0x80, 0x80], 1002),
        // Close frames with half a code, with a code that must not be sent, with a reason that is
        // not text.
        (&[0x88, 0x81, 0, 0, 0, 0, 3], 1002),
        (&[0x88, 0x82, 0, 0, 0, 0, 3, 0xed], 1002),
        (&[0x88, 0x84, 0, 0, 0, 0, 3, 0xe8, 0xff, 0xfe], 1007),
    ] {
        let (mut alice, link) = server.foreign().await;
        alice.get_mut().write_all(bytes).await.unwrap();
        let (said, end) = soon(async { tokio::join!(close_code(&mut alice), outcome(link)) }).await;
        assert_eq!((said, end), (code, Err(TransportError::Protocol)), "{bytes:x?}");
    }
}

#[tokio::test]
async fn pings_are_answered_inside_recv() {
    let mut server = Server::start().await;
    let (mut alice, link) = server.foreign().await;
    alice.send(Message::ping("are you there")).await.unwrap();
    let pong = async {
        tokio::select! {
            message = alice.next() => message.unwrap().unwrap(),
            _ = link.recv() => panic!("a ping is no frame"),
        }
    };
    let pong = soon(pong).await;
    assert!(pong.is_pong());
    assert_eq!(&pong.as_payload()[..], b"are you there");
}

#[tokio::test]
async fn a_flood_of_pings_ends_the_link() {
    let mut server = Server::start().await;
    let (mut alice, link) = server.foreign().await;
    let flood = async {
        for _ in 0..1_000 {
            if alice.feed(Message::ping("")).await.is_err() {
                break;
            }
        }
        let _ = alice.flush().await;
        close_code(&mut alice).await
    };
    let (code, end) = soon(async { tokio::join!(flood, outcome(link)) }).await;
    assert_eq!((code, end), (1008, Err(TransportError::Protocol)));
}

#[tokio::test]
async fn a_cut_reads_as_an_error() {
    let mut server = Server::start().await;
    let (alice, link) = server.foreign().await;
    drop(alice);
    assert_eq!(soon(link.recv()).await, Err(TransportError::Cut));
    assert_eq!(soon(link.recv()).await, Err(TransportError::Cut));
    assert_eq!(soon(link.send(&[frame(1)])).await, Err(TransportError::Cut));
}

#[tokio::test]
async fn a_cut_within_a_frame_reads_as_an_error() {
    let mut server = Server::start().await;
    let (mut alice, link) = server.foreign().await;
    alice.get_mut().write_all(&[0x82, 0xfe, 0x10]).await.unwrap();
    drop(alice);
    assert_eq!(soon(link.recv()).await, Err(TransportError::Cut));
}

#[tokio::test]
async fn a_silent_peer_is_pinged_and_then_given_up() {
    let mut server = Server::with(impatient()).await;
    let (mut alice, link) = server.foreign().await;
    // Alice's machine has lost the network: it neither responds nor closes the connection.
    assert_eq!(soon(link.recv()).await, Err(TransportError::Cut));
    assert!(soon(alice.next()).await.unwrap().unwrap().is_ping());
    assert_eq!(close_code(&mut alice).await, 4408);
}

#[tokio::test]
async fn a_silent_relay_is_given_up() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let relay = tokio::spawn(async move {
        let (tcp, _) = listener.accept().await.unwrap();
        tokio_websockets::ServerBuilder::new().accept(tcp).await.unwrap()
    });
    let link = common::connect(&anocm_core::RelayUrl::parse(&url).unwrap(), impatient()).await;
    let _silent = soon(relay).await.unwrap();
    assert_eq!(soon(link.recv()).await, Err(TransportError::Cut));
}

#[tokio::test]
async fn a_peer_that_takes_nothing_is_given_up() {
    let mut server = Server::with(impatient()).await;
    let (_alice, link) = server.foreign().await;
    let frames = vec![frame(MAX_FRAME); 32];
    assert_eq!(soon(link.send(&frames)).await, Err(TransportError::Cut));
    assert_eq!(soon(link.recv()).await, Err(TransportError::Cut));
}

#[tokio::test]
async fn closing_does_not_wait_for_a_peer_that_is_gone() {
    let mut server = Server::with(impatient()).await;
    let (_alice, link) = server.foreign().await;
    soon(link.close(Closing::GoingAway)).await;
    assert_eq!(soon(link.recv()).await, Ok(None));
}

#[tokio::test]
async fn frames_that_come_with_the_response_are_not_lost() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let relay = tokio::spawn(async move {
        let (mut tcp, _) = listener.accept().await.unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(tcp.read_u8().await.unwrap());
        }
        let head = String::from_utf8(head).unwrap();
        let key = head.lines().find_map(|line| line.strip_prefix("Sec-WebSocket-Key: ")).unwrap();
        let accept = common::accept_key(key);
        let mut answer = format!(
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\
             Connection: Upgrade\r\nSec-WebSocket-Accept: {accept}\r\n\r\n"
        )
        .into_bytes();
        answer.extend([0x82, 0x03, 1, 2, 3]);
        tcp.write_all(&answer).await.unwrap();
        tcp
    });
    let url = anocm_core::RelayUrl::parse(&url).unwrap();
    let link = common::connect(&url, Timing::default()).await;
    assert_eq!(soon(link.recv()).await, Ok(Some(Payload::from(vec![1, 2, 3]))));
    drop(relay);
}
