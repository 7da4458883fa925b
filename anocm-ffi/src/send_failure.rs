//! Why an entry was not sent.

use anocm_core::room;

/// Why a queued entry was not sent.
#[derive(Clone, Debug, PartialEq, Eq, uniffi::Enum)]
#[non_exhaustive]
pub enum SendFailure {
    /// The relay refused it.
    Refused {
        /// The reason in snake case: `full`, `busy`, `read_only` …
        why: String,
    },
    /// Its retention ended before it could be sent.
    Expired,
    /// It could not be encrypted, or the room ended first.
    Impossible,
    /// It was given up before the relay acknowledged it: other members may have received it.
    Unknown,
}

impl From<room::SendFailure> for SendFailure {
    fn from(failure: room::SendFailure) -> Self {
        match failure {
            room::SendFailure::Refused(refusal) => Self::Refused { why: refusal.name().to_owned() },
            room::SendFailure::Expired => Self::Expired,
            room::SendFailure::Unknown => Self::Unknown,
            _ => Self::Impossible,
        }
    }
}

#[cfg(test)]
mod tests {
    use anocm_core::wire::Refusal;

    use super::*;

    #[test]
    fn a_refusal_keeps_its_name() {
        let unsent = SendFailure::from(room::SendFailure::Refused(Refusal::ReadOnly));
        assert_eq!(unsent, SendFailure::Refused { why: "read_only".to_owned() });
    }
}
