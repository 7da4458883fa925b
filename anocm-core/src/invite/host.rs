//! Host names and addresses in their one canonical spelling.

use std::net::{Ipv4Addr, Ipv6Addr};

use super::InviteError;

const MAX_HOST: usize = 253;
const MAX_LABEL: usize = 63;

/// A host in canonical form: lower-case name, dotted quad, or IPv6 address as in RFC 5952.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Host {
    Name(String),
    V4(Ipv4Addr),
    V6(Ipv6Addr),
}

impl Host {
    /// Parses a host as written in a URL, an IPv6 address in brackets.
    pub(super) fn parse(text: &str) -> Result<Self, InviteError> {
        if !text.is_ascii() {
            return Err(InviteError::NonAsciiHost);
        }
        if let Some(rest) = text.strip_prefix('[') {
            let inner = rest.strip_suffix(']').ok_or(InviteError::BadHost)?;
            return inner.parse().map(Self::V6).map_err(|_| InviteError::BadHost);
        }
        let name = text.to_ascii_lowercase();
        if name.len() > MAX_HOST || !name.split('.').all(is_label) {
            return Err(InviteError::BadHost);
        }
        // Some programs read a name whose last label is a number as an address, others as a name
        // (`127.1`, `0x7f.1`). Only the dotted quad is unambiguous.
        if name.rsplit('.').next().is_some_and(is_number) {
            return name.parse().map(Self::V4).map_err(|_| InviteError::BadHost);
        }
        Ok(Self::Name(name))
    }

    pub(super) fn is_loopback(&self) -> bool {
        match self {
            Self::Name(name) => name == "localhost",
            Self::V4(address) => address.is_loopback(),
            Self::V6(address) => address.is_loopback(),
        }
    }

    pub(super) fn is_onion(&self) -> bool {
        matches!(self, Self::Name(name) if name.ends_with(".onion"))
    }
}

fn is_label(label: &str) -> bool {
    (1..=MAX_LABEL).contains(&label.len())
        && !label.starts_with('-')
        && !label.ends_with('-')
        && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
}

fn is_number(label: &str) -> bool {
    let hex = label
        .strip_prefix("0x")
        .is_some_and(|digits| digits.bytes().all(|b| b.is_ascii_hexdigit()));
    hex || label.bytes().all(|b| b.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_has_one_spelling() {
        assert_eq!(Host::parse("Relay.EXAMPLE"), Ok(Host::Name("relay.example".to_owned())));
        assert_eq!(
            Host::parse("xn--bcher-kva.example"),
            Ok(Host::Name("xn--bcher-kva.example".to_owned()))
        );
        assert_eq!(Host::parse("192.0.2.1"), Ok(Host::V4(Ipv4Addr::new(192, 0, 2, 1))));
        assert_eq!(Host::parse("[0:0:0:0::1]"), Ok(Host::V6(Ipv6Addr::LOCALHOST)));
    }

    #[test]
    fn hosts_that_programs_read_differently_are_refused() {
        let long_label = "a".repeat(64);
        let long_name = "a.".repeat(127) + "aa";
        for host in [
            "",
            ".",
            "a..b",
            "a.",
            ".a",
            "-a",
            "a-",
            "a_b",
            "a b",
            "a%41",
            "127.1",
            "0x7f.1",
            "0x7f000001",
            "2130706433",
            "0177.0.0.1",
            "1.2.3.256",
            "1.2.3.4.",
            "[::1",
            "::1",
            "[]",
            "[::1%eth0]",
            "[1.2.3.4]",
            "a\\b",
            "a]b",
            &long_label,
            &long_name,
        ] {
            assert_eq!(Host::parse(host), Err(InviteError::BadHost), "{host}");
        }
        assert_eq!(Host::parse("bücher.example"), Err(InviteError::NonAsciiHost));
        assert_eq!(Host::parse("rеlay.example"), Err(InviteError::NonAsciiHost));
    }

    #[test]
    fn only_this_machine_is_loopback() {
        for host in ["localhost", "127.0.0.1", "127.255.0.9", "[::1]"] {
            assert!(Host::parse(host).unwrap().is_loopback(), "{host}");
        }
        for host in [
            "localhost.example",
            "notlocalhost",
            "127.example",
            "126.0.0.1",
            "0.0.0.0",
            "[::]",
            "[::ffff:127.0.0.1]",
        ] {
            assert!(!Host::parse(host).unwrap().is_loopback(), "{host}");
        }
        assert!(Host::parse("abc.onion").unwrap().is_onion());
        assert!(!Host::parse("abc.onion.example").unwrap().is_onion());
        assert!(!Host::parse("onion").unwrap().is_onion());
    }
}
