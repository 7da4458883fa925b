//! The connection between client and relay: whole frames, in order, in both directions.

mod memory;

use std::sync::Arc;

use async_trait::async_trait;
pub use memory::{InProcess, pair};

pub use crate::transport_error::TransportError;
use crate::{invite::RelayUrl, secret::Payload};

/// A way for a client to reach a relay. Implements no retries, no encryption of its own and no
/// parsing.
///
/// # Contract
/// 1. `connect` returns a new link each time. Links are independent: a link that the other side
///    does not read blocks no other link.
/// 2. Every frame that the other side receives was sent, and arrives whole, exactly once and in
///    order. When two `send` calls run concurrently, the frames of each call stay in order.
/// 3. `recv` returns `Ok(None)` after a clean close by the other side, and again on every further
///    call.
/// 4. After `close` on one side, the other side's `recv` first returns the frames sent before the
///    close, including those that `try_send` accepted, as far as the other side receives them
///    within the time that the transport allows for closing. The closing side sends nothing more:
///    `send` fails, and `try_send` accepts no frame.
/// 5. Dropping a link closes it.
/// 6. `send` waits while the other side does not keep up (backpressure). It does not buffer without
///    bound.
/// 7. `try_send` never waits. It accepts as many of the frames as can be sent at once, starting
///    with the first, or none. Accepted frames are ordered after everything sent before and before
///    everything sent later. If the accepted frames are not completely written, the result reports
///    it ([`TrySend::pending`]), and `try_send` accepts no more frames until they are.
/// 8. No frame is held back: every frame of a `send` that returned, and every frame that `try_send`
///    accepted with nothing left to write, arrives without a further call on that side.
/// 9. No frame longer than [`MAX_FRAME`](crate::wire::MAX_FRAME) is received: when one begins,
///    `recv` returns [`TransportError::TooLong`] before it allocates memory for it, and the link is
///    dead. `send` may refuse such a frame with the same error. It then sends none of its frames,
///    and the link stays usable.
/// 10. The two directions are independent: a waiting `recv` blocks no `send`, and a waiting `send`
///     blocks no `recv`, on any threads.
/// 11. A cancelled `recv` loses nothing: a frame is either returned or still pending. A cancelled
///     `send` has sent any number of its frames, starting with the first, each of them whole.
///     Frames sent later are ordered after them.
///
/// # Errors
/// [`TransportError`]. After an error of a link the link is dead, except when a `send` was refused
/// for a frame's length: `recv` returns no more frames, and `send` fails. Whether the last frames
/// sent have arrived is unknown.
///
/// # Cancel safety
/// For links: see 11. A cancelled `connect` leaves nothing behind.
///
/// # Security
/// Frames contain sealed entries and bearer tokens. An implementation logs none of them, and uses
/// an authenticated, encrypted channel beyond the local machine.
#[cfg_attr(not(target_arch = "wasm32"), async_trait)]
#[cfg_attr(target_arch = "wasm32", async_trait(?Send))]
pub trait Transport: Send + Sync + 'static {
    /// Returns the URL of the relay that [`connect`](Self::connect) reaches, as all guests know it.
    /// Invites contain it. Constant for the lifetime of the transport.
    fn relay(&self) -> &RelayUrl;

    /// Opens a link to the relay.
    async fn connect(&self) -> Result<Box<dyn Link>, TransportError>;
}

/// A shared transport, for a program that keeps a handle of it.
#[cfg_attr(not(target_arch = "wasm32"), async_trait)]
#[cfg_attr(target_arch = "wasm32", async_trait(?Send))]
impl<T: Transport + ?Sized> Transport for Arc<T> {
    fn relay(&self) -> &RelayUrl {
        (**self).relay()
    }

    async fn connect(&self) -> Result<Box<dyn Link>, TransportError> {
        (**self).connect().await
    }
}

/// One side of an open connection. See [`Transport`] for the contract.
///
/// All methods take `&self`, so that one task can receive while another sends.
#[cfg_attr(not(target_arch = "wasm32"), async_trait)]
#[cfg_attr(target_arch = "wasm32", async_trait(?Send))]
pub trait Link: Send + Sync + 'static {
    /// Sends frames in order, in as few writes as possible.
    async fn send(&self, frames: &[Payload]) -> Result<(), TransportError>;

    /// Sends the frames that can be sent at once, without a task that waits. For a caller that
    /// serves many links and sends the rest with `send`. Must not be called while a `send` is in
    /// progress. Accepting no frame is always correct, and the default; accepting all frames is
    /// correct for a dead link.
    fn try_send(&self, frames: &[Payload]) -> TrySend {
        let _ = frames;
        TrySend::default()
    }

    /// Receives the next frame; `None` after a clean close. At most one caller at a time.
    async fn recv(&self) -> Result<Option<Payload>, TransportError>;

    /// Closes the link after the frames already sent. `why` is a hint for the other side.
    async fn close(&self, why: Closing);
}

/// The result of [`Link::try_send`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[must_use]
pub struct TrySend {
    /// Number of frames accepted, starting with the first.
    pub accepted: usize,
    /// The accepted frames are not completely written: a `send`, even of no frames, waits until
    /// they are.
    pub pending: bool,
}

/// Why a side closes a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Closing {
    /// The connection is no longer needed (RFC 6455 code 1000).
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
