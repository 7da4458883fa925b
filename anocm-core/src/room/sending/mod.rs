//! Sending: the jobs that wait, and the one append in flight.

pub(crate) mod append;
pub(crate) mod outbox;
