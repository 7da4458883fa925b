//! Any text as an invite link.

use anocm_core::{Invite, InviteError, RelayUrl, RoomAddress, Secret};

use crate::marks::reached;

/// Occurs in an error only if the error repeats its input.
const CANARY: &str = "zq7canary7qz";

/// Parses any text as a link and as the URL of a relay. A parsed value prints as a text that parses
/// to the same value, and no error repeats its input.
pub fn invite(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    if let Ok(invite) = Invite::parse(text) {
        reached("invite");
        check_links(&invite);
    }
    if let Ok(relay) = RelayUrl::parse(text) {
        reached("relay");
        check_relay(relay);
    }
    let middle = (0..=text.len() / 2).rev().find(|&at| text.is_char_boundary(at)).unwrap_or(0);
    for at in [0, middle, text.len()] {
        let (before, after) = text.split_at(at);
        let marked = format!("{before}{CANARY}{after}");
        check_error(Invite::parse(&marked).err());
        check_error(RelayUrl::parse(&marked).err());
    }
}

fn check_error(error: Option<InviteError>) {
    let Some(error) = error else { return };
    reached("error");
    let said = format!("{error} {error:?}").to_ascii_lowercase();
    assert!(!said.contains(CANARY), "{said}");
}

fn check_relay(relay: RelayUrl) {
    assert_eq!(RelayUrl::parse(&relay.to_string()).as_ref(), Ok(&relay));
    assert!(relay.scheme_is_secure() || relay.is_loopback() || relay.is_onion());
    assert!(relay.path().starts_with('/') && relay.path().ends_with('/'));
    check_links(&Invite::new(relay, RoomAddress::new([7; 16]), Secret::new([9; 32])));
}

fn check_links(invite: &Invite) {
    for link in [invite.to_link(), invite.to_anocm()] {
        let read = Invite::parse(&link);
        assert_eq!(read.as_ref(), Ok(invite));
        // Tolerated decoration does not change the result.
        for wrapped in [format!(" <{}>\n", *link), format!("\t{} ", *link)] {
            assert_eq!(Invite::parse(&wrapped), read);
        }
        // An invite has only one spelling: other encodings are refused.
        for other in [format!("{}A", *link), format!("{}=", *link), link.replace('#', "?#")] {
            assert!(Invite::parse(&other).is_err());
        }
    }
    assert_eq!(format!("{invite:?}"), "Invite(..)");
    assert!(invite.qr().is_ok(), "every link fits a QR code");
}
