//! Error types.

use anocm_core::{SettingError, store::StoreError};
use redis::{ErrorKind, RedisError, ServerErrorKind};

/// Why the store could not be opened.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ConnectError {
    /// A setting is out of its range.
    #[error(transparent)]
    Setting(#[from] SettingError),
    /// No server was given, or one has an invalid URL.
    #[error("not the URL of a Redis server")]
    Url,
    /// Not a certificate, or not in PEM format.
    #[error("not a certificate")]
    Certificate,
    /// No server can be reached, or none can be used at present: a retry may succeed.
    #[error("no server can be reached: {0}")]
    Unreachable(String),
    /// The server presents a certificate that is not accepted.
    #[error("the server's certificate is not accepted: {0}")]
    Untrusted(String),
    /// The server rejects this relay's credentials, or grants it too few permissions.
    #[error("the server refuses: {0}")]
    Refused(String),
    /// The server is too old, or is not a server that stores keys.
    #[error("the server cannot be used: {0}")]
    Unsuitable(String),
    /// The memory-only guarantee is violated. One line for each setting to change.
    #[error("the servers keep more than memory:\n{}", .0.join("\n"))]
    Persists(Vec<String>),
    /// The servers do not report whether they persist anything to disk.
    #[error("the servers do not say whether they keep anything on a disk:\n{}", .0.join("\n"))]
    Unknown(Vec<String>),
}

impl ConnectError {
    /// Returns whether a retry may succeed without any change, as with a server that starts later
    /// than the relay or is still loading.
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

/// Returns whether the TLS peer presented an invalid certificate. The Redis library exposes the
/// cause only in its error text, which is that of the TLS library.
fn is_untrusted(error: &RedisError) -> bool {
    error.is_io_error() && error.to_string().contains("invalid peer certificate")
}

/// Maps an error of the connection handshake: explains what a connection closed by the peer may
/// mean.
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

/// Why a command failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// The server does not know the script. Nothing was executed.
    NoScript,
    /// The server does not own the slot, or is busy. Nothing was executed.
    NotHere,
    /// The server is unusable for the time being. Nothing was executed.
    Away,
    /// The server's memory is full. Nothing was executed.
    Full,
    /// Unknown whether the command was executed.
    Unknown,
    /// The server rejects the command, or its response is malformed.
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
