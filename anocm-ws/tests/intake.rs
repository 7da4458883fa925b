//! The ingress budget: limits on incoming data before it has been processed.
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
    transport::{Link, TransportError},
    wire::{MAX_FRAME, MAX_HELLO},
};
use anocm_ws::server::WsServerOptions;
use common::{Server, frame, soon};
use futures_util::SinkExt;
use tokio::io::AsyncWriteExt;
use tokio_websockets::Message;

async fn received(link: &dyn Link) -> Payload {
    soon(link.recv()).await.expect("an error").expect("the end")
}

#[tokio::test]
async fn nothing_is_kept_of_a_first_frame_that_can_be_no_hello() {
    let mut server = Server::with_options(WsServerOptions::default()).await;
    let (mut mallory, link) = server.foreign().await;
    let tcp = mallory.get_mut();
    // The header of a binary message that is one byte too long, masked with zeros, and its first
    // byte.
    let length = u16::try_from(MAX_HELLO + 1).unwrap().to_be_bytes();
    tcp.write_all(&[&[0x82, 0xfe], length.as_slice(), &[0; 4], &[7]].concat()).await.unwrap();
    assert_eq!(soon(link.recv()).await, Err(TransportError::Cut));
}

#[tokio::test]
async fn a_ping_before_the_hello_changes_nothing() {
    let mut server = Server::with_options(WsServerOptions::default()).await;
    let (mut alice, link) = server.foreign().await;
    alice.send(Message::ping("")).await.unwrap();
    alice.send(Message::binary(frame(MAX_HELLO).into_bytes())).await.unwrap();
    assert_eq!(received(&*link).await, frame(MAX_HELLO));
    // Later frames may have the maximum length.
    let longest = Message::binary(frame(MAX_FRAME).into_bytes());
    let (sent, longest) = tokio::join!(alice.send(longest), received(&*link));
    sent.unwrap();
    assert_eq!(longest, frame(MAX_FRAME));

    let (mut mallory, link) = server.foreign().await;
    mallory.send(Message::ping("")).await.unwrap();
    let longest = Message::binary(frame(MAX_FRAME).into_bytes());
    let (_, cut) = tokio::join!(mallory.send(longest), soon(link.recv()));
    assert_eq!(cut, Err(TransportError::Cut));
}
