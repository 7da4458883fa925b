//! Whether the certificate that guests are shown is valid, and for how long.

use std::{
    fmt,
    path::Path,
    time::{Duration, SystemTime},
};

use tokio_rustls::rustls::pki_types::{CertificateDer, pem::PemObject};
use x509_cert::{Certificate, der::Decode, time::Time};

/// How long before its end the operator is warned of a certificate.
const SOON: Duration = Duration::from_secs(14 * 86_400);

/// What is wrong with a certificate, or will be soon.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Concern {
    NotYet(String),
    Ended(String),
    EndsSoon(String),
    Unreadable,
}

impl Concern {
    /// Returns whether guests refuse it now.
    pub(crate) const fn is_refused(&self) -> bool {
        matches!(self, Self::NotYet(_) | Self::Ended(_))
    }
}

impl fmt::Display for Concern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotYet(since) => {
                write!(f, "the certificate is not valid before {since}: guests refuse it")
            }
            Self::Ended(at) => write!(f, "the certificate ended at {at}: guests refuse it"),
            Self::EndsSoon(at) => {
                write!(f, "the certificate ends at {at}: guests refuse it from then on")
            }
            Self::Unreadable => f.write_str("until when the certificate is valid cannot be read"),
        }
    }
}

/// Returns what is wrong at `now` with the certificates in a PEM file; `None` if all is well.
pub(crate) fn concern(file: &Path, now: SystemTime) -> Option<Concern> {
    let chain =
        CertificateDer::pem_file_iter(file).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    let Some(chain) = chain.ok().filter(|chain| !chain.is_empty()) else {
        return Some(Concern::Unreadable);
    };
    chain.iter().find_map(|certificate| of_one(certificate, now))
}

fn of_one(certificate: &CertificateDer<'_>, now: SystemTime) -> Option<Concern> {
    let Ok(certificate) = Certificate::from_der(certificate) else {
        return Some(Concern::Unreadable);
    };
    let validity = certificate.tbs_certificate().validity();
    let (from, until) = (validity.not_before, validity.not_after);
    // A clock before 1970 counts as 1970.
    let now = now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    if now < from.to_unix_duration() {
        Some(Concern::NotYet(shown(from)))
    } else if now > until.to_unix_duration() {
        Some(Concern::Ended(shown(until)))
    } else if now + SOON > until.to_unix_duration() {
        Some(Concern::EndsSoon(shown(until)))
    } else {
        None
    }
}

fn shown(time: Time) -> String {
    time.to_date_time().to_string()
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, KeyPair, date_time_ymd};

    use super::*;

    /// 2026-06-15, at noon.
    fn now() -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(1_781_524_800)
    }

    #[expect(clippy::disallowed_methods, reason = "a certificate to be read")]
    fn of(from: (i32, u8, u8), until: (i32, u8, u8)) -> Option<Concern> {
        let mut params = CertificateParams::new(["relay.example".to_owned()]).unwrap();
        params.not_before = date_time_ymd(from.0, from.1, from.2);
        params.not_after = date_time_ymd(until.0, until.1, until.2);
        let made = params.self_signed(&KeyPair::generate().unwrap()).unwrap();
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), made.pem()).unwrap();
        concern(file.path(), now())
    }

    #[test]
    fn what_is_valid_for_long_is_no_concern() {
        assert_eq!(of((2026, 1, 1), (2026, 9, 1)), None);
    }

    #[test]
    fn what_is_not_valid_now_or_soon_no_more_is_told() {
        let over = of((2020, 1, 1), (2020, 4, 1)).unwrap();
        assert_eq!(over, Concern::Ended("2020-04-01T00:00:00Z".to_owned()));
        assert!(over.is_refused());
        let early = of((2027, 1, 1), (2027, 4, 1)).unwrap();
        assert!(matches!(early, Concern::NotYet(_)) && early.is_refused());
        let soon = of((2026, 1, 1), (2026, 6, 29)).unwrap();
        assert!(matches!(soon, Concern::EndsSoon(_)) && !soon.is_refused());
        assert_eq!(of((2026, 1, 1), (2026, 7, 1)), None);
    }

    #[test]
    fn what_cannot_be_read_is_told() {
        let file = tempfile::NamedTempFile::new().unwrap();
        assert_eq!(concern(file.path(), now()), Some(Concern::Unreadable));
    }
}
