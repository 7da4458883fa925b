//! The contract of `Transport`, over real sockets.
#![cfg(all(feature = "client", feature = "server"))]
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{future::ready, time::Duration};

use anocm_core::{
    RelayUrl,
    testing::transport::{Accepted, TransportFactory},
    transport::Transport,
    wire::MAX_FRAME,
};
use anocm_ws::{
    Timing,
    client::{WsOptions, WsTransport},
    server::{WsServerOptions, router},
};
use tokio::net::TcpListener;

struct WebSocket;

#[async_trait::async_trait]
impl TransportFactory for WebSocket {
    async fn start(&self) -> (Box<dyn Transport>, Accepted) {
        // The cases close one side before they look at the other, so nobody answers the close.
        let timing = Timing { close_within: Duration::from_millis(100), ..Timing::default() };
        let (accept, accepted) = Accepted::new();
        let accept = move |link| {
            accept(link);
            ready(())
        };
        let app = router(
            accept,
            WsServerOptions { timing, max_first_frame: MAX_FRAME, ..WsServerOptions::default() },
        );
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, app).await });
        let options = WsOptions { timing, ..WsOptions::default() };
        let url = RelayUrl::parse(&url).unwrap();
        (Box::new(WsTransport::new(&url, options).unwrap()), accepted)
    }
}

anocm_core::transport_conformance!(WebSocket);
