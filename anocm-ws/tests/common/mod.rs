//! A server on a free port, and links to it.
#![allow(dead_code, reason = "each test file uses some of it")]

use std::{net::SocketAddr, time::Duration};

use anocm_core::{
    Payload, RelayUrl,
    transport::{Link, Transport},
    wire::MAX_FRAME,
};
use anocm_ws::{
    Timing,
    client::{WsOptions, WsTransport},
    server::{WsServerOptions, router},
};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::mpsc,
};

/// No operation on loopback takes this long; a test that would hang fails instead.
pub(crate) const LONG: Duration = Duration::from_secs(20);

/// Fails the test when `future` hangs.
pub(crate) async fn soon<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(LONG, future).await.expect("hangs")
}

/// A server that passes each link to the test.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    links: mpsc::UnboundedReceiver<Box<dyn Link>>,
}

impl Server {
    pub(crate) async fn start() -> Self {
        Self::with(Timing::default()).await
    }

    pub(crate) async fn with(timing: Timing) -> Self {
        // In most tests the first frame is not a hello.
        let max_first_frame = MAX_FRAME;
        Self::with_options(WsServerOptions {
            timing,
            max_first_frame,
            ..WsServerOptions::default()
        })
        .await
    }

    pub(crate) async fn with_options(options: WsServerOptions) -> Self {
        let (give, links) = mpsc::unbounded_channel();
        let accept = move |link| {
            let give = give.clone();
            async move {
                let _ = give.send(link);
            }
        };
        let app = router(accept, options);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move { axum::serve(listener, app).await });
        Self { address, links }
    }

    pub(crate) fn url(&self) -> RelayUrl {
        RelayUrl::parse(&format!("http://{}/", self.address)).unwrap()
    }

    pub(crate) async fn accept(&mut self) -> Box<dyn Link> {
        soon(self.links.recv()).await.unwrap()
    }

    /// Returns both ends of a new connection.
    pub(crate) async fn pair(&mut self, timing: Timing) -> (Box<dyn Link>, Box<dyn Link>) {
        let near = connect(&self.url(), timing).await;
        (near, self.accept().await)
    }

    /// Returns a connection whose client is another WebSocket implementation.
    pub(crate) async fn foreign(
        &mut self,
    ) -> (tokio_websockets::WebSocketStream<TcpStream>, Box<dyn Link>) {
        let tcp = TcpStream::connect(self.address).await.unwrap();
        let uri = format!("ws://{}/ws", self.address);
        let builder = tokio_websockets::ClientBuilder::new().uri(&uri).unwrap();
        let (ws, _) = soon(builder.connect_on(tcp)).await.unwrap();
        (ws, self.accept().await)
    }
}

pub(crate) async fn connect(url: &RelayUrl, timing: Timing) -> Box<dyn Link> {
    let options = WsOptions { timing, ..WsOptions::default() };
    let transport = WsTransport::new(url, options).unwrap();
    soon(transport.connect()).await.unwrap()
}

pub(crate) async fn pair() -> (Box<dyn Link>, Box<dyn Link>) {
    Server::start().await.pair(Timing::default()).await
}

/// Pings after 40 ms, times out after 120 ms.
pub(crate) fn impatient() -> Timing {
    Timing {
        ping_after: Duration::from_millis(40),
        dead_after: Duration::from_millis(120),
        close_within: Duration::from_millis(200),
    }
}

/// A frame whose bytes depend on their position.
pub(crate) fn frame(length: usize) -> Payload {
    let bytes: Vec<u8> = (0..length).map(|at| (at % 251) as u8).collect();
    Payload::from(bytes)
}

/// Returns the accept value for a `Sec-WebSocket-Key`.
pub(crate) fn accept_key(key: &str) -> String {
    let mut sha = sha1_smol::Sha1::new();
    sha.update(key.as_bytes());
    sha.update(b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11");
    data_encoding::BASE64.encode(&sha.digest().bytes())
}
