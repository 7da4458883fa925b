//! End-to-end encrypted chat rooms for anonymous guests, which leave nothing behind.
//!
//! ```text
//!   your program                                         an operator
//!  ┌──────────────────────────────┐                     ┌────────────────────────────┐
//!  │ client::Client ── Room       │                     │ relay::Relay               │
//!  │   │   room::Machine          │   transport::       │   admits by tokens,        │
//!  │   │   session::Session (MLS) │◄──  Transport   ───►│   orders, fans out         │
//!  │   └── keys never leave here  │  sealed frames      │ store::Store: memory only  │
//!  └──────────────────────────────┘                     └────────────────────────────┘
//! ```
//!
//! * A **room** is known to a **relay** by a random address and nothing else. The relay orders
//!   sealed **entries**, keeps them for a limited time and fans them out. It cannot read any of
//!   them.
//! * A **guest** opens an **invite** link and talks. No account; a fresh key pair for every room.
//! * **Retention** is chosen for every message, within the limits of room and guest. There is no
//!   "for ever".
//!
//! # Quick start
//!
//! A relay, two guests and a conversation, all in this process:
//!
//! ```
//! use std::sync::Arc;
//! use anocm_core::client::{Client, ClientConfig};
//! use anocm_core::relay::{Relay, RelayConfig};
//! use anocm_core::store::{MemoryLimits, MemoryStore};
//! use anocm_core::{NewRoom, RoomEvent, TokioClock};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let clock = Arc::new(TokioClock::new());
//! let store = MemoryStore::new(clock.clone(), MemoryLimits::default())?;
//! let relay = Relay::new(store, clock, RelayConfig::default())?;
//!
//! // Alice opens a room and gets a link for it.
//! let reach = || Arc::new(relay.transport());
//! let (alice, driver) = Client::new(reach(), ClientConfig::default())?;
//! tokio::spawn(driver.run());
//! let mut hers = alice.create(&NewRoom { nickname: "Alice".parse()?, ..NewRoom::default() })?;
//! while !matches!(hers.next_event().await, Some(RoomEvent::Entered)) {}
//! let invite = hers.view().invite.ok_or("no invite")?;
//!
//! // Bob has the link and nothing else.
//! let (bob, driver) = Client::new(reach(), ClientConfig::default())?;
//! tokio::spawn(driver.run());
//! let mut his = bob.join(&invite, "Bob".parse()?)?;
//! while !matches!(his.next_event().await, Some(RoomEvent::Entered)) {}
//!
//! hers.send("Hello, stranger.")?;
//! let heard = loop {
//!     if let Some(RoomEvent::Message(message)) = his.next_event().await {
//!         break message;
//!     }
//! };
//! assert_eq!(heard.text.as_str(), "Hello, stranger.");
//! assert_eq!(heard.retention.to_string(), "5m");
//! # Ok(())
//! # }
//! ```
//!
//! # Where to find what
//!
//! | layer | modules | |
//! |---|---|---|
//! | pure | [`invite`], [`name`], [`wire`], [`session`], [`room`], and the types below | no I/O, no clock, no tasks |
//! | seams | [`store`], [`transport`], [`Clock`] | two traits and a clock, with their contracts |
//! | drivers | [`client`], [`relay`] | the only async code |
//! | testing | `testing` (a feature) | conformance suites, a manual clock, a simulator |
//!
//! To embed a client, use [`client`] and a [`Transport`](transport::Transport), usually that of the
//! crate `anocm-ws`. To run it in an event loop of your own, use [`room::Machine`] directly.

#![forbid(unsafe_code)]

mod duration;
#[cfg(feature = "__fuzz")]
#[doc(hidden)]
pub mod fuzz;
mod id;
pub mod invite;
pub mod name;
mod retention;
mod rng;
pub mod room;
mod secret;
#[cfg(not(feature = "__secret_tap"))]
mod secret_tap;
#[cfg(feature = "__secret_tap")]
#[doc(hidden)]
pub mod secret_tap;
pub mod session;
mod setting;
mod stack;
mod time;
mod transport_error;

mod pow;
pub mod wire;

pub mod store;
pub mod transport;

#[cfg(feature = "client")]
pub mod client;
#[cfg(feature = "relay")]
pub mod relay;
#[cfg(feature = "testing")]
pub mod testing;

pub use duration::{DurationError, FormattedDuration, format_duration, parse_duration};
pub use id::{Epoch, MemberId, MessageId, RoomAddress, Seq};
pub use invite::{Invite, InviteError, RelayUrl};
pub use name::{Nickname, NicknameError};
#[cfg(feature = "client")]
pub use pow::solve;
pub use retention::{GuestRetention, Lifetime, Retention, RetentionError, RoomRetention};
pub use room::{Command, NewRoom, RoomEvent};
pub use secret::{Payload, Secret, Token, TokenHash};
pub use setting::SettingError;
pub use time::{Clock, Timestamp};
#[cfg(not(target_arch = "wasm32"))]
pub use time::{ContinuousClock, TokioClock};

#[cfg(doctest)]
#[doc = include_str!("../../docs/embedding.md")]
struct Embedding;
