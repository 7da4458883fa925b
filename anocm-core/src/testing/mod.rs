//! For the tests of this crate and of those who embed it.
//!
//! * [`store`]: what every [`Store`](crate::store::Store) must do, as ready-made tests:
//!   [`store_conformance!`](crate::store_conformance).
//! * [`transport`]: the same for [`Transport`](crate::transport::Transport):
//!   [`transport_conformance!`](crate::transport_conformance).
//! * [`ManualClock`]: a clock whose time moves only when told.
//! * [`network`]: a network with delays, cuts and outages.
//! * [`sample`]: members, messages and views for testing a front end without a room.
//! * [`sim`]: whole conversations from a seed.

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
