//! The TCP connection to a relay, direct or through a SOCKS5 proxy.

use std::{
    io,
    net::IpAddr,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use anocm_core::transport::TransportError;
use data_encoding::HEXLOWER;
use futures_util::{StreamExt, stream::FuturesUnordered};
use tokio::{
    net::{TcpStream, lookup_host},
    time::sleep,
};
use tokio_socks::tcp::Socks5Stream;

/// The delay before the next address is tried in parallel (RFC 8305, section 5).
const STAGGER: Duration = Duration::from_millis(250);

/// Opens TCP connections to one host and port.
pub(super) struct Dialer {
    host: String,
    port: u16,
    proxy: Option<(String, u16)>,
    /// The SOCKS5 credentials of the last attempt, if it was cancelled before the proxy replied.
    unused: Mutex<Option<Credentials>>,
}

/// SOCKS5 credentials. Tor isolates connections with different credentials from each other.
#[derive(Clone)]
struct Credentials {
    user: String,
    password: String,
}

/// Stores the credentials for reuse if the attempt is cancelled before the proxy has replied: the
/// proxy is already building a circuit for them, and the next attempt can use it.
struct Try<'a> {
    credentials: Option<Credentials>,
    unused: &'a Mutex<Option<Credentials>>,
}

impl Drop for Try<'_> {
    fn drop(&mut self) {
        if let Some(credentials) = self.credentials.take() {
            *lock(self.unused) = Some(credentials);
        }
    }
}

impl Dialer {
    /// Returns `None` when the proxy is not `HOST:PORT`.
    pub(super) fn new(host: &str, port: u16, proxy: Option<String>) -> Option<Self> {
        let proxy = match proxy {
            None => None,
            Some(proxy) => Some(host_and_port(&proxy)?),
        };
        Some(Self { host: host.to_owned(), port, proxy, unused: Mutex::default() })
    }

    /// Whether connections go through a proxy that is not known to be on this machine.
    pub(super) fn has_remote_proxy(&self) -> bool {
        self.proxy.as_ref().is_some_and(|(host, _)| {
            let is_loopback = host.parse().is_ok_and(|address: IpAddr| address.is_loopback());
            !is_loopback && !host.eq_ignore_ascii_case("localhost")
        })
    }

    pub(super) async fn dial(&self) -> Result<TcpStream, TransportError> {
        let Some((proxy, port)) = &self.proxy else {
            let connected = connect(&self.host, self.port).await;
            return connected.map_err(|error| failed(TransportError::Unreachable, &error));
        };
        let connected = connect(proxy, *port).await;
        let tcp = connected.map_err(|error| failed(TransportError::ProxyUnreachable, &error))?;
        self.ask(tcp).await
    }

    /// Has the proxy connect. The proxy gets the host name, so no local DNS lookup takes place.
    async fn ask(&self, proxy: TcpStream) -> Result<TcpStream, TransportError> {
        let target = (self.host.as_str(), self.port);
        let left = lock(&self.unused).take();
        let credentials = match left {
            Some(left) => left,
            None => Credentials { user: random()?, password: random()? },
        };
        let mut attempt = Try { credentials: Some(credentials.clone()), unused: &self.unused };
        let Credentials { user, password } = &credentials;
        let socks =
            Socks5Stream::connect_with_password_and_socket(proxy, target, user, password).await;
        // The attempt is complete. After a success the credentials belong to this connection alone;
        // after a failure the next attempt uses new ones.
        attempt.credentials = None;
        match socks {
            Ok(stream) => Ok(stream.into_inner()),
            Err(error) => {
                let why = blame(&error);
                tracing::debug!(%why, "the proxy did not connect");
                Err(why)
            }
        }
    }
}

/// Tells apart a relay that the proxy cannot reach and a proxy that cannot be used.
fn blame(error: &tokio_socks::Error) -> TransportError {
    use tokio_socks::Error;
    match error {
        Error::GeneralSocksServerFailure
        | Error::ConnectionNotAllowedByRuleset
        | Error::NetworkUnreachable
        | Error::HostUnreachable
        | Error::ConnectionRefused
        | Error::TtlExpired
        | Error::CommandNotSupported
        | Error::AddressTypeNotSupported
        | Error::InvalidTargetAddress(_)
        // The library reports every unknown reply code as this, such as Tor's codes for onion
        // services.
        | Error::UnknownAuthMethod => TransportError::Unreachable,
        _ => TransportError::ProxyUnreachable,
    }
}

fn failed(why: TransportError, error: &io::Error) -> TransportError {
    tracing::debug!(kind = %error.kind(), %why);
    why
}

fn lock(unused: &Mutex<Option<Credentials>>) -> MutexGuard<'_, Option<Credentials>> {
    unused.lock().unwrap_or_else(PoisonError::into_inner)
}

fn random() -> Result<String, TransportError> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(|_| TransportError::Unreachable)?;
    Ok(HEXLOWER.encode(&bytes))
}

/// Connects to the first address of the host that responds. Starts the attempts one after the
/// other, [`STAGGER`] apart or as soon as one has failed.
async fn connect(host: &str, port: u16) -> io::Result<TcpStream> {
    let mut addresses = lookup_host((host, port)).await?;
    let mut attempts = FuturesUnordered::new();
    let mut last = io::Error::from(io::ErrorKind::AddrNotAvailable);
    loop {
        let more = match addresses.next() {
            Some(address) => {
                attempts.push(TcpStream::connect(address));
                true
            }
            None if attempts.is_empty() => return Err(last),
            None => false,
        };
        tokio::select! {
            Some(attempt) = attempts.next() => match attempt {
                Ok(stream) => {
                    // Without this, a short frame waits for the acknowledgement of the one before
                    // it.
                    stream.set_nodelay(true)?;
                    return Ok(stream);
                }
                Err(error) => last = error,
            },
            () = sleep(STAGGER), if more => {}
        }
    }
}

fn host_and_port(proxy: &str) -> Option<(String, u16)> {
    let (host, port) = proxy.rsplit_once(':')?;
    let host = match host.strip_prefix('[') {
        Some(address) => address.strip_suffix(']')?,
        None if host.contains(':') => return None,
        None => host,
    };
    let port = port.parse().ok().filter(|port| *port != 0)?;
    (!host.is_empty()).then(|| (host.to_owned(), port))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proxy_is_a_host_and_a_port() {
        let tor = Some(("127.0.0.1".to_owned(), 9050));
        assert_eq!(host_and_port("127.0.0.1:9050"), tor);
        assert_eq!(host_and_port("[::1]:9050"), Some(("::1".to_owned(), 9050)));
        for bad in ["", "tor", ":9050", "tor:", "tor:0", "tor:99999", "::1:9050", "[::1:9050"] {
            assert_eq!(host_and_port(bad), None, "{bad}");
        }
    }
}
