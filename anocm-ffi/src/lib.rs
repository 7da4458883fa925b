//! The client side of anocm for Kotlin, Swift and Python.
//!
//! Here is what UniFFI makes those languages' types of, one small file for each; the packages in
//! `kotlin`, `swift` and `python` add each language's own manners: streams of events, scopes,
//! transports. Rust programs use `anocm-core` and `anocm-ws` directly.
//!
//! | file | what it exports |
//! |---|---|
//! | `client` | a relay: create, join, shut down |
//! | `room` | a room: talk, remove, leave … |
//! | `events`, `event` | a subscription, and what it tells |
//! | `host` | a transport in the host's language |
//! | `view`, `member`, `message`, `retention`, `new_room` | values |
//! | `connection`, `posture`, `trouble`, `departure`, `ended`, `…_failure` | states, and why |
//! | `error` | what can go wrong |
//!
//! Rules that hold for all of it:
//!
//! * No function blocks. What waits is `async`, does nothing when its future is dropped, and runs
//!   on whatever thread the host polls it on: the library's own work is on the threads of
//!   `runtime`.
//! * The library never calls the host: no callback, so that nothing here depends on how a host's
//!   code behaves.
//! * No value shows what it holds when a host makes text of it: neither what was said nor who said
//!   it nor a link ends in a log by accident.
//! * Nothing panics on what comes from the host; what can fail has a `Result`.

#![forbid(unsafe_op_in_unsafe_fn)]

/// For what must not be shown: in Rust, and in the host's own way of making text of a value.
macro_rules! shown_as_name {
    ($($name:ident),+) => {$(
        impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(concat!(stringify!($name), "(..)"))
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                std::fmt::Debug::fmt(self, f)
            }
        }
    )+};
}

/// The same for a value of several kinds, of which the kind may be shown.
macro_rules! shown_as_variant {
    ($name:ident: $($variant:ident),+) => {
        impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(match self {
                    $(Self::$variant { .. } => stringify!($variant)),+
                })
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                std::fmt::Debug::fmt(self, f)
            }
        }
    };
}

mod client;
mod connection;
mod departure;
mod ended;
mod error;
mod event;
mod events;
mod host;
mod join_failure;
mod member;
mod message;
mod new_room;
mod posture;
mod retention;
mod room;
mod runtime;
mod send_failure;
mod transport_failure;
mod trouble;
mod view;

pub use client::{Client, ClientOptions};
pub use connection::Connection;
pub use departure::Departure;
pub use ended::Ended;
pub use error::AnocmError;
pub use event::RoomEvent;
pub use events::Events;
pub use host::{Dial, HostTransport, Pipe};
pub use join_failure::JoinFailure;
pub use member::{Colour, Member, Role};
pub use message::Message;
pub use new_room::NewRoom;
pub use posture::Posture;
pub use retention::{GuestRetention, Retention, RoomRetention};
pub use room::Room;
pub use runtime::end_threads;
pub use send_failure::SendFailure;
pub use transport_failure::TransportFailure;
pub use trouble::Trouble;
pub use view::{RoomView, SafetyCode};

uniffi::setup_scaffolding!();

/// Overwrites all memory that is given back, the buffers included in which values travel to the
/// host's language and back.
#[cfg(feature = "wiping")]
#[global_allocator]
static WIPING: zeroizing_alloc::ZeroAlloc<std::alloc::System> =
    zeroizing_alloc::ZeroAlloc(std::alloc::System);

/// The version of the library.
#[uniffi::export]
#[must_use]
pub fn library_version() -> String {
    env!("CARGO_PKG_VERSION").to_owned()
}
