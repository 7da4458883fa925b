//! The client side of anocm for Kotlin, Swift and Python.
//!
//! This crate exports the types from which UniFFI generates those languages' bindings, one small
//! file for each. The packages in `kotlin`, `swift` and `python` add what each language expects:
//! streams of events, scopes, transports. Rust programs use `anocm-core` and `anocm-ws` directly.
//!
//! | file | what it exports |
//! |---|---|
//! | `client` | a relay: create, join, shut down |
//! | `room` | a room: send, remove, leave … |
//! | `events`, `event` | a subscription, and its events |
//! | `host` | a transport in the host's language |
//! | `view`, `member`, `message`, `retention`, `new_room` | values |
//! | `connection`, `posture`, `trouble`, `departure`, `ended`, `…_failure` | states, and reasons |
//! | `error` | errors |
//!
//! Rules for the whole crate:
//!
//! * No function blocks. A function that waits is `async`, is cancelled without side effects when
//!   its future is dropped, and may be polled on any thread of the host: the library's own work
//!   runs on the threads of `runtime`.
//! * The library never calls the host: there are no callbacks, so that nothing here depends on the
//!   behaviour of host code.
//! * No value reveals its content when a host converts it to text, so that message texts, senders
//!   and links do not end up in a log by accident.
//! * Nothing panics on input from the host; every function that can fail returns a `Result`.

#![forbid(unsafe_op_in_unsafe_fn)]

/// Implements `Debug` and `Display` for types with secret content. Both show only the name, in Rust
/// and in the host's string conversion.
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

/// The same for an enum, of which the variant may be shown.
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
pub use view::{Confirmation, RoomView, SafetyCode};

uniffi::setup_scaffolding!();

/// Zeroizes all memory when it is freed, including the buffers in which values are passed to the
/// host's language and back.
#[cfg(feature = "wiping")]
#[global_allocator]
static WIPING: zeroizing_alloc::ZeroAlloc<std::alloc::System> =
    zeroizing_alloc::ZeroAlloc(std::alloc::System);

/// Returns the version of the library.
#[uniffi::export]
#[must_use]
pub fn library_version() -> String {
    env!("CARGO_PKG_VERSION").to_owned()
}
