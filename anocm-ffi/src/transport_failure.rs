//! Why there is no connection.

use anocm_core::transport::TransportError;

/// Why a relay cannot be reached, or why a connection was lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq, uniffi::Enum)]
#[non_exhaustive]
pub enum TransportFailure {
    /// The relay cannot be reached.
    Unreachable,
    /// The proxy cannot be reached.
    ProxyUnreachable,
    /// The peer is not a relay, or refused the connection.
    Refused,
    /// The relay's certificate is not trusted, for none of the reasons below.
    Untrusted,
    /// The relay's certificate has expired, or this machine's clock is ahead.
    CertificateExpired,
    /// The relay's certificate is not valid yet, or this machine's clock is behind.
    CertificateNotYetValid,
    /// The relay's certificate is for another name than the one in the relay's URL.
    CertificateOtherName,
    /// The relay's certificate was issued by an authority that is not trusted here.
    CertificateUnknownAuthority,
    /// The connection was cut.
    Cut,
    /// A frame longer than the limit arrived.
    TooLong,
    /// The peer violated the transport protocol.
    Protocol,
}

impl From<TransportError> for TransportFailure {
    fn from(error: TransportError) -> Self {
        match error {
            TransportError::ProxyUnreachable => Self::ProxyUnreachable,
            TransportError::Refused => Self::Refused,
            TransportError::Untrusted => Self::Untrusted,
            TransportError::CertificateExpired => Self::CertificateExpired,
            TransportError::CertificateNotYetValid => Self::CertificateNotYetValid,
            TransportError::CertificateOtherName => Self::CertificateOtherName,
            TransportError::CertificateUnknownAuthority => Self::CertificateUnknownAuthority,
            TransportError::Cut => Self::Cut,
            TransportError::TooLong => Self::TooLong,
            TransportError::Protocol => Self::Protocol,
            _ => Self::Unreachable,
        }
    }
}

impl From<TransportFailure> for TransportError {
    fn from(failure: TransportFailure) -> Self {
        match failure {
            TransportFailure::Unreachable => Self::Unreachable,
            TransportFailure::ProxyUnreachable => Self::ProxyUnreachable,
            TransportFailure::Refused => Self::Refused,
            TransportFailure::Untrusted => Self::Untrusted,
            TransportFailure::CertificateExpired => Self::CertificateExpired,
            TransportFailure::CertificateNotYetValid => Self::CertificateNotYetValid,
            TransportFailure::CertificateOtherName => Self::CertificateOtherName,
            TransportFailure::CertificateUnknownAuthority => Self::CertificateUnknownAuthority,
            TransportFailure::Cut => Self::Cut,
            TransportFailure::TooLong => Self::TooLong,
            TransportFailure::Protocol => Self::Protocol,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_transport_says_is_what_the_room_says() {
        for error in [
            TransportError::Unreachable,
            TransportError::ProxyUnreachable,
            TransportError::Refused,
            TransportError::Untrusted,
            TransportError::CertificateExpired,
            TransportError::CertificateNotYetValid,
            TransportError::CertificateOtherName,
            TransportError::CertificateUnknownAuthority,
            TransportError::Cut,
            TransportError::TooLong,
            TransportError::Protocol,
        ] {
            assert_eq!(TransportError::from(TransportFailure::from(error)), error);
        }
    }
}
