//! What one connection may do, and how long it is waited for.
#![allow(rustdoc::broken_intra_doc_links, reason = "the help is for terminals")]

use std::time::Duration;

use anocm_core::relay::{Rate, RelayConfig};
use clap::{Args, value_parser};

use crate::units;

/// Of every connection.
#[derive(Args, Debug)]
pub(crate) struct Rates {
    /// Requests a second; more are read later. Four times as many at once after a pause
    #[arg(
        long, env = "ANOCM_REQUESTS_PER_SECOND", default_value_t = 100,
        value_parser = value_parser!(u32).range(1..),
        value_name = "COUNT", help_heading = "Each connection"
    )]
    requests_per_second: u32,

    /// Bytes a second; more are read later. Eight times as many at once after a pause
    #[arg(
        long, env = "ANOCM_BYTES_PER_SECOND", default_value = "512KiB",
        value_parser = units::bytes, value_name = "SIZE", help_heading = "Each connection"
    )]
    bytes_per_second: usize,

    /// Rooms opened a minute; more are refused for now
    #[arg(
        long, env = "ANOCM_CREATIONS_PER_MINUTE", default_value_t = 10,
        value_parser = value_parser!(u32).range(1..),
        value_name = "COUNT", help_heading = "Each connection"
    )]
    creations_per_minute: u32,

    /// Joins a minute; more are refused for now
    #[arg(
        long, env = "ANOCM_JOINS_PER_MINUTE", default_value_t = 30,
        value_parser = value_parser!(u32).range(1..),
        value_name = "COUNT", help_heading = "Each connection"
    )]
    joins_per_minute: u32,

    /// Memory for what waits to be sent; a reader slower than that is told what to read again
    #[arg(
        long, env = "ANOCM_QUEUE", default_value = "256KiB",
        value_parser = units::bytes, value_name = "SIZE", help_heading = "Each connection"
    )]
    queue: usize,

    /// A new connection must have said which protocol it speaks by then
    #[arg(
        long, env = "ANOCM_HELLO_WITHIN", default_value = "10s", value_parser = units::timeout,
        value_name = "DURATION", help_heading = "Patience"
    )]
    hello_within: Duration,

    /// How long a member may be told what happens without proving the latest membership
    #[arg(
        long, env = "ANOCM_GRACE", default_value = "10s", value_parser = units::timeout,
        value_name = "DURATION", help_heading = "Patience"
    )]
    grace: Duration,

    /// A connection that takes 64 KiB no faster than this is dropped
    #[arg(
        long, env = "ANOCM_STALL", default_value = "20s", value_parser = units::timeout,
        value_name = "DURATION", help_heading = "Patience"
    )]
    pub(crate) stall: Duration,
}

impl Rates {
    pub(crate) fn apply(&self, config: &mut RelayConfig) {
        let second = Duration::from_secs(1);
        let rate = |each: u64, burst| Rate { each, per: second, burst: each.saturating_mul(burst) };
        let minutely = |each: u32| Rate {
            each: each.into(),
            per: Duration::from_secs(60),
            burst: each.into(),
        };
        config.requests = rate(self.requests_per_second.into(), 4);
        config.bytes = rate(u64::try_from(self.bytes_per_second).unwrap_or(u64::MAX), 8);
        config.creations = minutely(self.creations_per_minute);
        config.joins = minutely(self.joins_per_minute);
        config.outbox_bytes = self.queue;
        config.hello_timeout = self.hello_within;
        config.grace = self.grace;
        config.stall = self.stall;
    }
}
