//! What can go wrong.

use anocm_core::store::StoreError;
use redis::{ErrorKind, RedisError, ServerErrorKind};

/// Why there is no store.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ConnectError {
    /// No server was named, or one not as it should be.
    #[error("not the URL of a Redis server")]
    Url,
    /// Not a certificate, or not in PEM.
    #[error("not a certificate")]
    Certificate,
    /// None of the servers can be reached.
    #[error("no server can be reached: {0}")]
    Unreachable(String),
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

/// Why the server did not do what it was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// It does not know the script, and did nothing.
    NoScript,
    /// It is not the one to ask, or not now, and did nothing.
    NotHere,
    /// Its memory is full, and it did nothing.
    Full,
    /// Nobody knows whether it did anything.
    Unknown,
    /// It does not take this relay's word, or answered nonsense.
    Failed,
}

impl From<RedisError> for Fault {
    fn from(error: RedisError) -> Self {
        match error.kind() {
            ErrorKind::Server(ServerErrorKind::NoScript) => Self::NoScript,
            ErrorKind::Server(
                ServerErrorKind::Moved
                | ServerErrorKind::Ask
                | ServerErrorKind::TryAgain
                | ServerErrorKind::ClusterDown
                | ServerErrorKind::MasterDown
                | ServerErrorKind::ReadOnly
                | ServerErrorKind::BusyLoading,
            ) => Self::NotHere,
            ErrorKind::Io | ErrorKind::ClusterConnectionNotFound => Self::Unknown,
            _ => match error.code() {
                Some("OOM") => Self::Full,
                Some("BUSY") => Self::NotHere,
                code => {
                    // The rest of what it says could name a key.
                    tracing::warn!("a server failed: {}", code.unwrap_or("no code"));
                    Self::Failed
                }
            },
        }
    }
}

impl From<Fault> for StoreError {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Full => Self::Full,
            Fault::Failed | Fault::NoScript => Self::Backend,
            Fault::NotHere | Fault::Unknown => Self::Unavailable,
        }
    }
}

impl From<crate::codec::Malformed> for Fault {
    fn from(_: crate::codec::Malformed) -> Self {
        tracing::warn!("a server answered what no script of this version makes");
        Self::Failed
    }
}
