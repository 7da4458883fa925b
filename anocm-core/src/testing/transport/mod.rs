//! The contract of [`Transport`] as ready-made tests.
//!
//! Works like [`testing::store`](super::store):
//! [`transport_conformance!`](crate::transport_conformance) makes a test of each case.
//!
//! # Examples
//! ```
//! # mod tests {
//! use anocm_core::testing::transport::{Accepted, TransportFactory};
//! use anocm_core::transport::{InProcess, Transport};
//!
//! struct Memory;
//!
//! #[async_trait::async_trait]
//! impl TransportFactory for Memory {
//!     async fn start(&self) -> (Box<dyn Transport>, Accepted) {
//!         let (accept, accepted) = Accepted::new();
//!         (Box::new(InProcess::new(move |link| accept(link))), accepted)
//!     }
//! }
//!
//! anocm_core::transport_conformance!(Memory);
//! # }
//! ```

#![expect(clippy::panic, clippy::missing_panics_doc, reason = "a case reports by panicking")]

mod frames;
mod kit;
mod links;
mod pressure;

use std::{fmt, future::Future, pin::Pin};

use async_trait::async_trait;
use tokio::sync::mpsc;

pub use self::{frames::*, links::*, pressure::*};
use crate::{
    secret::Payload,
    transport::{Link, Transport},
};

/// Creates transports to a peer that accepts links.
#[async_trait]
pub trait TransportFactory: Send + Sync {
    /// Returns a transport, and the far end of each link that it opens.
    async fn start(&self) -> (Box<dyn Transport>, Accepted);

    /// Returns a link of this transport to a peer that sends a frame of `length` bytes, whatever
    /// the limit, and possibly more.
    ///
    /// By default the far end sends it with `send`. A transport whose own `send` refuses such a
    /// frame must provide a peer that does not.
    async fn oversized(&self, length: usize) -> Box<dyn Link> {
        let (transport, mut accepted) = self.start().await;
        let (near, far) = kit::connect(&*transport, &mut accepted).await;
        tokio::spawn(async move {
            // Fails as soon as the other side ends the link, or when this side refuses the frame.
            let _ = far.send(&[Payload::from(vec![0; length])]).await;
        });
        near
    }
}

/// The far ends of links, in the order in which they were accepted.
pub struct Accepted(mpsc::UnboundedReceiver<Box<dyn Link>>);

impl Accepted {
    /// Returns a function for the accepting side to call with each link, and the queue of these
    /// links.
    pub fn new() -> (impl Fn(Box<dyn Link>) + Clone + Send + Sync + 'static, Self) {
        let (to, from) = mpsc::unbounded_channel();
        let accept = move |link| {
            // If the case is already over, the link is dropped.
            let _ = to.send(link);
        };
        (accept, Self(from))
    }

    /// Returns the next far end. Fails the case on a timeout or when there will be none.
    pub async fn next(&mut self) -> Box<dyn Link> {
        match tokio::time::timeout(kit::PATIENCE, self.0.recv()).await {
            Ok(Some(link)) => link,
            _ => panic!("no link was accepted"),
        }
    }
}

impl fmt::Debug for Accepted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Accepted(..)")
    }
}

/// A case of the suite: fails by panicking.
pub type Case = for<'a> fn(&'a dyn TransportFactory) -> Pin<Box<dyn Future<Output = ()> + 'a>>;

/// All cases by name, for a harness other than
/// [`transport_conformance!`](crate::transport_conformance).
pub const CASES: &[(&str, Case)] = crate::__transport_cases!(__transport_table);

/// Generates a `#[tokio::test]` for every case of
/// [`testing::transport`](crate::testing::transport). The expression gives the
/// [`TransportFactory`](crate::testing::transport::TransportFactory).
///
/// The calling crate needs `tokio` with the features `macros` and `rt`.
#[macro_export]
macro_rules! transport_conformance {
    ($factory:expr) => {
        $crate::__transport_cases!(__transport_tests, $factory);
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __transport_tests {
    ([$factory:expr] $($case:ident)*) => {
        $(
            #[tokio::test]
            async fn $case() {
                $crate::testing::transport::$case(&$factory).await;
            }
        )*
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __transport_table {
    ([] $($case:ident)*) => {
        &[$((stringify!($case), |factory| Box::pin($case(factory)))),*]
    };
}

/// The list of all cases. A test below fails when one is missing.
#[doc(hidden)]
#[macro_export]
macro_rules! __transport_cases {
    ($with:ident $(, $argument:expr)?) => {
        $crate::$with! {
            [$($argument)?]
            contract_01_links_are_independent
            contract_01_a_link_that_is_not_read_holds_up_no_other
            contract_02_frames_arrive_whole_once_and_in_order
            contract_02_frames_of_several_threads_arrive_once_and_in_order
            contract_03_a_clean_close_is_told_again_and_again
            contract_04_what_was_sent_before_a_close_arrives
            contract_04_what_was_taken_at_once_before_a_close_arrives
            contract_04_a_side_that_closed_sends_nothing_more
            contract_05_dropping_a_link_closes_it
            contract_06_send_waits_for_the_other_side
            contract_07_what_goes_at_once_keeps_its_place
            contract_07_nothing_is_taken_for_a_side_that_does_not_keep_up
            contract_07_nothing_is_taken_by_a_link_that_has_ended
            contract_08_nothing_that_was_sent_is_held_back
            contract_08_nothing_that_was_taken_at_once_is_held_back
            contract_09_a_frame_that_is_too_long_is_not_received
            contract_09_a_frame_that_is_too_long_is_refused_or_ends_the_link
            contract_10_a_receive_that_waits_holds_up_no_send
            contract_10_a_send_that_waits_holds_up_no_receive
            contract_10_threads_send_and_receive_at_the_same_time
            contract_11_a_cancelled_receive_loses_nothing
            contract_11_a_cancelled_send_leaves_whole_frames
        }
    };
}

#[cfg(test)]
mod tests {
    use super::{super::listing::assert_complete, Accepted, TransportFactory};
    use crate::transport::{InProcess, Transport};

    struct Memory;

    #[async_trait::async_trait]
    impl TransportFactory for Memory {
        async fn start(&self) -> (Box<dyn Transport>, Accepted) {
            let (accept, accepted) = Accepted::new();
            (Box::new(InProcess::new(accept)), accepted)
        }
    }

    mod in_process {
        crate::transport_conformance!(super::Memory);
    }

    #[test]
    fn every_case_is_listed() {
        let listed = crate::__transport_cases!(__case_names);
        let sources =
            [include_str!("frames.rs"), include_str!("links.rs"), include_str!("pressure.rs")];
        assert_complete(&sources, listed, 11);
    }
}
