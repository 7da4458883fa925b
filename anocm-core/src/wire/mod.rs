//! Frames between client and relay: their contents and their encoding.
//!
//! A connection begins with one [`ClientHello`] and one [`RelayHello`]. After that the client
//! sends [`ClientFrame`]s and the relay [`RelayFrame`]s, each a whole message of the transport,
//! encoded with postcard. docs/protocol.md describes them byte by byte.
//!
//! What stores and front ends use is promised like the rest of the crate: [`Entry`], [`Genesis`],
//! [`NextEpoch`], [`Page`], [`LogItem`], [`Policy`], [`CloseReason`], [`Posture`], [`Refusal`],
//! [`MAX_FRAME`] and what they contain. The frames themselves ([`ClientFrame`], [`RelayFrame`],
//! [`Request`], [`Reply`], [`Event`], the hellos) and their encoding follow the protocol's version,
//! and may change in any release.

mod codec;
mod entry;
mod hello;
mod puzzle;
mod relay;
mod request;

pub use codec::{WireError, decode, encode};
#[cfg(any(feature = "client", feature = "relay"))]
pub(crate) use entry::DOOR_SIZES;
#[cfg(feature = "client")]
pub(crate) use entry::SEALED_SIZES;
pub use entry::{
    Door, Entry, EntryDigest, EntryKind, Genesis, LogItem, MAX_DOOR, MAX_SEALED, NextEpoch, Policy,
    SETTLES,
};
pub use hello::{ClientHello, Hello, MAX_HELLO, Posture, RelayHello, VERSION};
pub use puzzle::{Puzzle, Solution};
pub use relay::{CloseReason, Entered, Event, Page, Refusal, RelayFrame, Reply};
pub use request::{ClientFrame, MAX_FRAME, Request, RequestId};
