//! Why a relay cannot be reached: a plain value, returned by transports and shown by rooms.

/// Why a link cannot be opened or has failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TransportError {
    /// The relay cannot be reached.
    #[error("the relay cannot be reached")]
    Unreachable,
    /// The proxy on the way to the relay cannot be reached.
    #[error("the proxy cannot be reached")]
    ProxyUnreachable,
    /// What was reached is not a relay, or refused the connection.
    #[error("the relay refused the connection")]
    Refused,
    /// The relay's certificate is not trusted, for none of the reasons below.
    #[error("the relay's certificate is not trusted")]
    Untrusted,
    /// The relay's certificate has expired, or this machine's clock is ahead.
    #[error("the relay's certificate has expired, or this machine's clock is ahead")]
    CertificateExpired,
    /// The relay's certificate is not valid yet, or this machine's clock is behind.
    #[error("the relay's certificate is not valid yet, or this machine's clock is behind")]
    CertificateNotYetValid,
    /// The relay's certificate is for another name than the one in the relay's URL.
    #[error("the relay's certificate is for another name")]
    CertificateOtherName,
    /// The relay's certificate comes from an authority that is not trusted here.
    #[error("the relay's certificate comes from an authority that is not trusted here")]
    CertificateUnknownAuthority,
    /// The connection was lost.
    #[error("the connection was cut")]
    Cut,
    /// A frame above the length limit was received.
    #[error("a frame was too long")]
    TooLong,
    /// The other side violated the transport's own protocol.
    #[error("the other side broke the transport's protocol")]
    Protocol,
}
