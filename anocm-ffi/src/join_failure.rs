//! Why a guest could not join.

use anocm_core::room;

/// Why a guest could not join.
#[derive(Clone, Debug, PartialEq, Eq, uniffi::Enum)]
#[non_exhaustive]
pub enum JoinFailure {
    /// The room does not exist, or has ended.
    NoSuchRoom,
    /// The link was replaced by another.
    LinkReplaced,
    /// The room's door cannot be opened with the link.
    BadDoor,
    /// The relay refused the request.
    Refused {
        /// The reason in snake case: `full`, `busy`, `read_only` …
        why: String,
    },
    /// The relay allows no room with these settings, nor with the lower ones that were tried.
    Settings,
    /// Other commits were faster, too often in a row.
    TooManyTries,
    /// Members voided the guest's join several times.
    TakenBack,
    /// The room has rules of a later version of the protocol.
    NewerProgram,
}

impl From<room::JoinFailure> for JoinFailure {
    fn from(failure: room::JoinFailure) -> Self {
        match failure {
            room::JoinFailure::NoSuchRoom => Self::NoSuchRoom,
            room::JoinFailure::LinkReplaced => Self::LinkReplaced,
            room::JoinFailure::BadDoor => Self::BadDoor,
            room::JoinFailure::Refused(refusal) => Self::Refused { why: refusal.name().to_owned() },
            room::JoinFailure::TakenBack => Self::TakenBack,
            room::JoinFailure::Settings => Self::Settings,
            room::JoinFailure::NewerProgram => Self::NewerProgram,
            _ => Self::TooManyTries,
        }
    }
}

#[cfg(test)]
mod tests {
    use anocm_core::wire::Refusal;

    use super::*;

    #[test]
    fn a_refusal_keeps_its_name() {
        let refused = JoinFailure::from(room::JoinFailure::Refused(Refusal::Full));
        assert_eq!(refused, JoinFailure::Refused { why: "full".to_owned() });
    }
}
