//! Test support for this crate and for crates that embed it.
//!
//! * [`store`]: the contract of [`Store`](crate::store::Store) as ready-made tests:
//!   [`store_conformance!`](crate::store_conformance).
//! * [`transport`]: the same for [`Transport`](crate::transport::Transport):
//!   [`transport_conformance!`](crate::transport_conformance).
//! * [`ManualClock`]: a clock whose time moves only when the test advances it.
//! * [`network`]: a simulated network with delays, cuts and outages.
//! * [`sample`]: members, messages and views for testing a front end without a room.
//! * [`sim`]: simulations of whole conversations, reproducible from a seed.

mod clock;
#[cfg(test)]
mod listing;
pub mod network;
mod parallel;
pub mod sample;
pub mod sim;
pub mod store;
pub mod transport;

pub use clock::ManualClock;
