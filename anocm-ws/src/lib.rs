//! The WebSocket transport of anocm: a client, and an axum handler that serves a relay.
//!
//! ```text
//! client engine                                              relay engine
//!      │ Box<dyn Link>                                            │ Box<dyn Link>
//! client::WsTransport ── [SOCKS5] ── [TLS] ── HTTP/1.1 ── server::relay_router
//!                            upgraded once, then binary WebSocket messages
//! ```
//!
//! One frame of [`anocm_core::wire`] is one binary message. There is no subprotocol, no extension,
//! no text message, and no identifying header but those that a program adds.

#![forbid(unsafe_code)]
// Labels what needs a feature, on docs.rs.
#![cfg_attr(docsrs, feature(doc_cfg))]

#[cfg(any(feature = "client", feature = "server"))]
mod accept_key;
#[cfg(all(any(feature = "client", feature = "server"), not(feature = "__fuzz")))]
mod codec;
#[cfg(any(feature = "client", feature = "server"))]
mod frame;
#[cfg(any(feature = "client", feature = "server"))]
mod link;
mod timing;
#[cfg(any(feature = "client", feature = "server"))]
mod token;

#[cfg(feature = "client")]
pub mod client;
#[cfg(feature = "__fuzz")]
#[doc(hidden)]
pub mod codec;
#[cfg(feature = "server")]
pub mod server;

pub use timing::Timing;

#[cfg(all(doctest, feature = "server"))]
#[doc = include_str!("../README.md")]
struct Readme;
