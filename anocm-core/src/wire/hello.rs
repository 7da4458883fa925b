//! The first frame of each side.

use serde::{Deserialize, Serialize};

use super::{WireError, decode, encode};
use crate::secret::Payload;

/// The protocol version of this library.
pub const VERSION: u16 = 1;

/// The longest hello in bytes; a longer one is refused before it is decoded.
pub const MAX_HELLO: usize = 256;

const MAGIC: [u8; 5] = *b"anocm";

/// The versions that the client supports. Contains nothing that identifies a client.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClientHello {
    /// Oldest supported version.
    pub oldest: u16,
    /// Newest supported version.
    pub newest: u16,
}

impl Default for ClientHello {
    fn default() -> Self {
        Self { oldest: VERSION, newest: VERSION }
    }
}

/// The relay's reply to a [`ClientHello`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum RelayHello {
    /// The connection continues in this version.
    Welcome {
        /// The negotiated version.
        version: u16,
        /// What the relay has determined about its own memory-only promise.
        posture: Posture,
    },
    /// No common version; the relay closes the connection.
    Unsupported {
        /// Oldest version that the relay supports.
        oldest: u16,
        /// Newest version that the relay supports.
        newest: u16,
    },
}

impl RelayHello {
    /// Returns the reply to `client`: the newest version that both sides support.
    #[must_use]
    pub fn negotiate(client: &ClientHello, posture: Posture) -> Self {
        if client.oldest <= VERSION && VERSION <= client.newest {
            Self::Welcome { version: VERSION, posture }
        } else {
            Self::Unsupported { oldest: VERSION, newest: VERSION }
        }
    }
}

/// A relay's statement about its own memory-only promise. It is self-reported: it detects mistakes,
/// not a lying operator. Ordered from best to worst.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[expect(clippy::exhaustive_enums, reason = "three-valued by design")]
pub enum Posture {
    /// Everything that can be checked was checked and keeps the promise.
    Kept,
    /// Something could not be checked.
    Unknown,
    /// Something that was checked breaks the promise.
    Broken,
}

/// A first frame: the hello of one side, preceded by the protocol's magic bytes.
pub trait Hello: Serialize + for<'a> Deserialize<'a> {
    /// Returns the frame: `"anocm"` and the encoded hello.
    #[must_use]
    fn to_frame(&self) -> Payload {
        encode(&(MAGIC, self))
    }

    /// Decodes a first frame.
    ///
    /// # Errors
    /// [`WireError`] when the frame is too long, of another protocol, or damaged.
    fn from_frame(frame: &[u8]) -> Result<Self, WireError> {
        let (magic, hello): ([u8; 5], Self) = decode(frame, MAX_HELLO)?;
        if magic == MAGIC { Ok(hello) } else { Err(WireError::Malformed) }
    }
}

impl Hello for ClientHello {}
impl Hello for RelayHello {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_meet_or_the_relay_says_what_it_speaks() {
        let speaks =
            |oldest, newest| RelayHello::negotiate(&ClientHello { oldest, newest }, Posture::Kept);
        let welcome = RelayHello::Welcome { version: 1, posture: Posture::Kept };
        assert_eq!(speaks(1, 1), welcome);
        assert_eq!(speaks(0, 9), welcome);
        assert_eq!(speaks(2, 9), RelayHello::Unsupported { oldest: 1, newest: 1 });
        assert_eq!(speaks(0, 0), RelayHello::Unsupported { oldest: 1, newest: 1 });
    }

    #[test]
    fn a_hello_of_another_protocol_is_refused() {
        let mut frame = ClientHello::default().to_frame().to_vec();
        assert_eq!(ClientHello::from_frame(&frame), Ok(ClientHello::default()));
        frame[0] ^= 1;
        assert_eq!(ClientHello::from_frame(&frame), Err(WireError::Malformed));
        assert_eq!(
            ClientHello::from_frame(&[0; 300]),
            Err(WireError::TooLong { limit: MAX_HELLO })
        );
    }
}
