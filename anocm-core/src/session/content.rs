//! The content of messages, inside the encryption.

use serde::{Deserialize, Serialize, Serializer};
use zeroize::Zeroizing;

use super::{error::SessionError, leave::LeaveStatement, text::MessageText, whisper};
use crate::{
    id::MessageId,
    secret::Payload,
    wire::{self, WireError},
};

/// The largest body in bytes that fits each size of a sealed entry, whatever the sender's counter.
pub(super) const BODY_SIZES: [usize; 4] = [777, 3_777, 15_777, MAX_CONTENT];

/// The longest text, or body of custom content, in bytes. Up to 777 bytes take an entry of 1,000,
/// up to 3,777 one of 4,000, up to 15,777 one of 16,000.
pub const MAX_CONTENT: usize = 63_772;

/// A message as its sender encoded it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Envelope {
    /// The message's id.
    pub id: MessageId,
    /// The number of earlier messages of this sender in this room that were accepted.
    pub counter: u64,
    /// The content.
    pub content: Content,
}

/// The content of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Content {
    /// Text, at most [`MAX_CONTENT`] bytes.
    Text(MessageText),
    /// The sender is typing.
    Typing,
    /// The sender is present.
    Here,
    /// The sender is away for a while.
    Away,
    /// Content for one member only.
    Whisper(Whisper),
    /// The sender leaves; any member may commit the removal. In an opened message, the statement is
    /// the sender's own and valid.
    Leaving(LeaveStatement),
    /// Content defined by the embedding program.
    Custom {
        /// The program's number for the content, below 0x8000.
        kind: u16,
        /// The content, at most [`MAX_CONTENT`] bytes.
        body: Payload,
    },
    /// Content of a later version: to be skipped. Cannot be sealed.
    Unknown {
        /// The number of the content.
        kind: u16,
    },
}

/// Content sealed for one member. It reveals only its size class to every other member.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Whisper(pub(super) Payload);

const TEXT: u16 = 1;
const TYPING: u16 = 2;
const HERE: u16 = 3;
const AWAY: u16 = 4;
const WHISPER: u16 = 5;
const LEAVING: u16 = 6;
/// Set in the numbers of custom content.
const CUSTOM: u16 = 0x8000;
/// The largest type number of custom content.
pub(crate) const MAX_CUSTOM_KIND: u16 = CUSTOM - 1;

/// A body as bytes, borrowed where possible.
pub(super) enum Body<'a> {
    Borrowed(&'a [u8]),
    Encoded(Payload),
}

impl Body<'_> {
    pub(super) fn as_bytes(&self) -> &[u8] {
        match self {
            Self::Borrowed(bytes) => bytes,
            Self::Encoded(payload) => payload,
        }
    }
}

impl Content {
    /// Returns the number and the body of the content.
    ///
    /// # Errors
    /// `NotAllowed` for content that cannot be sent, `TooLong` for a body that fits no sealed
    /// entry.
    pub(super) fn parts(&self) -> Result<(u16, Body<'_>), SessionError> {
        let (kind, body) = match self {
            Self::Text(text) => (TEXT, Body::Borrowed(text.as_str().as_bytes())),
            Self::Typing => (TYPING, Body::Borrowed(&[])),
            Self::Here => (HERE, Body::Borrowed(&[])),
            Self::Away => (AWAY, Body::Borrowed(&[])),
            Self::Whisper(whisper) => (WHISPER, Body::Borrowed(&whisper.0)),
            Self::Leaving(statement) => (LEAVING, Body::Encoded(wire::encode(statement))),
            Self::Custom { kind, body } if kind & CUSTOM == 0 => {
                (kind | CUSTOM, Body::Borrowed(body))
            }
            Self::Custom { .. } | Self::Unknown { .. } => return Err(SessionError::NotAllowed),
        };
        if body.as_bytes().len() > MAX_CONTENT {
            return Err(SessionError::TooLong { limit: MAX_CONTENT });
        }
        Ok((kind, body))
    }

    /// Returns the content of that number and body. `None` when the body does not have its kind's
    /// form.
    pub(super) fn from_parts(kind: u16, body: &[u8]) -> Option<Self> {
        if body.len() > MAX_CONTENT {
            return None;
        }
        let plain = |content| body.is_empty().then_some(content);
        match kind {
            TEXT => Some(Self::Text(MessageText::new(std::str::from_utf8(body).ok()?.to_owned()))),
            TYPING => plain(Self::Typing),
            HERE => plain(Self::Here),
            AWAY => plain(Self::Away),
            WHISPER if whisper::has_valid_size(body) => {
                Some(Self::Whisper(Whisper(Payload::copy_from_slice(body))))
            }
            WHISPER => None,
            LEAVING => wire::decode(body, MAX_CONTENT).ok().map(Self::Leaving),
            custom if custom & CUSTOM != 0 => {
                Some(Self::Custom { kind: custom & !CUSTOM, body: Payload::copy_from_slice(body) })
            }
            kind => Some(Self::Unknown { kind }),
        }
    }
}

/// An envelope on the wire.
#[derive(Serialize, Deserialize)]
struct Frame<'a> {
    counter: u64,
    id: MessageId,
    kind: u16,
    #[serde(borrow, serialize_with = "whole")]
    body: &'a [u8],
}

fn whole<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_bytes(bytes)
}

impl Envelope {
    pub(super) fn encode(&self) -> Result<Payload, SessionError> {
        let (kind, body) = self.content.parts()?;
        Ok(wire::encode(&Frame { counter: self.counter, id: self.id, kind, body: body.as_bytes() }))
    }

    pub(super) fn decode(bytes: &Zeroizing<Vec<u8>>) -> Result<Self, WireError> {
        let frame: Frame<'_> = wire::decode(bytes, wire::MAX_SEALED)?;
        Ok(Self {
            id: frame.id,
            counter: frame.counter,
            content: Content::from_parts(frame.kind, frame.body).ok_or(WireError::Malformed)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn content() -> impl Strategy<Value = Content> {
        prop_oneof![
            ".{0,200}".prop_map(|text| Content::Text(MessageText::new(text))),
            Just(Content::Typing),
            Just(Content::Here),
            Just(Content::Away),
            (0_u16..0x8000, proptest::collection::vec(any::<u8>(), 0..200))
                .prop_map(|(kind, body)| Content::Custom { kind, body: body.into() }),
        ]
    }

    proptest! {
        #[test]
        fn an_envelope_survives_the_wire(content in content(), counter: u64, id: [u8; 16]) {
            let envelope = Envelope { id: MessageId::new(id), counter, content };
            let bytes = Zeroizing::new(envelope.encode().unwrap().to_vec());
            prop_assert_eq!(Envelope::decode(&bytes), Ok(envelope));
        }

        #[test]
        fn decoding_never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = Envelope::decode(&Zeroizing::new(bytes));
        }
    }

    #[test]
    fn content_of_a_later_version_is_kept_apart() {
        assert_eq!(Content::from_parts(0x4001, b"later"), Some(Content::Unknown { kind: 0x4001 }));
        let unknown = Content::Unknown { kind: 0x4001 };
        assert!(matches!(unknown.parts(), Err(SessionError::NotAllowed)));
    }

    #[test]
    fn a_body_that_is_not_of_its_kind_is_refused() {
        for (kind, body) in
            [(TEXT, b"\xff".as_slice()), (TYPING, b"x"), (WHISPER, b"short"), (LEAVING, b"")]
        {
            assert_eq!(Content::from_parts(kind, body), None);
        }
    }

    #[test]
    fn a_body_beyond_its_limit_is_refused() {
        for kind in [TEXT, CUSTOM | 7, 0x4001] {
            assert!(Content::from_parts(kind, &[b'x'; MAX_CONTENT]).is_some());
            assert!(Content::from_parts(kind, &[b'x'; MAX_CONTENT + 1]).is_none());
        }
    }

    #[test]
    fn custom_numbers_stay_below_0x8000() {
        let custom = |kind| Content::Custom { kind, body: Payload::default() };
        assert!(custom(0x7fff).parts().is_ok());
        assert!(matches!(custom(0x8000).parts(), Err(SessionError::NotAllowed)));
    }
}
