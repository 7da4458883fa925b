//! Invite links: the relay, the room's address, and the secret that opens its door.
//!
//! URLs are parsed here and not by the `url` crate. That crate depends on some twenty crates of
//! Unicode data, which a browser would have to load, and it corrects its input (back slashes, tabs,
//! `0x7f.1`, percent signs). An invite has exactly one spelling, and ambiguous input is refused.

mod error;
mod host;
mod link;
#[cfg(feature = "qr")]
mod qr;
mod relay_url;

use std::{fmt, str::FromStr};

use zeroize::Zeroizing;

pub use error::InviteError;
pub use relay_url::RelayUrl;

use crate::{id::RoomAddress, secret::Secret};

/// The link with which a guest joins: relay, address, and a 32-byte secret the relay never sees.
///
/// Every holder of the link can join, so it is never printed: `Debug` is redacted, there is no
/// `Display`, and no [`InviteError`] contains any part of the input.
///
/// # Examples
/// ```
/// use anocm_core::{Invite, InviteError, RelayUrl, RoomAddress, Secret};
///
/// let relay = RelayUrl::parse("https://relay.example/chat/")?;
/// let invite = Invite::new(relay, RoomAddress::new([7; 16]), Secret::new([9; 32]));
///
/// let link = invite.to_link();
/// assert!(link.starts_with("https://relay.example/chat/#AQ"));
/// assert_eq!(Invite::parse(&link)?, invite);
/// assert_eq!(link.parse::<Invite>()?, invite);
///
/// // Any typo is noticed, in the host as well.
/// let typo = link.replace("relay", "delay");
/// assert_eq!(Invite::parse(&typo), Err(InviteError::Damaged));
/// # Ok::<(), InviteError>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Invite {
    relay: RelayUrl,
    address: RoomAddress,
    secret: Secret<32>,
}

impl Invite {
    /// Makes an invite.
    #[must_use]
    pub fn new(relay: RelayUrl, address: RoomAddress, secret: Secret<32>) -> Self {
        Self { relay, address, secret }
    }

    /// Parses a link of the form of [`to_link`](Self::to_link) or of [`to_anocm`](Self::to_anocm).
    ///
    /// Tolerates the changes that mail programs and keyboards make to a link (spaces and angle
    /// brackets around it, an upper-case host, a default port, a missing slash before the `#`) and
    /// nothing else.
    ///
    /// # Errors
    /// [`InviteError`] with the reason, without any part of the link.
    pub fn parse(link: &str) -> Result<Self, InviteError> {
        link::parse(link)
    }

    /// The link for browsers and messengers: `https://HOST[:PORT]/[PATH/]#…`. The page at that
    /// address is the relay's web client; the part after the `#` never reaches a server.
    #[must_use]
    pub fn to_link(&self) -> Zeroizing<String> {
        link::to_text(self, self.relay.scheme())
    }

    /// The link for the command line and for programs that registered the scheme:
    /// `anocm://HOST…/#…`, or `anocm+http://…` where the relay is reached by plain `http`.
    #[must_use]
    pub fn to_anocm(&self) -> Zeroizing<String> {
        link::to_text(self, self.relay.anocm_scheme())
    }

    /// The link as a QR code made of text, two rows of the code in each line, each line ending
    /// with a line feed, with the quiet zone that scanners need.
    ///
    /// Light squares are drawn and dark ones left out, which is right for light text on a dark
    /// background. A front end with a light background sets both colours itself.
    ///
    /// # Errors
    /// [`InviteError::TooLong`] when the link does not fit into a QR code. No link that
    /// [`RelayUrl::parse`] accepts is that long.
    #[cfg(feature = "qr")]
    pub fn qr(&self) -> Result<Zeroizing<String>, InviteError> {
        qr::to_text(&self.to_link())
    }

    /// The relay.
    #[must_use]
    pub fn relay(&self) -> &RelayUrl {
        &self.relay
    }

    /// The room's address.
    #[must_use]
    pub fn address(&self) -> &RoomAddress {
        &self.address
    }

    /// The secret.
    #[must_use]
    pub fn secret(&self) -> &Secret<32> {
        &self.secret
    }
}

impl FromStr for Invite {
    type Err = InviteError;

    /// Like [`Invite::parse`].
    fn from_str(link: &str) -> Result<Self, InviteError> {
        Self::parse(link)
    }
}

impl fmt::Debug for Invite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Invite(..)")
    }
}
