//! Rate limits of a single connection.
#![allow(rustdoc::broken_intra_doc_links, reason = "the help is for terminals")]

use std::time::Duration;

use anocm_core::relay::{Rate, RelayConfig};
use clap::{Args, value_parser};

use crate::units;

#[derive(Args, Debug)]
#[command(next_help_heading = "Each connection")]
pub(super) struct Rates {
    /// Requests a second; more are read later. Four times as many at once after a pause
    #[arg(long, env = "ANOCM_REQUESTS_PER_SECOND", value_name = "COUNT")]
    #[arg(default_value_t = 100, value_parser = value_parser!(u32).range(1..))]
    requests_per_second: u32,

    /// Bytes a second; more are read later. Eight times as many at once after a pause
    #[arg(long, env = "ANOCM_BYTES_PER_SECOND", value_name = "SIZE")]
    #[arg(default_value = "512KiB", value_parser = units::bytes)]
    bytes_per_second: usize,

    /// Rooms opened a minute; more are refused for now
    #[arg(long, env = "ANOCM_CREATIONS_PER_MINUTE", value_name = "COUNT")]
    #[arg(default_value_t = 10, value_parser = value_parser!(u32).range(1..))]
    creations_per_minute: u32,

    /// Joins a minute; more are refused for now
    #[arg(long, env = "ANOCM_JOINS_PER_MINUTE", value_name = "COUNT")]
    #[arg(default_value_t = 30, value_parser = value_parser!(u32).range(1..))]
    joins_per_minute: u32,

    /// Memory for what waits to be sent; a reader slower than that is told what to read again
    #[arg(long, env = "ANOCM_QUEUE", value_name = "SIZE")]
    #[arg(default_value = "256KiB", value_parser = units::bytes)]
    queue: usize,
}

impl Rates {
    pub(super) fn apply(&self, config: &mut RelayConfig) {
        let second = Duration::from_secs(1);
        let rate = |amount: u64, burst| Rate {
            amount,
            period: second,
            burst: amount.saturating_mul(burst),
        };
        let minutely = |amount: u32| Rate {
            amount: amount.into(),
            period: Duration::from_secs(60),
            burst: amount.into(),
        };
        config.requests = rate(self.requests_per_second.into(), 4);
        config.bytes = rate(u64::try_from(self.bytes_per_second).unwrap_or(u64::MAX), 8);
        config.creations = minutely(self.creations_per_minute);
        config.joins = minutely(self.joins_per_minute);
        config.outbox_bytes = self.queue;
    }
}
