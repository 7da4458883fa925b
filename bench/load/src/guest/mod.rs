//! Guests without cryptography: they connect, enter, and count what arrives.
//!
//! A relay is blind to contents, so a room of random tokens is as good a load as any, and costs
//! this side almost nothing. The same connections measure other servers.
//!
//! ```text
//! socket ── frames ── mark        one connection
//!    └── speech: room, mqtt       the protocol of each server
//! clients ── publish              many connections, and the publishers
//! ```

pub(crate) mod clients;
pub(crate) mod frames;
pub(crate) mod mark;
pub(crate) mod mqtt;
pub(crate) mod publish;
pub(crate) mod room;
pub(crate) mod socket;
pub(crate) mod speech;

use std::{io, time::Duration};

use anocm_core::wire::Refusal;

use self::frames::FrameError;

/// Timeout for a server's reply, or for any data at all.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// Why a guest failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum GuestError {
    #[error("the server cannot be reached: {0}")]
    Unreachable(#[source] io::Error),
    #[error("what was reached speaks no WebSocket there")]
    NoWebSocket,
    #[error("the connection was cut: {0}")]
    Cut(#[source] io::Error),
    #[error("the server closed the connection (code {0})")]
    Closed(u16),
    #[error("the server does not answer")]
    Silent,
    #[error(transparent)]
    Frame(#[from] FrameError),
    #[error("what the server answers is not of its protocol")]
    Protocol,
    #[error("the relay refused: {0}")]
    Refused(#[source] Refusal),
    #[error("the system gives no randomness")]
    NoRandomness,
}
