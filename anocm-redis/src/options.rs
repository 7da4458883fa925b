//! Addresses of the servers, and how they are reached.

use std::{fmt, time::Duration};

use anocm_core::SettingError;
use redis::{
    ConnectionAddr, ConnectionInfo, IntoConnectionInfo, ProtocolVersion, RedisConnectionInfo,
    io::tcp::TcpSettings,
};
#[cfg(feature = "tls")]
use rustls::pki_types::{CertificateDer, pem::PemObject as _};
use zeroize::Zeroizing;

use crate::ConnectError;

/// The servers' addresses, how they are reached, and how much they may keep.
///
/// # Examples
/// ```
/// use anocm_redis::RedisOptions;
///
/// let mut options = RedisOptions::new(["redis://10.0.0.7:6379"])?;
/// options.set_credentials(Some("anocm"), "a password");
/// options.max_rooms = 10_000;
/// # Ok::<(), anocm_redis::ConnectError>(())
/// ```
#[derive(Clone)]
pub struct RedisOptions {
    pub(crate) servers: Vec<ConnectionInfo>,
    pub(crate) user: Option<String>,
    pub(crate) password: Option<Zeroizing<String>>,
    /// Accepts servers that do not report whether they persist anything to disk. Guests then see an
    /// unknown posture. Default: false.
    pub allow_unknown_posture: bool,
    /// The most rooms of all relays together. Slightly more are possible when many are opened at
    /// once. Default: 100,000.
    pub max_rooms: usize,
    /// Timeout for connecting. Default: 3 s.
    pub connect_timeout: Duration,
    /// Timeout after which the outcome of a command is unknown. Should be longer than a server may
    /// pause. Default: 20 s.
    pub response_timeout: Duration,
}

impl RedisOptions {
    /// Takes a single server, or some nodes of a cluster, from which the others are discovered:
    /// `redis://HOST:PORT`, `rediss://HOST:PORT` with TLS, `unix:///PATH` for a socket. A URL may
    /// hold `USER:PASSWORD@`. Prefer [`set_credentials`](Self::set_credentials), since other users
    /// can see the arguments of a program.
    ///
    /// # Errors
    /// [`ConnectError::Url`] when there is no URL, or one is invalid.
    pub fn new<T: IntoConnectionInfo>(
        servers: impl IntoIterator<Item = T>,
    ) -> Result<Self, ConnectError> {
        let servers: Result<Vec<_>, _> =
            servers.into_iter().map(IntoConnectionInfo::into_connection_info).collect();
        let servers = servers.map_err(|_| ConnectError::Url)?;
        if servers.is_empty() || servers.iter().any(|server| !server.addr().is_supported()) {
            return Err(ConnectError::Url);
        }
        Ok(Self {
            servers,
            user: None,
            password: None,
            allow_unknown_posture: false,
            max_rooms: 100_000,
            connect_timeout: Duration::from_secs(3),
            response_timeout: Duration::from_secs(20),
        })
    }

    /// Checks that all settings are valid.
    ///
    /// # Errors
    /// [`SettingError`] names the first field that is out of its range.
    pub fn check(&self) -> Result<(), SettingError> {
        let times = Duration::from_millis(10)..=Duration::from_secs(3_600);
        for (value, field) in
            [(self.connect_timeout, "connect_timeout"), (self.response_timeout, "response_timeout")]
        {
            SettingError::unless_in(&times, &value, field, "from 10ms to 1h")?;
        }
        SettingError::unless_in(&(1..=usize::MAX), &self.max_rooms, "max_rooms", "at least 1")
    }

    /// Returns whether any of the URLs holds a password.
    #[must_use]
    pub fn has_password_in_url(&self) -> bool {
        self.servers.iter().any(|server| server.redis_settings().password().is_some())
    }

    /// Trusts certificates of this authority (PEM) instead of the public ones.
    ///
    /// # Errors
    /// [`ConnectError::Certificate`] when `pem` holds no valid certificate.
    #[cfg(feature = "tls")]
    pub fn set_root_certificate(&mut self, pem: &[u8]) -> Result<(), ConnectError> {
        // The library accepts a PEM without a certificate as an authority that certifies nothing.
        let mut certificates = CertificateDer::pem_slice_iter(pem);
        if !matches!(certificates.next(), Some(Ok(_))) {
            return Err(ConnectError::Certificate);
        }
        for server in &mut self.servers {
            if matches!(server.addr(), ConnectionAddr::TcpTls { .. }) {
                let certificates =
                    redis::TlsCertificates { client_tls: None, root_cert: Some(pem.to_vec()) };
                let client = redis::Client::build_with_tls(server.clone(), certificates);
                let client = client.map_err(|_| ConnectError::Certificate)?;
                *server = client.get_connection_info().clone();
            }
        }
        Ok(())
    }

    /// Sets the user name. The password is that of the URL unless [another](Self::set_credentials)
    /// is given.
    pub fn set_user(&mut self, user: &str) {
        self.user = Some(user.to_owned());
    }

    /// Sets user name and password. Without a user it is the server's default user.
    pub fn set_credentials(&mut self, user: Option<&str>, password: &str) {
        self.user = user.map(str::to_owned);
        self.password = Some(Zeroizing::new(password.to_owned()));
    }

    /// Returns the connection settings for one of the servers.
    pub(crate) fn reach(&self, server: &ConnectionInfo, addr: ConnectionAddr) -> ConnectionInfo {
        let of_url = server.redis_settings();
        let mut settings = RedisConnectionInfo::default()
            .set_protocol(ProtocolVersion::RESP3)
            .set_db(of_url.db())
            .set_skip_set_lib_name();
        if let Some(user) = self.user.as_deref().or(of_url.username()) {
            settings = settings.set_username(user);
        }
        if let Some(password) = self.password.as_deref().map(String::as_str).or(of_url.password()) {
            settings = settings.set_password(password);
        }
        let tcp = TcpSettings::default().set_nodelay(true);
        server.clone().set_addr(addr).set_tcp_settings(tcp).set_redis_settings(settings)
    }
}

impl fmt::Debug for RedisOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RedisOptions(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_work_is_refused_by_its_name() {
        let refused = |change: fn(&mut RedisOptions)| {
            let mut options = RedisOptions::new(["redis://localhost"]).unwrap();
            assert_eq!(options.check(), Ok(()));
            change(&mut options);
            options.check().unwrap_err().field
        };
        assert_eq!(refused(|options| options.max_rooms = 0), "max_rooms");
        assert_eq!(refused(|options| options.connect_timeout = Duration::ZERO), "connect_timeout");
        assert_eq!(refused(|options| options.response_timeout = Duration::MAX), "response_timeout");
    }
}
