//! The conformance tests of `Transport`, over real sockets.
#![cfg(all(feature = "client", feature = "server"))]
#![expect(
    clippy::cast_possible_truncation,
    clippy::expect_used,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

mod common;

use std::{future::ready, net::SocketAddr};

use anocm_core::{
    RelayUrl,
    testing::transport::{Accepted, TransportFactory},
    transport::{Link, Transport},
    wire::MAX_FRAME,
};
use anocm_ws::{
    client::{WsOptions, WsTransport},
    server::{WsServerOptions, WsUpgrade, router},
};
use futures_util::SinkExt;
use tokio_websockets::{Config, Message};

struct WebSocket;

#[async_trait::async_trait]
impl TransportFactory for WebSocket {
    async fn start(&self) -> (Box<dyn Transport>, Accepted) {
        let (address, accepted) = serve().await;
        let url = RelayUrl::parse(&format!("http://{address}/")).unwrap();
        (Box::new(WsTransport::new(&url, WsOptions::default()).unwrap()), accepted)
    }

    async fn oversized(&self, length: usize) -> Box<dyn Link> {
        let (address, mut accepted) = serve().await;
        // Another client implementation, which sends frames of up to four megabytes.
        let mut peer = common::foreign(address, Config::default()).await;
        let link = accepted.next().await;
        tokio::spawn(async move {
            // The peer cuts the connection while this is still being sent, so it may fail.
            let _ = peer.send(Message::binary(vec![0; length])).await;
        });
        link
    }
}

/// Serves links on a free port.
async fn serve() -> (SocketAddr, Accepted) {
    let (accept, accepted) = Accepted::new();
    let accept = move |upgrade: WsUpgrade| {
        let accept = accept.clone();
        ready(upgrade.on_link(move |link| {
            accept(link);
            ready(())
        }))
    };
    let options = WsServerOptions { max_first_frame: MAX_FRAME, ..WsServerOptions::default() };
    (common::serve(router(accept, options)).await, accepted)
}

anocm_core::transport_conformance!(WebSocket);
