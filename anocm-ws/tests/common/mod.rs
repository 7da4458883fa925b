//! A server on a free port, and links to it.
#![allow(dead_code, reason = "each test file uses some of it")]

use std::{future::ready, net::SocketAddr, time::Duration};

use anocm_core::{
    Payload, RelayUrl,
    transport::{Link, Transport},
    wire::MAX_FRAME,
};
use anocm_ws::{
    Timing,
    client::{WsOptions, WsTransport},
    server::{WsServerOptions, WsUpgrade, router},
};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::mpsc,
};
use tokio_websockets::{ClientBuilder, Config, WebSocketStream};

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
        let accept = move |upgrade: WsUpgrade| {
            let give = give.clone();
            ready(upgrade.on_link(|link| async move { drop(give.send(link)) }))
        };
        Self { address: serve(router(accept, options)).await, links }
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
    pub(crate) async fn foreign(&mut self) -> (WebSocketStream<TcpStream>, Box<dyn Link>) {
        self.foreign_with(Config::default()).await
    }

    pub(crate) async fn foreign_with(
        &mut self,
        config: Config,
    ) -> (WebSocketStream<TcpStream>, Box<dyn Link>) {
        (foreign(self.address, config).await, self.accept().await)
    }
}

/// Returns a client of another WebSocket implementation.
pub(crate) async fn foreign(address: SocketAddr, config: Config) -> WebSocketStream<TcpStream> {
    let tcp = TcpStream::connect(address).await.unwrap();
    let builder = ClientBuilder::new().uri(&format!("ws://{address}/ws")).unwrap();
    let (ws, _) = soon(builder.config(config).connect_on(tcp)).await.unwrap();
    ws
}

/// Serves `app` on a free port, and returns its address.
pub(crate) async fn serve(app: axum::Router) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, app).await });
    address
}

/// Returns a router that sends every frame back.
pub(crate) fn echo() -> axum::Router {
    let echo = |link: Box<dyn Link>| async move {
        while let Ok(Some(frame)) = link.recv().await {
            link.send(&[frame]).await.unwrap();
        }
    };
    router(move |upgrade: WsUpgrade| ready(upgrade.on_link(echo)), WsServerOptions::default())
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
