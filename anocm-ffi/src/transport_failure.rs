//! Why there is no connection.

use anocm_core::transport::TransportError;

/// Why a relay cannot be reached, or why a connection was lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq, uniffi::Enum)]
#[non_exhaustive]
pub enum TransportFailure {
    /// The relay cannot be reached.
    Unreachable,
    /// The proxy on the way to the relay cannot be reached.
    ProxyUnreachable,
    /// What was reached is not a relay, or refused the connection.
    Refused,
    /// The relay's certificate is not to be trusted.
    Untrusted,
    /// The connection was cut.
    Cut,
    /// A frame longer than the limit arrived.
    TooLong,
    /// The other side broke the transport's own protocol.
    Protocol,
}

impl From<TransportError> for TransportFailure {
    fn from(error: TransportError) -> Self {
        match error {
            TransportError::ProxyUnreachable => Self::ProxyUnreachable,
            TransportError::Refused => Self::Refused,
            TransportError::Untrusted => Self::Untrusted,
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
            TransportError::Cut,
            TransportError::TooLong,
            TransportError::Protocol,
        ] {
            assert_eq!(TransportError::from(TransportFailure::from(error)), error);
        }
    }
}
