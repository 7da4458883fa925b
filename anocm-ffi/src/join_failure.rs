//! Why a guest is not let in.

use anocm_core::room;

/// Why a guest was not let in.
#[derive(Clone, Debug, PartialEq, Eq, uniffi::Enum)]
#[non_exhaustive]
pub enum JoinFailure {
    /// There is no such room, or no longer.
    NoSuchRoom,
    /// The link was replaced by another.
    LinkReplaced,
    /// What the door shows cannot be opened with the link.
    BadDoor,
    /// The relay refuses.
    Refused {
        /// Why, in snake case: `full`, `busy`, `read_only` …
        why: String,
    },
    /// The relay allows no room with these settings, nor with lower ones that were tried.
    Settings,
    /// Others were faster, too often in a row.
    TooManyTries,
    /// Members took the guest's join back, again and again.
    TakenBack,
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
