//! The command line of `store`.

use std::{path::PathBuf, time::Duration};

use anocm_core::{Retention, RetentionError};
use clap::{Args, ValueEnum, value_parser};

use crate::{args, measure::Load, units};

/// What is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Part {
    /// Kept messages through one relay, beside bare commands of the same bytes
    Publish,
    /// One room over two relays, over one, and in one relay's own memory
    Fanout,
    /// What a kept message and a room take
    Memory,
}

#[derive(Args, Debug)]
#[command(after_long_help = "\
A server of Redis or Valkey is started for this, with the configuration that operators are given
(examples/server/deploy/redis.conf) and an allocator that overwrites what is freed. Everything it
holds is forgotten after each turn.

'publish' has each guest publish into a room of their own, the next when the last was accepted. In
turns with that redis-benchmark, with as many connections, makes as many SETs with a time to live
of values of the same size, and then as many PUBLISHes without a subscriber. The pair is a rate at
which one can do both; its latencies are the sums.")]
pub(crate) struct Store {
    /// What is measured [default: all]
    #[arg(value_enum, value_name = "PART,…", value_delimiter = ',')]
    parts: Vec<Part>,

    /// The anocm-server to start [default: the one beside this program]
    #[arg(long, value_name = "FILE")]
    pub(crate) server: Option<PathBuf>,

    /// The server that keeps rooms, for example valkey-server
    #[arg(long, value_name = "FILE", default_value = "redis-server")]
    pub(crate) redis: PathBuf,

    /// The program that makes bare commands, for example valkey-benchmark
    #[arg(long, value_name = "FILE", default_value = "redis-benchmark")]
    pub(crate) benchmark: PathBuf,

    /// Rounds: relay, bare, relay, bare …
    #[arg(long, value_name = "COUNT", default_value_t = 3)]
    #[arg(value_parser = value_parser!(u32).range(1..=1_000))]
    pub(crate) rounds: u32,

    /// How long messages are sent in each round
    #[arg(long = "for", value_name = "TIME", default_value = "5s", value_parser = units::span)]
    pub(crate) span: Duration,

    /// Sealed bytes of a message
    #[arg(long, default_value = "1000", value_parser = args::sealed_size())]
    pub(crate) size: usize,

    /// How long messages are kept, but for those of 'fanout'
    #[arg(long, value_name = "TIME", default_value = "5m", value_parser = kept)]
    pub(crate) keep: Retention,

    /// publish: guests, and connections of the bare commands
    #[arg(long, value_name = "COUNT", default_value_t = 50)]
    #[arg(value_parser = value_parser!(u32).range(1..=10_000))]
    pub(crate) parallel: u32,

    /// fanout: guests of the room
    #[arg(long, default_value_t = 100, value_parser = value_parser!(u32).range(2..=100_000))]
    pub(crate) guests: u32,

    /// fanout: closed loops, messages on their way at any time [default: 4,16]
    #[arg(long, value_name = "COUNT,…", value_delimiter = ',')]
    #[arg(value_parser = value_parser!(u32).range(1..=4_000))]
    in_flight: Vec<u32>,

    /// fanout: open loops, messages a second [default: 20]
    #[arg(long, value_name = "COUNT,…", value_delimiter = ',', value_parser = args::rate)]
    rate: Vec<f64>,

    /// memory: messages, once all in one room and once a hundred in each
    #[arg(long, value_name = "COUNT", default_value_t = 50_000)]
    #[arg(value_parser = value_parser!(u32).range(100..=10_000_000))]
    pub(crate) kept: u32,

    /// memory: rooms without messages
    #[arg(long, value_name = "COUNT", default_value_t = 10_000)]
    #[arg(value_parser = value_parser!(u32).range(1..=100_000))]
    pub(crate) rooms: u32,
}

impl Store {
    pub(crate) fn has(&self, part: Part) -> bool {
        self.parts.is_empty() || self.parts.contains(&part)
    }

    pub(crate) fn loads(&self) -> Vec<Load> {
        args::loads(&self.in_flight, &self.rate)
    }
}

fn kept(text: &str) -> Result<Retention, String> {
    match text.parse().map_err(|error: RetentionError| error.to_string())? {
        Retention::Live => Err("messages that are not kept take nothing".to_owned()),
        kept @ Retention::For(_) => Ok(kept),
    }
}
