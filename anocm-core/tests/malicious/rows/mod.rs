//! The tables of attempts.

pub mod commits;
pub mod entries;
pub mod floods;
pub mod hashes;
pub mod joins;
pub mod leaves;
pub mod messages;
pub mod requests;
pub mod takings;
