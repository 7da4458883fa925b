//! A relay embedded in this program, for rooms on this machine.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use anocm_core::{
    RelayUrl, TokioClock,
    relay::{Relay, RelayConfig},
    store::{MemoryLimits, MemoryStore},
    transport::InProcess,
    wire::Posture,
};
use anocm_ws::server::{ListenOptions, Server, Serving, WsServerOptions, relay_router};

/// Why no embedded relay can run.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RelayError {
    #[error(
        "a link to {0} would work on this machine only, since plain http is not for networks: \
         put an onion service or a TLS proxy before --listen and name it with --public, or run \
         anocm-server"
    )]
    NeedsPublic(SocketAddr),
    #[error("cannot listen: {0}")]
    Listen(#[from] std::io::Error),
    #[error("cannot make a link: {0}")]
    Url(#[from] anocm_core::InviteError),
    #[error(transparent)]
    Setting(#[from] anocm_core::SettingError),
}

/// A relay that runs until [`stop`](Self::stop).
#[derive(Debug)]
pub(crate) struct Embedded {
    serving: Serving,
    url: RelayUrl,
    here_only: bool,
}

impl Embedded {
    /// Starts a relay that listens at `listen`. Links contain `public`, or else the address it
    /// listens at. `posture` is what this process found out about its own hardening.
    pub(crate) async fn start(
        listen: SocketAddr,
        public: Option<RelayUrl>,
        posture: Posture,
    ) -> Result<Self, RelayError> {
        let here_only = public.is_none();
        if here_only && !listen.ip().is_loopback() {
            return Err(RelayError::NeedsPublic(listen));
        }
        let clock = Arc::new(TokioClock::new());
        let store = MemoryStore::new(clock.clone(), MemoryLimits::default())?;
        store.state_posture(posture);
        let relay = Relay::new(store, clock, RelayConfig::default())?;
        // Any web page that is open on this machine can reach a local relay, so refuse origins. A
        // web client at a public address is a page, too, so allow them there.
        let options = WsServerOptions { refuse_origin: here_only, ..WsServerOptions::default() };
        let routes = relay_router(&relay, options);
        let server = Server::bind(listen, relay, ListenOptions::default()).await?;
        let url = match public {
            Some(url) => url,
            None => RelayUrl::parse(&format!("http://{}/", server.local_addr()))?,
        };
        Ok(Self { serving: server.serve(routes), url, here_only })
    }

    /// Returns the in-process transport to the relay.
    pub(crate) fn transport(&self) -> InProcess {
        self.serving.relay().transport().known_as(self.url.clone())
    }

    /// Describes in plain words which clients can reach the relay.
    pub(crate) fn reach(&self) -> String {
        if self.here_only {
            "inside this program until it ends, for guests on this machine only; for others run \
             anocm-server, or see 'anocm new --help'"
                .to_owned()
        } else {
            format!("inside this program until it ends, at {}", self.serving.local_addr())
        }
    }

    /// Ends the rooms and the relay. Connections that have not ended within `within` are left
    /// alone.
    pub(crate) async fn stop(self, within: Duration) {
        // The program ends in any case.
        let _ = self.serving.shutdown(true, within).await;
    }
}

#[cfg(test)]
mod tests {
    use anocm_core::transport::{Transport as _, TransportError};
    use anocm_ws::client::{WsOptions, WsTransport};
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    /// Nothing here takes as long.
    const LONG: Duration = Duration::from_secs(20);

    #[tokio::test]
    async fn a_relay_for_others_needs_an_address_that_works_for_them() {
        let everywhere = "0.0.0.0:0".parse().unwrap();
        let refused = Embedded::start(everywhere, None, Posture::Kept).await;
        assert!(matches!(refused, Err(RelayError::NeedsPublic(_))));
        let public = RelayUrl::parse("http://abcdefghijklmnop.onion/").unwrap();
        let relay = Embedded::start(everywhere, Some(public.clone()), Posture::Kept).await.unwrap();
        assert_eq!(*relay.transport().relay(), public);
        relay.stop(LONG).await;
    }

    #[tokio::test]
    async fn a_relay_here_goes_by_the_port_it_got() {
        let relay =
            Embedded::start("127.0.0.1:0".parse().unwrap(), None, Posture::Kept).await.unwrap();
        let url = RelayUrl::parse(&format!("http://{}/", relay.serving.local_addr())).unwrap();
        assert_eq!(*relay.transport().relay(), url);
        assert_ne!(relay.serving.local_addr().port(), 0);
        assert!(relay.reach().contains("this machine only"));
        relay.stop(LONG).await;
    }

    /// Returns why a page of another site cannot connect to the relay, if it cannot.
    async fn refusal_of_a_page(relay: &Embedded) -> Option<TransportError> {
        let port = relay.serving.local_addr().port();
        let url = RelayUrl::parse(&format!("http://127.0.0.1:{port}/")).unwrap();
        let mut options = WsOptions::default();
        options.headers.insert("Origin", "https://elsewhere.example").unwrap();
        WsTransport::new(&url, options).unwrap().connect().await.err()
    }

    #[tokio::test]
    async fn a_relay_for_this_machine_is_for_no_page() {
        let (anywhere, here) = ("0.0.0.0:0".parse().unwrap(), "127.0.0.1:0".parse().unwrap());
        let relay = Embedded::start(here, None, Posture::Kept).await.unwrap();
        assert_eq!(refusal_of_a_page(&relay).await, Some(TransportError::Refused));
        relay.stop(LONG).await;
        // Guests may use a web client.
        let public = RelayUrl::parse("http://abcdefghijklmnop.onion/").unwrap();
        let relay = Embedded::start(anywhere, Some(public), Posture::Kept).await.unwrap();
        assert_eq!(refusal_of_a_page(&relay).await, None);
        relay.stop(LONG).await;
    }

    #[tokio::test]
    async fn a_connection_is_for_one_request() {
        let here = "127.0.0.1:0".parse().unwrap();
        let relay = Embedded::start(here, None, Posture::Kept).await.unwrap();
        let mut tcp = tokio::net::TcpStream::connect(relay.serving.local_addr()).await.unwrap();
        tcp.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
        let mut answer = String::new();
        let ended = tcp.read_to_string(&mut answer);
        tokio::time::timeout(LONG, ended).await.unwrap().unwrap();
        assert!(answer.starts_with("HTTP/1.1 404 "), "{answer}");
        relay.stop(LONG).await;
    }
}
