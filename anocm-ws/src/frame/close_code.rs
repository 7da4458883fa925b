//! Why a connection closes (RFC 6455, section 7.4).

use anocm_core::transport::{Closing, TransportError};

/// A status code of a close frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct CloseCode(u16);

impl CloseCode {
    pub(crate) const NORMAL: Self = Self(1_000);
    pub(crate) const GOING_AWAY: Self = Self(1_001);
    pub(crate) const PROTOCOL_ERROR: Self = Self(1_002);
    pub(crate) const UNSUPPORTED_DATA: Self = Self(1_003);
    pub(crate) const INVALID_DATA: Self = Self(1_007);
    pub(crate) const POLICY_VIOLATION: Self = Self(1_008);
    pub(crate) const TOO_BIG: Self = Self(1_009);
    /// In the range for private use.
    pub(crate) const TIMEOUT: Self = Self(4_408);

    pub(crate) fn to_bytes(self) -> [u8; 2] {
        self.0.to_be_bytes()
    }

    /// Returns the error of a link whose peer was refused with this code.
    pub(crate) fn error(self) -> TransportError {
        match self {
            Self::TOO_BIG => TransportError::TooLong,
            _ => TransportError::Protocol,
        }
    }

    /// Checks the payload of a close frame: empty, or a code that may be sent and a reason in
    /// UTF-8.
    ///
    /// # Errors
    /// The code with which the frame is refused.
    pub(crate) fn check(payload: &[u8]) -> Result<(), Self> {
        let Some((code, reason)) = payload.split_first_chunk() else {
            return if payload.is_empty() { Ok(()) } else { Err(Self::PROTOCOL_ERROR) };
        };
        match u16::from_be_bytes(*code) {
            1_000..=1_003 | 1_007..=1_014 | 3_000..=4_999 => {}
            _ => return Err(Self::PROTOCOL_ERROR),
        }
        std::str::from_utf8(reason).map(drop).map_err(|_| Self::INVALID_DATA)
    }
}

impl From<Closing> for CloseCode {
    fn from(why: Closing) -> Self {
        match why {
            Closing::GoingAway => Self::GOING_AWAY,
            Closing::Protocol => Self::PROTOCOL_ERROR,
            Closing::TooLong => Self::TOO_BIG,
            Closing::Timeout => Self::TIMEOUT,
            _ => Self::NORMAL,
        }
    }
}
