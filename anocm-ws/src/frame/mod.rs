//! The frames of RFC 6455 over a byte stream: reading within a budget, writing in few writes.

mod buffer;
mod close_code;
mod ingress_budget;
#[cfg(feature = "client")]
mod masks;
mod metered_io;
mod reader;
mod writer;

pub(crate) use close_code::CloseCode;
#[cfg(feature = "server")]
pub(crate) use ingress_budget::Memory;
pub(crate) use ingress_budget::{FREE, IngressBudget};
#[cfg(feature = "client")]
pub(crate) use metered_io::Io;
pub(crate) use metered_io::MeteredIo;
pub(crate) use reader::{FrameReader, Incoming, ReadError};
pub(crate) use writer::FrameWriter;

/// A side of a connection.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Side {
    #[cfg(feature = "client")]
    Client,
    #[cfg(feature = "server")]
    Server,
}

impl Side {
    /// Returns true when this side masks its frames. The other side does not.
    pub(crate) fn masks(self) -> bool {
        match self {
            #[cfg(feature = "client")]
            Self::Client => true,
            #[cfg(feature = "server")]
            Self::Server => false,
        }
    }
}
