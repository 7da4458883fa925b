//! The contract of [`Store`] as ready-made tests.
//!
//! Each of the numbers 1 to 21 of the store's contract has one or more cases, ordinary functions
//! named after it. A back end does not list them: [`store_conformance!`](crate::store_conformance)
//! makes a test of each. Numbers 22 and 23 permit what a back end may do and depend on its limits: a
//! back end tests them itself.
//!
//! # Examples
//! ```
//! # mod tests {
//! use std::{future::Future, pin::Pin, sync::Arc, time::Duration};
//! use anocm_core::{store::{MemoryLimits, MemoryStore, Store}, testing::{ManualClock, store::StoreFactory}};
//!
//! struct Memory(Arc<ManualClock>);
//!
//! #[async_trait::async_trait]
//! impl StoreFactory for Memory {
//!     async fn store(&self) -> Arc<dyn Store> {
//!         MemoryStore::new(self.0.clone(), MemoryLimits::default()).unwrap()
//!     }
//!     async fn pass(&self, duration: Duration) {
//!         self.0.advance(duration);
//!     }
//!     fn is_exact(&self) -> bool {
//!         true
//!     }
//! }
//!
//! anocm_core::store_conformance!(Memory(Arc::new(ManualClock::new())));
//! # }
//! ```

#![expect(clippy::panic, clippy::missing_panics_doc, reason = "a case reports by panicking")]

mod apart;
mod bounds;
mod epochs;
mod erasure;
mod kit;
mod log;
mod refusals;
mod steps;
mod taking_back;
mod voiding;
mod watching;

use std::{future::Future, pin::Pin, sync::Arc, time::Duration};

use async_trait::async_trait;

pub use self::{
    apart::*, bounds::*, epochs::*, erasure::*, log::*, refusals::*, steps::*, taking_back::*,
    voiding::*, watching::*,
};
use crate::store::Store;

/// Creates the stores of a back end, and advances their time.
///
/// Cases use lifetimes of one to two seconds, so that a back end with its own clock can simply
/// sleep. Some cases run calls on their own threads, whatever the runtime of the test: races
/// outside the store's lock show only there.
#[async_trait]
pub trait StoreFactory: Send + Sync {
    /// Returns a store for one case. Cases may share a store: each uses a fresh random address.
    async fn store(&self) -> Arc<dyn Store>;

    /// Returns when at least `duration` has passed by the store's clock.
    async fn pass(&self, duration: Duration);

    /// Whether `pass` advances the store's clock by exactly `duration` and the clock otherwise
    /// stands still. If so, the cases also check one millisecond before each deadline.
    fn is_exact(&self) -> bool;
}

/// A case of the suite: fails by panicking.
pub type Case = for<'a> fn(&'a dyn StoreFactory) -> Pin<Box<dyn Future<Output = ()> + 'a>>;

/// All cases by name, for a harness other than [`store_conformance!`](crate::store_conformance).
pub const CASES: &[(&str, Case)] = crate::__store_cases!(__store_table);

/// Generates a `#[tokio::test]` for every case of [`testing::store`](crate::testing::store). The
/// expression gives the [`StoreFactory`](crate::testing::store::StoreFactory).
///
/// The calling crate needs `tokio` with the features `macros` and `rt`.
#[macro_export]
macro_rules! store_conformance {
    ($factory:expr) => {
        $crate::__store_cases!(__store_tests, $factory);
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __store_tests {
    ([$factory:expr] $($case:ident)*) => {
        $(
            #[tokio::test]
            async fn $case() {
                $crate::testing::store::$case(&$factory).await;
            }
        )*
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __case_names {
    ([] $($case:ident)*) => {
        &[$(stringify!($case)),*]
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __store_table {
    ([] $($case:ident)*) => {
        &[$((stringify!($case), |factory| Box::pin($case(factory)))),*]
    };
}

/// The list of all cases. A test below fails when one is missing.
#[doc(hidden)]
#[macro_export]
macro_rules! __store_cases {
    ($with:ident $(, $argument:expr)?) => {
        $crate::$with! {
            [$($argument)?]
            contract_01_of_many_creators_one_succeeds
            contract_01_of_many_creators_on_threads_one_succeeds
            contract_01_an_address_in_use_is_refused_and_nothing_changes
            contract_02_of_many_commits_to_one_epoch_one_succeeds
            contract_02_of_many_commits_on_threads_one_succeeds
            contract_02_an_entry_for_another_epoch_is_stale_and_changes_nothing
            contract_03_a_commit_moves_epoch_and_door_in_one_step
            contract_03_next_comes_with_commits_and_joins_only
            contract_04_places_have_no_gap
            contract_05_a_live_entry_is_told_and_never_read
            contract_06_read_starts_after_the_cursor_and_ends_where_told
            contract_06_a_page_reaches_the_head_whatever_is_kept
            contract_06_what_is_sealed_comes_back_as_it_was
            contract_06_a_long_log_comes_in_pages
            contract_07_an_entry_is_gone_at_its_deadline
            contract_08_a_watch_sees_everything_in_order
            contract_08_a_watch_holds_back_what_it_must
            contract_08_a_watch_that_falls_behind_is_told
            contract_09_a_room_without_touches_is_erased
            contract_09_a_touched_room_lives_on
            contract_09_a_room_ends_at_its_largest_age
            contract_09_a_closed_room_is_gone
            contract_09_an_address_is_free_after_the_end
            contract_10_a_full_room_refuses_and_drops_nothing
            contract_10_a_room_full_of_messages_takes_commits
            contract_10_space_returns_on_a_void
            contract_10_space_returns_on_expiry
            contract_11_void_takes_back_the_last_commit_and_what_followed
            contract_11_commits_on_a_voided_one_go_with_it
            contract_11_only_entries_that_began_an_epoch_can_be_voided
            contract_11_a_join_can_be_voided
            contract_11_a_forgotten_epoch_is_not_restored
            contract_12_past_epochs_are_known_as_long_as_their_end_is_kept
            contract_12_the_current_epoch_stays_known
            contract_12_the_last_epochs_are_known_and_no_more
            contract_12_an_unsettled_join_is_not_displaced
            contract_13_nothing_but_a_touch_defers_the_linger
            contract_14_the_reason_that_came_first_is_told
            contract_14_an_end_that_is_due_comes_before_a_close
            contract_14_an_end_that_is_due_comes_before_a_create
            contract_15_the_first_reason_to_refuse_is_given
            contract_15_a_wrong_call_is_wrong_in_no_room_too
            contract_16_threads_append_to_one_log
            contract_16_threads_see_a_whole_door
            contract_16_threads_tell_voids_in_order
            contract_16_threads_read_no_gap
            contract_16_threads_close_after_what_was_accepted
            contract_17_a_restored_epoch_has_what_the_void_says
            contract_17_a_restored_epoch_outlives_the_voided_entry
            contract_18_what_is_done_to_a_room_shows_at_no_other
            contract_18_a_full_room_fills_no_other
            contract_19_a_cancelled_append_is_told_or_never_was
            contract_19_a_cancelled_commit_or_void_is_told_or_never_was
            contract_19_a_cancelled_close_is_told_or_never_was
            contract_20_an_unsettled_join_is_taken_back_when_it_is_old_enough
            contract_20_a_settled_join_is_not_taken_back
            contract_21_each_voided_join_shuts_the_door_for_longer
            contract_21_another_door_is_not_shut
        }
    };
}

#[cfg(test)]
mod tests {
    use super::super::listing::assert_complete;

    #[test]
    fn every_case_is_listed() {
        let sources = [
            include_str!("apart.rs"),
            include_str!("bounds.rs"),
            include_str!("epochs.rs"),
            include_str!("erasure.rs"),
            include_str!("log.rs"),
            include_str!("refusals.rs"),
            include_str!("steps.rs"),
            include_str!("taking_back.rs"),
            include_str!("voiding.rs"),
            include_str!("watching.rs"),
        ];
        assert_complete(&sources, crate::__store_cases!(__case_names), 21);
    }
}
