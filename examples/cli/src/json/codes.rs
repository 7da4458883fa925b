//! Stable error codes for programs.

use anocm_core::{
    room::{CommandError, JoinFailure, SendFailure},
    transport::TransportError,
};

/// An error that a later version of the library adds.
const OTHER: &str = "other";

/// A line that is no known command.
pub(super) const BAD_REQUEST: &str = "bad_request";

pub(super) const fn of_command(error: CommandError) -> &'static str {
    match error {
        CommandError::NotInRoom => "not_in_room",
        CommandError::NoSuchMember => "no_such_member",
        CommandError::NotAllowed => "not_allowed",
        CommandError::TooLong { .. } => "too_long",
        CommandError::Empty => "empty",
        CommandError::QueueFull => "queue_full",
        CommandError::BeyondPolicy => "beyond_policy",
        CommandError::Broken => "broken",
        _ => OTHER,
    }
}

pub(super) const fn of_sending(failure: SendFailure) -> &'static str {
    match failure {
        SendFailure::Refused(refusal) => refusal.name(),
        SendFailure::Expired => "expired",
        SendFailure::Impossible => "impossible",
        SendFailure::Unknown => "unknown",
        _ => OTHER,
    }
}

pub(super) const fn of_joining(failure: JoinFailure) -> &'static str {
    match failure {
        JoinFailure::NoSuchRoom => "no_such_room",
        JoinFailure::LinkReplaced => "link_replaced",
        JoinFailure::BadDoor => "bad_door",
        JoinFailure::Refused(refusal) => refusal.name(),
        JoinFailure::Settings => "settings",
        JoinFailure::TooManyTries => "too_many_tries",
        JoinFailure::TakenBack => "taken_back",
        JoinFailure::NewerProgram => "newer_program",
        _ => OTHER,
    }
}

pub(super) const fn of_connection(error: TransportError) -> &'static str {
    match error {
        TransportError::Unreachable => "unreachable",
        TransportError::ProxyUnreachable => "proxy_unreachable",
        TransportError::Refused => "refused",
        TransportError::Untrusted => "untrusted",
        TransportError::CertificateExpired => "certificate_expired",
        TransportError::CertificateNotYetValid => "certificate_not_yet_valid",
        TransportError::CertificateOtherName => "certificate_other_name",
        TransportError::CertificateUnknownAuthority => "certificate_unknown_authority",
        TransportError::Cut => "cut",
        TransportError::TooLong => "too_long",
        TransportError::Protocol => "protocol",
        _ => OTHER,
    }
}
