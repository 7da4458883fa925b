//! How a client reaches a relay, and how a relay is reached: whole frames, in order, both ways.

mod memory;

use async_trait::async_trait;
pub use memory::{InProcess, pair};

pub use crate::transport_error::TransportError;
use crate::{invite::RelayUrl, secret::Payload};

/// How a client reaches a relay. Does no retry, no encryption of its own and no parsing.
///
/// # Contract
/// 1. `connect` gives a fresh link each time; links are independent of each other: one that the
///    other side does not read holds up no other.
/// 2. Every frame that the other side received was sent, and arrives whole, once and in order. Of
///    two `send`s at the same time, each one's frames stay in order.
/// 3. `recv` gives `Ok(None)` after a clean close by the other side, and again on every further
///    call.
/// 4. After `close` on one side, the other side's `recv` first gives what was sent before, and what
///    `try_send` took, as far as the other side takes it within the time that the transport allows
///    for closing. The side that closed sends nothing more: `send` fails, `try_send` takes none.
/// 5. Dropping a link closes it.
/// 6. `send` waits while the other side does not keep up; it does not buffer without bound.
/// 7. `try_send` never waits: it takes as many of the frames as go at once, from the first one on,
///    or none. Those that it took come after all that was sent before, and before all that is sent
///    later. If not all of that is written it says so, and takes no more until it is.
/// 8. Nothing is held back: every frame of a `send` that returned, and every frame that `try_send`
///    took without anything left to write, arrives without a further call on that side.
/// 9. No frame above [`MAX_FRAME`](crate::wire::MAX_FRAME) is received: where one begins, `recv`
///    answers [`TransportError::TooLong`], before it takes memory for it, and the link is dead. A
///    `send` may refuse such a frame with the same error; it then sends none of its frames, and the
///    link goes on.
/// 10. The two directions are independent: a `recv` that waits holds up no `send`, and a `send`
///     that waits holds up no `recv`, on whatever threads they run.
/// 11. A cancelled `recv` loses nothing: a frame is either returned or still to come. A cancelled
///     `send` has sent any number of its frames, from the first one on, each whole; what is sent
///     later comes after them.
///
/// # Errors
/// [`TransportError`]. After an error of a link (but a `send` that was refused for a frame's
/// length), the link is dead: `recv` gives no frame any more, and `send` fails. Whether the last
/// frames sent arrived is unknown.
///
/// # Cancel safety
/// Of links: see 11. A cancelled `connect` leaves nothing behind.
///
/// # Security
/// Frames hold sealed entries and bearer tokens: an implementation logs none of them, and uses
/// an authenticated, encrypted channel beyond the local machine.
#[cfg_attr(not(target_arch = "wasm32"), async_trait)]
#[cfg_attr(target_arch = "wasm32", async_trait(?Send))]
pub trait Transport: Send + Sync + 'static {
    /// The relay that [`connect`](Self::connect) reaches, by the URL under which all guests know
    /// it: invites name it. The same for as long as the transport lives.
    fn relay(&self) -> &RelayUrl;

    /// Opens a link to the relay.
    async fn connect(&self) -> Result<Box<dyn Link>, TransportError>;
}

/// One side of an open connection. See [`Transport`] for the contract.
///
/// All methods take `&self`, so that one task can receive while another sends.
#[cfg_attr(not(target_arch = "wasm32"), async_trait)]
#[cfg_attr(target_arch = "wasm32", async_trait(?Send))]
pub trait Link: Send + Sync + 'static {
    /// Sends frames in order, in as few writes as it can.
    async fn send(&self, frames: &[Payload]) -> Result<(), TransportError>;

    /// Sends what goes at once, without a task that waits for it. For a caller that serves many
    /// links, and sends the rest with `send`; not while a `send` is under way. Taking none is
    /// always right, and all that is right for a link that is dead.
    fn try_send(&self, frames: &[Payload]) -> TrySend;

    /// The next frame; `None` after a clean close. At most one caller at a time.
    async fn recv(&self) -> Result<Option<Payload>, TransportError>;

    /// Closes the link, after what was sent. `why` is a hint for the other side.
    async fn close(&self, why: Closing);
}

/// What [`Link::try_send`] did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[must_use]
pub struct TrySend {
    /// So many frames were taken, from the first one on.
    pub accepted: usize,
    /// Not all of that is written: a `send`, if only of no frames, waits until it is.
    pub pending: bool,
}

/// Why a side closes a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Closing {
    /// Nothing more to say (RFC 6455 code 1000).
    Done,
    /// The side is shutting down (code 1001).
    GoingAway,
    /// The other side broke the protocol (code 1002).
    Protocol,
    /// A frame was too long (code 1009).
    TooLong,
    /// The other side was too slow or idle (code 4408).
    Timeout,
}
