//! A relay reached through a WebSocket.

mod dial;
mod tls;
mod upgrade;

use std::{fmt, sync::Arc, time::Duration};

use anocm_core::{
    RelayUrl, SettingError,
    transport::{Link, Transport, TransportError},
};
use async_trait::async_trait;
use bytes::Bytes;
use tokio::time::timeout;
pub use tokio_rustls::rustls;
use tokio_rustls::rustls::{ClientConfig, pki_types::CertificateDer};

use crate::{
    Timing,
    link::{IngressBudget, Io, MeteredIo, Side, WsLink},
};

/// How long one try to connect may take.
const DIRECT_TIMEOUT: Duration = Duration::from_secs(30);
/// The same through a proxy.
const PROXY_TIMEOUT: Duration = Duration::from_secs(120);

/// How a relay is reached.
///
/// # Examples
/// ```
/// use anocm_ws::client::WsOptions;
/// let through_tor = WsOptions {
///     socks5: Some("127.0.0.1:9050".to_owned()),
///     ..Default::default()
/// };
/// ```
#[derive(Clone, Default)]
pub struct WsOptions {
    /// A SOCKS5 proxy as `HOST:PORT`. Everything then goes through it, loopback too, and it
    /// resolves the relay's name. Each connection shows it a random user name and password, for
    /// which Tor uses a circuit of its own; a try that came to no end leaves them to the next one,
    /// which goes on with the same circuit. Without one, `.onion` relays cannot be reached.
    pub socks5: Option<String>,
    /// Certificates to trust besides the public authorities.
    pub extra_roots: Vec<CertificateDer<'static>>,
    /// A TLS configuration to use as it is, instead of this crate's; `extra_roots` then mean
    /// nothing. Turn resumption off in it: a session ticket lets a relay link two connections.
    pub tls: Option<Arc<ClientConfig>>,
    /// How long one try to connect may take altogether, from 10 ms to 50 minutes. `None`: 30
    /// seconds, and through a proxy two minutes, since a circuit of Tor may take a minute and more.
    /// A client has patience of its own, see `ClientConfig::connect_timeout`.
    pub connect_within: Option<Duration>,
    /// Pings and patience once connected.
    pub timing: Timing,
}

impl WsOptions {
    /// Trusts the certificates in a PEM file, too.
    ///
    /// # Errors
    /// [`WsError::BadRoot`] when it holds none, or one that cannot be read.
    pub fn trust_pem(&mut self, pem: &[u8]) -> Result<(), WsError> {
        self.extra_roots.extend(tls::certificates(pem).ok_or(WsError::BadRoot)?);
        Ok(())
    }

    fn connect_timeout(&self) -> Result<Duration, SettingError> {
        let usual = if self.socks5.is_some() { PROXY_TIMEOUT } else { DIRECT_TIMEOUT };
        let within = self.connect_within.unwrap_or(usual);
        let range = Duration::from_millis(10)..=Duration::from_secs(3_000);
        SettingError::unless_in(&range, &within, "connect_within", "from 10ms to 50m")?;
        Ok(within)
    }
}

impl fmt::Debug for WsOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WsOptions")
            .field("connect_within", &self.connect_within)
            .field("timing", &self.timing)
            .finish_non_exhaustive()
    }
}

/// Why a transport cannot be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum WsError {
    /// Looking a `.onion` name up outside Tor would tell the resolver where the guest goes.
    #[error("an onion relay needs a SOCKS5 proxy")]
    OnionWithoutProxy,
    /// The proxy is not `HOST:PORT`.
    #[error("the proxy is not HOST:PORT")]
    BadProxy,
    /// An extra root certificate is none.
    #[error("an extra root certificate cannot be used")]
    BadRoot,
    /// An option is out of its range.
    #[error(transparent)]
    Setting(#[from] SettingError),
}

/// A [`Transport`] to one relay: `wss://` for `https` URLs, `ws://` for the `http` ones, which
/// are of loopback or onion services. The WebSocket is at the URL's path followed by `ws`.
///
/// The request carries nothing that could tell one guest from another: no `User-Agent`, no
/// `Origin`, no cookies; TLS sessions are not resumed.
///
/// Needs a tokio runtime with I/O and time. Pings are sent and answered by whoever calls
/// [`Link::recv`], so a link wants somebody who always receives; nothing runs by itself, and
/// nothing is left running when a link is dropped.
pub struct WsTransport {
    url: RelayUrl,
    target: upgrade::Target,
    dialer: dial::Dialer,
    /// Absent for `http`.
    tls: Option<tls::Tls>,
    connect_within: Duration,
    timing: Timing,
}

impl WsTransport {
    /// A transport to the relay at `url`. Does not connect yet.
    ///
    /// # Errors
    /// [`WsError`] when the options cannot work for that relay.
    pub fn new(url: &RelayUrl, options: WsOptions) -> Result<Self, WsError> {
        if url.is_onion() && options.socks5.is_none() {
            return Err(WsError::OnionWithoutProxy);
        }
        let connect_within = options.connect_timeout()?;
        options.timing.check()?;
        let target = upgrade::Target::new(url);
        // As it is connected to: without the brackets of an IPv6 address.
        let host = url.host().trim_matches(['[', ']']);
        let tls = if url.scheme_is_secure() {
            let config = match options.tls {
                Some(config) => config,
                None => tls::config(options.extra_roots).ok_or(WsError::BadRoot)?,
            };
            Some(tls::Tls::new(config, host))
        } else {
            None
        };
        let dialer =
            dial::Dialer::new(host, url.port(), options.socks5).ok_or(WsError::BadProxy)?;
        Ok(Self { url: url.clone(), target, dialer, tls, connect_within, timing: options.timing })
    }

    async fn open(&self) -> Result<WsLink, TransportError> {
        let tcp = self.dialer.dial().await?;
        match &self.tls {
            Some(tls) => self.upgrade(tls.wrap(tcp).await?).await,
            None => self.upgrade(tcp).await,
        }
    }

    async fn upgrade(&self, mut io: impl Io) -> Result<WsLink, TransportError> {
        let ahead: Bytes = self.target.upgrade(&mut io).await?;
        Ok(WsLink::new(
            MeteredIo::new(io, ahead, IngressBudget::default()),
            Side::Client,
            self.timing,
        ))
    }
}

#[async_trait]
impl Transport for WsTransport {
    fn relay(&self) -> &RelayUrl {
        &self.url
    }

    async fn connect(&self) -> Result<Box<dyn Link>, TransportError> {
        match timeout(self.connect_within, self.open()).await {
            Ok(link) => Ok(Box::new(link?)),
            Err(_) => Err(TransportError::Unreachable),
        }
    }
}

impl fmt::Debug for WsTransport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("WsTransport(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_try_through_a_proxy_may_take_longer() {
        let straight = WsOptions::default();
        let proxied = WsOptions { socks5: Some("127.0.0.1:9050".to_owned()), ..straight.clone() };
        let told = WsOptions { connect_within: Some(Duration::from_secs(300)), ..proxied.clone() };
        let patience = [straight, proxied, told].map(|options| options.connect_timeout().unwrap());
        assert_eq!(patience.map(|within| within.as_secs()), [30, 120, 300]);
    }
}
