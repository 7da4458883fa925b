//! A relay inside this program, for rooms on this machine.

use std::{net::SocketAddr, sync::Arc};

use anocm_core::{
    RelayUrl, TokioClock,
    relay::{Relay, RelayConfig},
    store::{MemoryLimits, MemoryStore},
    transport::InProcess,
    wire::Posture,
};
use anocm_ws::server::WsServerOptions;
use axum::serve::ListenerExt;
use tokio::{net::TcpListener, task::JoinHandle};

/// Why no relay can run in here.
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
}

/// A relay that runs until [`stop`](Self::stop).
#[derive(Debug)]
pub(crate) struct Embedded {
    relay: Arc<Relay>,
    server: JoinHandle<()>,
    url: RelayUrl,
    listens: SocketAddr,
    here_only: bool,
}

impl Embedded {
    /// Starts a relay that listens at `listen` and goes into links as `public`, or else by the
    /// address it listens at. `posture` is what this process found out about itself.
    pub(crate) async fn start(
        listen: SocketAddr,
        public: Option<RelayUrl>,
        posture: Posture,
    ) -> Result<Self, RelayError> {
        let here_only = public.is_none();
        if here_only && !listen.ip().is_loopback() {
            return Err(RelayError::NeedsPublic(listen));
        }
        let listener = TcpListener::bind(listen).await?;
        let listens = listener.local_addr()?;
        let url = match public {
            Some(url) => url,
            None => RelayUrl::parse(&format!("http://{listens}/"))?,
        };
        let clock = Arc::new(TokioClock::new());
        let store = MemoryStore::new(clock.clone(), MemoryLimits::default());
        store.state_posture(posture);
        let relay = Relay::new(store, clock, RelayConfig::default());
        let serving = relay.clone();
        let accept = move |link| {
            let relay = serving.clone();
            async move { relay.serve(link).await }
        };
        let router = anocm_ws::server::router(accept, WsServerOptions::default());
        // Frames are small and each is waited for.
        let listener = listener.tap_io(|tcp| drop(tcp.set_nodelay(true)));
        let server = tokio::spawn(async move {
            if let Err(error) = axum::serve(listener, router).await {
                tracing::error!(%error, "the relay no longer listens");
            }
        });
        Ok(Self { relay, server, url, listens, here_only })
    }

    /// What goes into links.
    pub(crate) fn url(&self) -> RelayUrl {
        self.url.clone()
    }

    /// The way to it from within this program.
    pub(crate) fn transport(&self) -> InProcess {
        self.relay.transport()
    }

    /// Who can reach it, said plainly.
    pub(crate) fn reach(&self) -> String {
        if self.here_only {
            "inside this program until it ends, for guests on this machine only; for others run \
             anocm-server, or see 'anocm new --help'"
                .to_owned()
        } else {
            format!("inside this program until it ends, at {}", self.listens)
        }
    }

    /// Ends its rooms and itself.
    pub(crate) async fn stop(self) {
        self.relay.shutdown(true).await;
        self.server.abort();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_relay_for_others_needs_an_address_that_works_for_them() {
        let everywhere = "0.0.0.0:0".parse().unwrap();
        let refused = Embedded::start(everywhere, None, Posture::Kept).await;
        assert!(matches!(refused, Err(RelayError::NeedsPublic(_))));
        let public = RelayUrl::parse("http://abcdefghijklmnop.onion/").unwrap();
        let relay = Embedded::start(everywhere, Some(public.clone()), Posture::Kept).await.unwrap();
        assert_eq!(relay.url(), public);
        relay.stop().await;
    }

    #[tokio::test]
    async fn a_relay_here_goes_by_the_port_it_got() {
        let relay =
            Embedded::start("127.0.0.1:0".parse().unwrap(), None, Posture::Kept).await.unwrap();
        let url = RelayUrl::parse(&format!("http://{}/", relay.listens)).unwrap();
        assert_eq!(relay.url(), url);
        assert_ne!(relay.listens.port(), 0);
        assert!(relay.reach().contains("this machine only"));
        relay.stop().await;
    }
}
