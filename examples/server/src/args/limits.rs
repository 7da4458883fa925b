//! Overall limits.

use anocm_core::{relay::RelayConfig, store::MemoryLimits};
use clap::{Args, value_parser};

use crate::units;

#[derive(Args, Debug)]
#[command(next_help_heading = "Limits")]
pub(super) struct Limits {
    /// Rooms at a time
    #[arg(long, env = "ANOCM_MAX_ROOMS", value_name = "COUNT")]
    #[arg(default_value = "100000", value_parser = count)]
    max_rooms: usize,

    /// Memory for all rooms together; of the last tenth, rooms that exist get some for commits and
    /// joins, and nothing else is taken. The more is taken, the more work new rooms cost
    #[arg(long, env = "ANOCM_MAX_MEMORY", value_name = "SIZE")]
    #[arg(default_value = "1GiB", value_parser = units::bytes)]
    max_memory: usize,

    /// Memory for what comes in and is too long to be taken from just any connection, in all; when
    /// it is full, the rest waits unread
    #[arg(long, env = "ANOCM_RECEIVE_MEMORY", value_name = "SIZE")]
    #[arg(default_value = "256MiB", value_parser = units::bytes)]
    pub(super) receive_memory: usize,

    /// Connections at a time; each may be in several rooms
    #[arg(long, env = "ANOCM_MAX_CONNECTIONS", value_name = "COUNT")]
    #[arg(default_value_t = 10_000, value_parser = value_parser!(u32).range(1..=1_000_000))]
    pub(super) max_connections: u32,

    /// Rooms that one connection may be in
    #[arg(long, env = "ANOCM_MAX_ROOMS_PER_CONNECTION", value_name = "COUNT")]
    #[arg(default_value = "64", value_parser = count)]
    max_rooms_per_connection: usize,
}

impl Limits {
    pub(super) fn apply(&self, config: &mut RelayConfig) {
        config.max_connections = usize::try_from(self.max_connections).unwrap_or(usize::MAX);
        config.max_rooms_per_connection = self.max_rooms_per_connection;
    }

    /// Returns the limits of the store.
    pub(super) fn memory(&self) -> MemoryLimits {
        MemoryLimits { max_rooms: self.max_rooms, max_bytes: self.max_memory }
    }
}

fn count(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(0) => Err("must be at least 1".to_owned()),
        Ok(count) => Ok(count),
        Err(_) => Err("not a number".to_owned()),
    }
}
