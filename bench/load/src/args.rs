//! The command line.
#![allow(rustdoc::bare_urls, rustdoc::broken_intra_doc_links, reason = "the help is for terminals")]

use std::{path::PathBuf, time::Duration};

use anocm_core::{RelayUrl, Retention};
use clap::{
    Args, Parser, Subcommand, ValueEnum,
    builder::{PossibleValuesParser, TypedValueParser},
    value_parser,
};

use crate::{
    abuse::args::{Abuse, Abuser},
    baseline::args::Baseline,
    measure::Load,
    store::args::Store,
    units,
};

const EXAMPLES: &str = "\
Examples:
  One room of 1,000, as fast as it goes:
      anocm-load fanout --guests 1000 --in-flight 16 --for 10s
  Ten rooms of 100, 20 messages a second in each, kept for five minutes:
      anocm-load fanout --rooms 10 --guests 100 --rate 20 --keep 5m
  Beside the leanest server there could be, three rounds each:
      anocm-load baseline loop
  Relays whose rooms are in Redis, beside a bare SET and PUBLISH:
      anocm-load store
  What a silent guest takes of its memory:
      anocm-load idle --connections 9000
  500 guests with one link at the same moment, who leave the room to itself once they are in:
      anocm-load join --guests 500 --at-once --then go
  Whether a relay that serves no other client gives back what an hour of guests took:
      anocm-load soak --for 1h --relay http://127.0.0.1:8080/ --pid \"$(pidof anocm-server)\"
  What a few guests notice of a flood beside them, and of connections that never read:
      anocm-load abuse flood,never-reads

A relay that runs already is named with --relay; what it takes of its machine is known only where
its process is, by --pid. Without --relay an anocm-server is started, with limits that do not bind.
Those of a relay that runs already do: --in-flight then measures how many requests a second it lets
a connection make; at --rate, a backlog that they cause is reported.

Times are a number and ms, s, m or h. Latencies are in milliseconds, in an open loop (--rate) from
the moment a message was meant to be sent, so that waiting counts.

Exit codes: 0 when all came that was sent, 1 when something was lost, refused or could not be
measured, 2 for wrong options.";

/// Measures a relay for anocm rooms: what a delivery costs it, and how long it takes.
#[derive(Debug, Parser)]
#[command(name = "anocm-load", version, about, after_long_help = EXAMPLES, max_term_width = 100)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) task: Task,

    /// One JSON object a line instead of a table
    #[arg(long, global = true)]
    pub(crate) json: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Task {
    /// Guests without cryptography in rooms where one talks: deliveries, latency, cost.
    Fanout(Fanout),
    /// The relay beside another server, measured in turns by the same guests.
    Baseline(Baseline),
    /// Relays over Redis: beside its bare commands, beside each other, and what they keep there.
    Store(Store),
    /// Guests without cryptography who say nothing: memory for each connection.
    Idle(Idle),
    /// Real guests, end-to-end encrypted, who enter one room by its link.
    Join(Join),
    /// Real guests, end-to-end encrypted, who talk: from saying to showing.
    Talk(Talk),
    /// Real guests who come and go in every way; then nothing of them may be left.
    Soak(Soak),
    /// Abuse of a relay, while a few guests talk beside it: how long that takes them.
    Abuse(Abuse),
    /// Be the abusers of 'abuse'.
    #[command(hide = true)]
    Abuser(Abuser),
    /// Be the server of 'baseline loop'.
    #[command(hide = true)]
    ServeLoop,
}

/// Which relay is measured.
#[derive(Args, Debug, Default)]
#[command(next_help_heading = "Relay")]
pub(crate) struct RelayArgs {
    /// A relay that runs already, for example http://127.0.0.1:8080/
    #[arg(long, value_name = "URL", value_parser = relay_url)]
    pub(crate) relay: Option<RelayUrl>,

    /// The process of that relay, if it is on this machine
    #[arg(long, requires = "relay")]
    pub(crate) pid: Option<u32>,

    /// The anocm-server to start [default: the one beside this program]
    #[arg(long, value_name = "FILE", conflicts_with = "relay")]
    pub(crate) server: Option<PathBuf>,
}

#[derive(Args, Debug)]
pub(crate) struct Fanout {
    #[command(flatten)]
    pub(crate) relay: RelayArgs,

    /// Rooms
    #[arg(long, default_value_t = 1, value_parser = value_parser!(u32).range(1..=100_000))]
    pub(crate) rooms: u32,

    /// Guests of each room; one of them talks, all receive
    #[arg(long, default_value_t = 100, value_parser = value_parser!(u32).range(1..=100_000))]
    pub(crate) guests: u32,

    /// Sealed bytes of a message
    #[arg(long, default_value = "1000", value_parser = sealed_size())]
    pub(crate) size: usize,

    /// How long messages are sent
    #[arg(long = "for", value_name = "TIME", default_value = "10s", value_parser = units::span)]
    pub(crate) span: Duration,

    /// Messages a second in each room, whatever becomes of them
    #[arg(long, value_name = "COUNT", conflicts_with = "in_flight", value_parser = rate)]
    rate: Option<f64>,

    /// Messages of each room that are on their way at any time; the next goes when all guests have
    /// the oldest
    #[arg(long, value_name = "COUNT", default_value_t = 4)]
    #[arg(value_parser = value_parser!(u32).range(1..=100_000))]
    in_flight: u32,

    /// How long the relay keeps messages: live is not at all
    #[arg(long, value_name = "TIME", default_value = "live")]
    pub(crate) keep: Retention,

    /// Threads of this program
    #[arg(long, default_value_t = 1, value_parser = value_parser!(u32).range(1..=1_024))]
    pub(crate) threads: u32,
}

impl Fanout {
    pub(crate) fn load(&self) -> Load {
        self.rate.map_or(Load::InFlight(self.in_flight), Load::Rate)
    }
}

#[derive(Args, Debug)]
pub(crate) struct Idle {
    #[command(flatten)]
    pub(crate) relay: RelayArgs,

    /// Connections, each of one guest; rounded up to whole rooms
    #[arg(long, value_name = "COUNT", default_value_t = 9_000)]
    #[arg(value_parser = value_parser!(u32).range(1..=1_000_000))]
    pub(crate) connections: u32,

    /// Guests of each room
    #[arg(long, default_value_t = 100, value_parser = value_parser!(u32).range(1..=100_000))]
    pub(crate) guests: u32,
}

/// What guests do once they are in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Then {
    /// Stay, and follow all that happens in the room until all guests are in
    Stay,
    /// Forget the room and close the connection, without a word to the others
    Go,
}

impl Then {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Stay => "stay",
            Self::Go => "go",
        }
    }
}

#[derive(Args, Debug)]
pub(crate) struct Join {
    #[command(flatten)]
    pub(crate) relay: RelayArgs,

    /// Guests who come to the room besides the one that opened it and is there
    #[arg(long, default_value_t = 50, value_parser = value_parser!(u32).range(1..=10_000))]
    pub(crate) guests: u32,

    /// All come at the same moment; otherwise each when the one before is in
    #[arg(long)]
    pub(crate) at_once: bool,

    /// What guests do once they are in
    #[arg(long, value_enum, default_value_t = Then::Stay)]
    pub(crate) then: Then,

    /// How long each may take to get in
    #[arg(long, value_name = "TIME", default_value = "10m", value_parser = units::span)]
    pub(crate) within: Duration,
}

#[derive(Args, Debug)]
pub(crate) struct Talk {
    #[command(flatten)]
    pub(crate) relay: RelayArgs,

    /// Rooms
    #[arg(long, default_value_t = 5, value_parser = value_parser!(u32).range(1..=1_000))]
    pub(crate) rooms: u32,

    /// Guests of each room, who talk in turns
    #[arg(long, default_value_t = 10, value_parser = value_parser!(u32).range(1..=1_000))]
    pub(crate) guests: u32,

    /// Messages a second in each room
    #[arg(long, value_name = "COUNT", default_value = "5", value_parser = rate)]
    pub(crate) rate: f64,

    /// How long they talk
    #[arg(long = "for", value_name = "TIME", default_value = "10s", value_parser = units::span)]
    pub(crate) span: Duration,

    /// How long messages are kept: live is not at all
    #[arg(long, value_name = "TIME", default_value = "live")]
    pub(crate) keep: Retention,

    /// How long each may take to get in
    #[arg(long, value_name = "TIME", default_value = "10m", value_parser = units::span)]
    pub(crate) within: Duration,
}

#[derive(Args, Debug)]
pub(crate) struct Soak {
    #[command(flatten)]
    pub(crate) relay: RelayArgs,

    /// Rooms at a time
    #[arg(long, default_value_t = 4, value_parser = value_parser!(u32).range(1..=1_000))]
    pub(crate) rooms: u32,

    /// Guests of each room besides its owner. They leave, vanish, are cut off and come back, or
    /// close their program, in turns
    #[arg(long, default_value_t = 8, value_parser = value_parser!(u32).range(1..=1_000))]
    pub(crate) guests: u32,

    /// How long rooms are opened anew
    #[arg(long = "for", value_name = "TIME", default_value = "10m", value_parser = units::span)]
    pub(crate) span: Duration,

    /// How often a line is printed
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = units::span)]
    pub(crate) every: Duration,

    /// How long any one thing may take a guest
    #[arg(long, value_name = "TIME", default_value = "2m", value_parser = units::span)]
    pub(crate) within: Duration,

    /// Memory in MiB that the server may have more of in the end than before
    #[arg(long, value_name = "MIB", default_value_t = 16)]
    pub(crate) tolerance: u32,

    /// How long memory, files and threads may take to return
    #[arg(long, value_name = "TIME", default_value = "2m", value_parser = units::span)]
    pub(crate) settles: Duration,
}

/// Returns the given loads, or else the defaults.
pub(crate) fn loads(in_flight: &[u32], rate: &[f64]) -> Vec<Load> {
    if in_flight.is_empty() && rate.is_empty() {
        return vec![Load::InFlight(4), Load::InFlight(16), Load::Rate(20.0)];
    }
    let closed = in_flight.iter().copied().map(Load::InFlight);
    closed.chain(rate.iter().copied().map(Load::Rate)).collect()
}

pub(crate) fn relay_url(text: &str) -> Result<RelayUrl, String> {
    RelayUrl::parse(text).map_err(|error| error.to_string())
}

pub(crate) fn sealed_size() -> impl TypedValueParser<Value = usize> {
    PossibleValuesParser::new(["1000", "4000", "16000", "64000"])
        .try_map(|size| size.parse::<usize>())
}

pub(crate) fn rate(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(rate) if (0.001..=1e6).contains(&rate) => Ok(rate),
        _ => Err("give messages a second, from 0.001 to 1000000".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    fn parse(words: &[&str]) -> Result<Task, String> {
        let words = ["anocm-load"].iter().chain(words);
        Cli::try_parse_from(words).map(|cli| cli.task).map_err(|error| error.to_string())
    }

    #[test]
    fn a_load_is_closed_unless_a_rate_is_given() {
        let load = |words: &[&str]| match parse(words).unwrap() {
            Task::Fanout(fanout) => vec![fanout.load()],
            Task::Baseline(baseline) => baseline.loads(),
            other => panic!("{other:?}"),
        };
        assert_eq!(load(&["fanout"]), [Load::InFlight(4)]);
        assert_eq!(load(&["fanout", "--rate", "0.5"]), [Load::Rate(0.5)]);
        assert_eq!(load(&["baseline", "loop"]).len(), 3);
        assert_eq!(
            load(&["baseline", "mosquitto", "--rate=1,2", "--in-flight=8"]),
            [Load::InFlight(8), Load::Rate(1.0), Load::Rate(2.0)]
        );
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        for words in [
            ["fanout", "--size=999"],
            ["fanout", "--rate=0"],
            ["fanout", "--rate=inf"],
            ["fanout", "--rate=NaN"],
            ["fanout", "--in-flight=0"],
            ["fanout", "--guests=0"],
            ["fanout", "--pid=1"],
            ["fanout", "--keep=10ms"],
            ["fanout", "--relay=http://relay.example/"],
        ] {
            assert!(parse(&words).is_err(), "{words:?}");
        }
        assert!(parse(&["fanout", "--rate=1", "--in-flight=1"]).is_err());
    }
}
