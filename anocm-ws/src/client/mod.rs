//! The client transport: a relay reached over a WebSocket.

mod dial;
mod headers;
mod tls;
mod upgrade;

use std::{fmt, sync::Arc, time::Duration};

use anocm_core::{
    RelayUrl, SettingError,
    transport::{Link, Transport, TransportError},
};
use async_trait::async_trait;
use bytes::Bytes;
pub use headers::{HeaderError, UpgradeHeaders};
use tokio::time::timeout;
pub use tokio_rustls::rustls;
use tokio_rustls::rustls::{ClientConfig, pki_types::CertificateDer};

use crate::{
    Timing,
    frame::{IngressBudget, Io, MeteredIo, Side},
    link::WsLink,
};

/// The timeout of one direct connection attempt.
const DIRECT_TIMEOUT: Duration = Duration::from_secs(30);
/// The timeout of one connection attempt through a proxy.
const PROXY_TIMEOUT: Duration = Duration::from_secs(120);

/// How to connect to a relay.
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
    /// A SOCKS5 proxy as `HOST:PORT`. All connections then go through it, to loopback too, and it
    /// resolves the relay's name. Each connection uses a random user name and password, for which
    /// Tor builds a separate circuit. A cancelled attempt leaves them to the next one, which
    /// continues with the same circuit. Without a proxy, `.onion` relays cannot be reached.
    pub socks5: Option<String>,
    /// Certificates to trust in addition to the public authorities.
    pub extra_roots: Vec<CertificateDer<'static>>,
    /// A TLS configuration to use unchanged instead of this crate's; `extra_roots` are then
    /// ignored. Disable session resumption in it: a session ticket lets a relay link two
    /// connections.
    pub tls: Option<Arc<ClientConfig>>,
    /// The timeout of one whole connection attempt, from 10 ms to 50 minutes. `None`: 30 seconds,
    /// or two minutes through a proxy, since building a Tor circuit may take more than a minute. A
    /// client has a timeout of its own, see `ClientConfig::connect_timeout`.
    pub connect_within: Option<Duration>,
    /// Headers to send with the upgrade request. None by default.
    pub headers: UpgradeHeaders,
    /// Keepalive interval and timeouts of an open connection.
    pub timing: Timing,
}

impl WsOptions {
    /// Adds the certificates of a PEM file to the trusted ones.
    ///
    /// # Errors
    /// [`WsError::BadRoot`] when the file holds no certificate, or one that cannot be parsed.
    pub fn trust_pem(&mut self, pem: &[u8]) -> Result<(), WsError> {
        self.extra_roots.extend(tls::certificates(pem).ok_or(WsError::BadRoot)?);
        Ok(())
    }

    /// Checks that every option is in its range. A transport checks them as well, and whether the
    /// proxy and the certificates can be used.
    ///
    /// # Errors
    /// [`SettingError`] names the first field that is out of its range.
    pub fn check(&self) -> Result<(), SettingError> {
        self.connect_timeout()?;
        self.timing.check()
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

/// Why a transport cannot be created.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum WsError {
    /// A `.onion` relay without a proxy: looking the name up outside Tor would reveal it to the
    /// resolver.
    #[error("an onion relay needs a SOCKS5 proxy")]
    OnionWithoutProxy,
    /// The proxy is not `HOST:PORT`.
    #[error("the proxy is not HOST:PORT")]
    BadProxy,
    /// An extra root certificate is not valid.
    #[error("an extra root certificate cannot be used")]
    BadRoot,
    /// Headers that would go without TLS to a proxy on another machine, over a network. A relay
    /// that is reached like that needs an `https` URL.
    #[error("headers would be sent in clear to a proxy on another machine")]
    InClear,
    /// An option is out of its range.
    #[error(transparent)]
    Setting(#[from] SettingError),
}

/// A [`Transport`] to one relay: `wss://` for `https` URLs, `ws://` for `http` URLs, which are
/// limited to loopback and onion services. The WebSocket is at the URL's path followed by `ws`.
///
/// Apart from [`WsOptions::headers`], the request carries nothing that distinguishes one guest from
/// another: no `User-Agent`, no `Origin`, no cookies; TLS sessions are not resumed.
///
/// Requires a tokio runtime with I/O and time. Pings are sent and answered inside [`Link::recv`],
/// so one task must always be receiving on a link. No background task is started, and none remains
/// when a link is dropped.
pub struct WsTransport {
    url: RelayUrl,
    target: upgrade::Target,
    dialer: dial::Dialer,
    /// `None` for `http`.
    tls: Option<tls::Tls>,
    connect_within: Duration,
    timing: Timing,
}

impl WsTransport {
    /// Creates a transport to the relay at `url`. Does not connect yet.
    ///
    /// # Errors
    /// [`WsError`] when the options are invalid for that relay.
    pub fn new(url: &RelayUrl, options: WsOptions) -> Result<Self, WsError> {
        if url.is_onion() && options.socks5.is_none() {
            return Err(WsError::OnionWithoutProxy);
        }
        let connect_within = options.connect_timeout()?;
        options.timing.check()?;
        // The host as passed to the dialer: without the brackets of an IPv6 address.
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
        // A URL without TLS is that of this machine or of an onion service, so that only the way to
        // the proxy is left.
        let in_clear = tls.is_none() && dialer.has_remote_proxy();
        if in_clear && !options.headers.is_empty() {
            return Err(WsError::InClear);
        }
        let target = upgrade::Target::new(url, options.headers);
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
        let never = WsOptions { connect_within: Some(Duration::MAX), ..WsOptions::default() };
        assert_eq!(never.check().unwrap_err().field, "connect_within");
    }
}
