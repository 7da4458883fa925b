//! Following the room's log: entries in order, each applied once, and what is done when relay and
//! members disagree.

pub(crate) mod age_bound;
pub(crate) mod apply;
pub(crate) mod catch_up;
pub(crate) mod counters;
pub(crate) mod epoch_history;
pub(crate) mod log;
pub(crate) mod progress;
pub(crate) mod rollback;
pub(crate) mod staging;
