//! What can go wrong.

use anocm_core::{SettingError, store::StoreError};
use redis::{ErrorKind, RedisError, ServerErrorKind};

/// Why there is no store.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ConnectError {
    /// A setting that cannot work.
    #[error(transparent)]
    Setting(#[from] SettingError),
    /// No server was named, or one not as it should be.
    #[error("not the URL of a Redis server")]
    Url,
    /// Not a certificate, or not in PEM.
    #[error("not a certificate")]
    Certificate,
    /// None of the servers can be reached, or none can be used now: it may be so later.
    #[error("no server can be reached: {0}")]
    Unreachable(String),
    /// The server shows a certificate that is not accepted.
    #[error("the server's certificate is not accepted: {0}")]
    Untrusted(String),
    /// The server does not know this relay, or lets it do too little.
    #[error("the server refuses: {0}")]
    Refused(String),
    /// The server is too old, or not of the kind that keeps keys.
    #[error("the server cannot be used: {0}")]
    Unsuitable(String),
    /// The memory-only promise is broken: what to change, line by line.
    #[error("the servers keep more than memory:\n{}", .0.join("\n"))]
    Persists(Vec<String>),
    /// The servers do not say whether they keep anything on a disk.
    #[error("the servers do not say whether they keep anything on a disk:\n{}", .0.join("\n"))]
    Unknown(Vec<String>),
}

impl ConnectError {
    /// Whether the same may succeed later without any change: a server that starts later than the
    /// relay, or one that is still loading.
    #[must_use]
    pub const fn is_retryable(&self) -> bool {
        matches!(self, Self::Unreachable(_))
    }
}

impl From<RedisError> for ConnectError {
    fn from(error: RedisError) -> Self {
        let why = error.to_string();
        match Fault::of(&error) {
            _ if is_untrusted(&error) => Self::Untrusted(why),
            _ if error.kind() == ErrorKind::RESP3NotSupported => Self::Unsuitable(
                "it does not know HELLO, and RESP3 is needed: Redis 7 or Valkey, and no proxy in \
                 between that knows less"
                    .to_owned(),
            ),
            Fault::Unknown | Fault::Away | Fault::NotHere => Self::Unreachable(why),
            _ => Self::Refused(why),
        }
    }
}

/// Whether the other end of a TLS connection is not who it should be. The library for Redis hides
/// the cause behind its words, which are those of the library for TLS.
fn is_untrusted(error: &RedisError) -> bool {
    error.is_io_error() && error.to_string().contains("invalid peer certificate")
}

/// An error of a connection's first steps: says what it may mean that the other end hung up.
pub(crate) fn at_hello(error: RedisError) -> RedisError {
    if error.is_io_error() && error.is_connection_dropped() && !error.is_connection_refusal() {
        let why = "the connection was ended at HELLO: no server is behind it, or a proxy that does \
                   not know RESP3, which is needed, or it expects TLS";
        return (ErrorKind::Io, why).into();
    }
    let is_unknown = |detail: &str| detail.to_ascii_lowercase().starts_with("unknown command");
    if error.detail().is_some_and(is_unknown) {
        return (ErrorKind::RESP3NotSupported, "HELLO is not known").into();
    }
    error
}

/// Why the server did not do what it was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// It does not know the script, and did nothing.
    NoScript,
    /// It is not the one to ask, or not now, and did nothing.
    NotHere,
    /// It cannot be used at all for the time being, and did nothing.
    Away,
    /// Its memory is full, and it did nothing.
    Full,
    /// Nobody knows whether it did anything.
    Unknown,
    /// It does not take this relay's word, or answered nonsense.
    Failed,
}

impl Fault {
    pub(crate) fn of(error: &RedisError) -> Self {
        match error.kind() {
            ErrorKind::Server(ServerErrorKind::NoScript) => Self::NoScript,
            ErrorKind::Server(
                ServerErrorKind::Moved | ServerErrorKind::Ask | ServerErrorKind::TryAgain,
            ) => Self::NotHere,
            ErrorKind::Server(
                ServerErrorKind::ClusterDown
                | ServerErrorKind::MasterDown
                | ServerErrorKind::ReadOnly
                | ServerErrorKind::BusyLoading,
            ) => Self::Away,
            ErrorKind::Io | ErrorKind::ClusterConnectionNotFound => Self::Unknown,
            _ => match error.code() {
                Some("OOM") => Self::Full,
                Some("BUSY") => Self::NotHere,
                // Too few replicas, or a snapshot that failed.
                Some("NOREPLICAS" | "MISCONF") => Self::Away,
                _ => Self::Failed,
            },
        }
    }
}

impl From<Fault> for StoreError {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Full => Self::Full,
            Fault::Failed | Fault::NoScript => Self::Backend,
            Fault::NotHere | Fault::Away | Fault::Unknown => Self::Unavailable,
        }
    }
}

impl From<crate::codec::Malformed> for Fault {
    fn from(_: crate::codec::Malformed) -> Self {
        tracing::warn!("a server answered what no script of this version makes");
        Self::Failed
    }
}
