//! Options of the comparison with another server.

use std::time::Duration;

use clap::{Args, ValueEnum, value_parser};

use crate::{args, measure::Load, units};

/// What the relay is compared with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Against {
    /// The leanest broadcast on the WebSocket library that the relay uses; part of this program
    Loop,
    /// Debian's mosquitto: MQTT 3.1.1 over WebSocket, QoS 0
    Mosquitto,
}

impl Against {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Loop => "loop",
            Self::Mosquitto => "mosquitto",
        }
    }
}

#[derive(Args, Debug)]
pub(crate) struct Baseline {
    /// The other server
    #[arg(value_enum)]
    pub(crate) against: Against,

    #[command(flatten)]
    pub(crate) relay: args::RelayArgs,

    /// Guests of the one room; several numbers are measured one after the other
    #[arg(long, value_name = "COUNT,…", value_delimiter = ',', default_value = "100,1000")]
    #[arg(value_parser = value_parser!(u32).range(1..=100_000))]
    pub(crate) guests: Vec<u32>,

    /// Sealed bytes of a message; all servers carry the frame that the relay makes of it
    #[arg(long, default_value = "1000", value_parser = args::sealed_size())]
    pub(crate) size: usize,

    /// Rounds: relay, baseline, relay, baseline …
    #[arg(long, value_name = "COUNT", default_value_t = 3)]
    #[arg(value_parser = value_parser!(u32).range(1..=1_000))]
    pub(crate) rounds: u32,

    /// How long messages are sent in each round
    #[arg(long = "for", value_name = "TIME", default_value = "5s", value_parser = units::span)]
    pub(crate) span: Duration,

    /// Closed loops: messages on their way at any time [default: 4,16]
    #[arg(long, value_name = "COUNT,…", value_delimiter = ',')]
    #[arg(value_parser = value_parser!(u32).range(1..=4_000))]
    in_flight: Vec<u32>,

    /// Open loops: messages a second [default: 20]
    #[arg(long, value_name = "COUNT,…", value_delimiter = ',', value_parser = args::rate)]
    rate: Vec<f64>,
}

impl Baseline {
    pub(crate) fn loads(&self) -> Vec<Load> {
        args::loads(&self.in_flight, &self.rate)
    }
}
