//! Limits for all connections together, per room and for the whole relay.

use std::time::Duration;

use anocm_core::{
    relay::{Rate, RelayConfig},
    wire::Puzzle,
};
use clap::{Args, value_parser};

use crate::units;

#[derive(Args, Debug)]
#[command(next_help_heading = "Capacity")]
pub(super) struct Capacity {
    /// Messages of one room a second; more are refused for now. Four times as many at once after a
    /// pause
    #[arg(long, env = "ANOCM_ROOM_ENTRIES_PER_SECOND", value_name = "COUNT")]
    #[arg(default_value_t = 400, value_parser = value_parser!(u32).range(1..))]
    room_entries_per_second: u32,

    /// Bytes of one room a second; more are refused for now. Eight times as many at once after a
    /// pause
    #[arg(long, env = "ANOCM_ROOM_BYTES_PER_SECOND", value_name = "SIZE")]
    #[arg(default_value = "2MiB", value_parser = units::bytes)]
    room_bytes_per_second: usize,

    /// Joins of one room a minute, and at once; the later half must solve a proof of work
    #[arg(long, env = "ANOCM_ROOM_JOINS_PER_MINUTE", value_name = "COUNT")]
    #[arg(default_value_t = 600, value_parser = value_parser!(u32).range(1..))]
    room_joins_per_minute: u32,

    /// Rooms opened and joined a second, in all. Forty times as many at once after a pause, of
    /// which the later half must solve a proof of work
    #[arg(long, env = "ANOCM_ADMISSIONS_PER_SECOND", value_name = "COUNT")]
    #[arg(default_value_t = 50, value_parser = value_parser!(u32).range(1..))]
    admissions_per_second: u32,

    /// The maximum difficulty of the proof of work that a guest solves to open or join a room while
    /// many others do, in attempts of some 40 microseconds; 0 disables proof of work
    #[arg(long, env = "ANOCM_MAX_DIFFICULTY", value_name = "TRIES")]
    #[arg(default_value_t = 65_536)]
    #[arg(value_parser = value_parser!(u32).range(..=i64::from(Puzzle::MAX_DIFFICULTY)))]
    max_difficulty: u32,
}

impl Capacity {
    pub(super) fn apply(&self, config: &mut RelayConfig) {
        let (second, minute) = (Duration::from_secs(1), Duration::from_secs(60));
        let rate = |amount: u64, period, at_once| Rate {
            amount,
            period,
            burst: amount.saturating_mul(at_once),
        };
        let bytes = u64::try_from(self.room_bytes_per_second).unwrap_or(u64::MAX);
        config.room_entries = rate(self.room_entries_per_second.into(), second, 4);
        config.room_bytes = rate(bytes, second, 8);
        config.room_joins = rate(self.room_joins_per_minute.into(), minute, 1);
        config.admissions = rate(self.admissions_per_second.into(), second, 40);
        config.max_difficulty = self.max_difficulty;
    }
}
