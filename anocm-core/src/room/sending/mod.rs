//! Sending: one entry at a time.
//!
//! | file | what it decides |
//! |---|---|
//! | `outbox` | the jobs that wait, and the one append in flight |
//! | `append` | sealing the next job, requesting its append, and the relay's reply |

pub(crate) mod append;
pub(crate) mod outbox;
