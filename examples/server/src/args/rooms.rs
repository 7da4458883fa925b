//! Limits of what a room may request.
#![allow(rustdoc::broken_intra_doc_links, reason = "the help is for terminals")]

use std::time::Duration;

use anocm_core::{Retention, relay::PolicyLimits};
use clap::{Args, value_parser};

use crate::units;

#[derive(Args, Debug)]
#[command(next_help_heading = "What rooms may ask for")]
pub(super) struct Rooms {
    /// Longest time a message may be kept; live only passes on, 30d is the most there is
    #[arg(long, env = "ANOCM_MAX_RETENTION", value_name = "DURATION")]
    #[arg(default_value = "30d")]
    max_retention: Retention,

    /// Longest time a room may outlive its last connection; ten minutes before any guest has joined
    #[arg(long, env = "ANOCM_MAX_LINGER", value_name = "DURATION")]
    #[arg(default_value = "1d", value_parser = units::timeout)]
    max_linger: Duration,

    /// Largest age of a room
    #[arg(long, env = "ANOCM_MAX_AGE", value_name = "DURATION")]
    #[arg(default_value = "30d", value_parser = units::timeout)]
    max_age: Duration,

    /// Messages kept in one room at a time
    #[arg(long, env = "ANOCM_MAX_ROOM_ENTRIES", value_name = "COUNT")]
    #[arg(default_value_t = 50_000, value_parser = value_parser!(u32).range(1..))]
    max_room_entries: u32,

    /// Memory for the messages of one room
    #[arg(long, env = "ANOCM_MAX_ROOM_MEMORY", value_name = "SIZE")]
    #[arg(default_value = "64MiB", value_parser = units::bytes)]
    max_room_memory: usize,
}

impl Rooms {
    pub(super) fn apply(&self, policy: &mut PolicyLimits) {
        policy.max_retention = self.max_retention;
        policy.linger = self.max_linger;
        policy.max_age = self.max_age;
        policy.max_entries = self.max_room_entries;
        policy.max_bytes = u64::try_from(self.max_room_memory).unwrap_or(u64::MAX);
    }
}
