//! End-to-end encrypted chat rooms for anonymous guests, which leave nothing behind.
//!
//! ```text
//!   your program                                         an operator
//!  ┌──────────────────────────────┐                     ┌────────────────────────────┐
//!  │ client::Client ── Room       │                     │ relay::Relay               │
//!  │   │   room::Machine          │   transport::       │   admits by tokens,        │
//!  │   │   one MLS session a room │◄──  Transport   ───►│   orders, fans out         │
//!  │   └── keys never leave here  │  sealed frames      │ store::Store: memory only  │
//!  └──────────────────────────────┘                     └────────────────────────────┘
//! ```
//!
//! * A **room** is known to a **relay** by an address of its own and nothing else. The relay orders
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
//! use anocm_core::client::Client;
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
//! let (alice, driver) = Client::new(relay.transport());
//! tokio::spawn(driver);
//! let hers = alice.create(&NewRoom { nickname: "Alice".parse()?, ..NewRoom::default() })?;
//! hers.entered().await?;
//! let invite = hers.view().invite.ok_or("no invite")?;
//!
//! // Bob has the link and nothing else.
//! let (bob, driver) = Client::new(relay.transport());
//! tokio::spawn(driver);
//! let mut his = bob.join(&invite, "Bob".parse()?)?;
//! his.entered().await?;
//!
//! hers.send("Hello, stranger.")?;
//! let heard = loop {
//!     if let Some(RoomEvent::Message(message)) = his.next_event().await {
//!         break message;
//!     }
//! };
//! assert_eq!(heard.text, "Hello, stranger.");
//! assert_eq!(heard.retention.to_string(), "5m");
//! # Ok(())
//! # }
//! ```
//!
//! # Where to find what
//!
//! | layer | modules | |
//! |---|---|---|
//! | pure | [`invite`], [`name`], [`wire`], [`room`], and the types below | no I/O, no clock, no tasks |
//! | seams | [`store`], [`transport`], [`Clock`] | two traits and a clock, with their contracts |
//! | drivers | [`client`], [`relay`] | the only async code |
//! | testing | `testing` (a feature) | conformance suites, a manual clock, a simulator |
//!
//! To embed a client, use [`client`] and a [`Transport`](transport::Transport), usually that of the
//! crate `anocm-ws`. To run it in an event loop of your own, use [`room::Machine`] directly.
//!
//! Settings are structs of public fields with a `Default` and a `check`, which the constructors
//! call: write the fields that differ and `..Default::default()`. More fields may be added in any
//! release.
//!
//! # What is promised
//!
//! Versions follow semantic versioning for everything that this manual shows, with two exceptions:
//! the frames in [`wire`], and `testing`, whose suites get new cases as contracts become stricter.
//! The module `session`, which only the tests and benchmarks of this repository use, and features
//! that begin with `__` promise nothing. Of crates below 1.0 no type is part of the interface but
//! [`Stream`].
//!
//! # Features
//!
//! | feature | what it adds | crates | seconds |
//! |---|---|---|---|
//! | none | ids, [`Retention`], [`invite`], [`wire`], [`store`] and [`transport`] without a relay | 35 | 36 |
//! | `client` | a member: [`room`], [`name`], [`client`] | 154 | 97 |
//! | `relay` | [`relay`] and the store in memory; nothing that opens what is sealed | 51 | 40 |
//! | `client`, `relay`, `qr` | the default; `qr` draws invites and is one crate | 161 | |
//! | `testing` | `testing`, with `client` and `relay`; no further crates | 160 | |
//!
//! Crates are those of a build for Linux, this one included; seconds are processor time (user) of
//! `cargo check` from nothing, on a machine under load. Most of `client` is the MLS library. A
//! relay, or `anocm-ws` with `server` alone, builds none of it; so switch the default features off
//! where you need one half only:
//!
//! ```toml
//! anocm-core = { git = "https://github.com/anocm/anocm", default-features = false, features = ["client"] }
//! ```
//!
//! # Runtimes
//!
//! | what | which runtime |
//! |---|---|
//! | [`room`], all values | none: they do not wait |
//! | [`client`], [`transport`] | any: the channels and `select!` of tokio that they are made of need no runtime. [`Driver`](client::Driver) is a future for your executor, and [`ClientConfig::new`](client::ClientConfig::new) takes a [`Clock`] on your runtime's timer |
//! | [`TokioClock`], [`ContinuousClock::new`], `ClientConfig::default` | a tokio runtime with its timer: waits panic without one |
//! | [`relay`], `testing`, the crates `anocm-ws` and `anocm-redis` | a tokio runtime; the crates need its timer and its sockets as well |
//!
//! On a runtime that is not tokio's, wrap its clock in [`ContinuousClock::over`], so that messages
//! also expire while the machine sleeps. docs/embedding.md has such a clock, and `tests/smol.rs` runs
//! two members on the executor and the timers of smol.

#![forbid(unsafe_code)]
// Labels what needs a feature, on docs.rs.
#![cfg_attr(docsrs, feature(doc_cfg))]

mod duration;
#[cfg(feature = "__fuzz")]
#[doc(hidden)]
pub mod fuzz;
mod id;
pub mod invite;
#[cfg(feature = "client")]
pub mod name;
#[cfg(any(feature = "client", feature = "relay"))]
mod pow;
mod retention;
#[cfg(feature = "client")]
mod rng;
#[cfg(feature = "client")]
pub mod room;
mod secret;
#[cfg(all(feature = "client", not(feature = "__secret_tap")))]
mod secret_tap;
#[cfg(feature = "__secret_tap")]
#[doc(hidden)]
pub mod secret_tap;
#[cfg(feature = "client")]
#[doc(hidden)]
pub mod session;
mod setting;
#[cfg(feature = "client")]
mod stack;
mod time;
mod transport_error;
pub mod wire;

pub mod store;
pub mod transport;

#[cfg(feature = "client")]
pub mod client;
#[cfg(feature = "relay")]
pub mod relay;
#[cfg(feature = "testing")]
pub mod testing;

/// For implementations of [`Store`](store::Store), [`Transport`](transport::Transport) and
/// [`Clock`], whose methods are async.
pub use async_trait::async_trait;
pub use duration::{DurationError, FormattedDuration, format_duration, parse_duration};
/// What [`client::Room`] and [`store::Watch`] implement, of the crate `futures-core`.
pub use futures_core::Stream;
pub use id::{Epoch, RoomAddress, Seq};
#[cfg(feature = "client")]
pub use id::{MemberId, MessageId};
pub use invite::{Invite, InviteError, RelayUrl};
#[cfg(feature = "client")]
pub use name::{Nickname, NicknameError};
#[cfg(feature = "client")]
pub use pow::solve;
pub use retention::{GuestRetention, Lifetime, Retention, RetentionError, RoomRetention};
#[cfg(feature = "client")]
pub use room::{Command, NewRoom, RoomEvent};
pub use secret::{Payload, Secret, Token, TokenHash};
pub use setting::SettingError;
pub use time::{Clock, Timestamp};
#[cfg(not(target_arch = "wasm32"))]
pub use time::{ContinuousClock, TokioClock};

#[cfg(all(doctest, feature = "client", feature = "relay"))]
#[doc = include_str!("../README.md")]
struct Readme;
