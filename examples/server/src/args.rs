//! The command line.
#![allow(rustdoc::bare_urls, rustdoc::broken_intra_doc_links, reason = "the help is for terminals")]

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use anocm_core::{Retention, relay::RelayConfig, store::MemoryLimits};
use anocm_ws::{
    Timing,
    server::{ListenOptions, WsServerOptions},
};
use clap::{CommandFactory, Parser, ValueEnum, error::ErrorKind, value_parser};

use crate::{rates::Rates, units};

const EXAMPLES: &str = "\
Examples:
  Try it on this machine:
      anocm-server
  Behind a proxy that does TLS (forward everything, WebSocket at /ws included):
      anocm-server --listen 127.0.0.1:8080
  With TLS of its own, messages kept for an hour at most, rooms gone after a day:
      anocm-server --listen 0.0.0.0:443 --tls-cert fullchain.pem --tls-key key.pem \\
          --max-retention 1h --max-age 1d
  As a Tor onion service (HiddenServicePort 80 127.0.0.1:8080):
      anocm-server --listen 127.0.0.1:8080

Durations are a number and ms, s, m, h or d; sizes a number and KiB, MiB or GiB.
Every option can also be given by the environment variable named with it.

Exit codes: 0 after SIGINT, SIGTERM or SIGHUP, 1 when it cannot run, 2 for wrong options.";

/// A relay for anocm rooms. It keeps everything in memory, can read nothing of it, and forgets.
///
/// On start it prints one line with its URL. It writes no file and no names, addresses or sizes
/// into its log. SIGINT, SIGTERM or SIGHUP ends it: rooms are told, everything is forgotten. Started
/// with nohup, it does not mind SIGHUP.
#[derive(Debug, Parser)]
#[command(version, about, after_long_help = EXAMPLES, max_term_width = 100)]
pub(crate) struct Args {
    /// Address and port to listen on; port 0 lets the system choose
    #[arg(
        long,
        env = "ANOCM_LISTEN",
        default_value = "127.0.0.1:8080",
        value_name = "ADDRESS:PORT",
        help_heading = "Listening"
    )]
    pub(crate) listen: SocketAddr,

    /// Certificate chain in PEM; turns TLS on
    #[arg(
        long,
        env = "ANOCM_TLS_CERT",
        requires = "tls_key",
        value_name = "FILE",
        help_heading = "Listening"
    )]
    pub(crate) tls_cert: Option<PathBuf>,

    /// Private key of the certificate, in PEM
    #[arg(
        long,
        env = "ANOCM_TLS_KEY",
        requires = "tls_cert",
        value_name = "FILE",
        help_heading = "Listening"
    )]
    pub(crate) tls_key: Option<PathBuf>,

    /// Longest time a message may be kept; 0s only passes on, 30d is the most there is
    #[arg(
        long, env = "ANOCM_MAX_RETENTION", default_value = "30d", value_parser = retention,
        value_name = "DURATION", help_heading = "What rooms may ask for"
    )]
    pub(crate) max_retention: Retention,

    /// Longest time a room may outlive its last connection
    #[arg(
        long, env = "ANOCM_MAX_LINGER", default_value = "1d", value_parser = units::duration,
        value_name = "DURATION", help_heading = "What rooms may ask for"
    )]
    pub(crate) max_linger: Duration,

    /// Largest age of a room
    #[arg(
        long, env = "ANOCM_MAX_AGE", default_value = "30d", value_parser = units::timeout,
        value_name = "DURATION", help_heading = "What rooms may ask for"
    )]
    pub(crate) max_age: Duration,

    /// Messages kept in one room at a time
    #[arg(
        long, env = "ANOCM_MAX_ROOM_ENTRIES", default_value_t = 50_000,
        value_parser = value_parser!(u32).range(1..),
        value_name = "COUNT", help_heading = "What rooms may ask for"
    )]
    pub(crate) max_room_entries: u32,

    /// Memory for the messages of one room
    #[arg(
        long, env = "ANOCM_MAX_ROOM_MEMORY", default_value = "64MiB", value_parser = units::bytes,
        value_name = "SIZE", help_heading = "What rooms may ask for"
    )]
    pub(crate) max_room_memory: usize,

    /// Rooms at a time
    #[arg(
        long, env = "ANOCM_MAX_ROOMS", default_value = "100000", value_parser = count,
        value_name = "COUNT", help_heading = "Limits"
    )]
    pub(crate) max_rooms: usize,

    /// Memory for all rooms together; when it is full, nothing new is taken
    #[arg(
        long, env = "ANOCM_MAX_MEMORY", default_value = "1GiB", value_parser = units::bytes,
        value_name = "SIZE", help_heading = "Limits"
    )]
    pub(crate) max_memory: usize,

    /// Connections at a time; each may be in several rooms
    #[arg(
        long, env = "ANOCM_MAX_CONNECTIONS", default_value_t = 10_000,
        value_parser = value_parser!(u32).range(1..=1_000_000),
        value_name = "COUNT", help_heading = "Limits"
    )]
    pub(crate) max_connections: u32,

    /// Rooms that one connection may be in
    #[arg(
        long, env = "ANOCM_MAX_ROOMS_PER_CONNECTION", default_value = "64", value_parser = count,
        value_name = "COUNT", help_heading = "Limits"
    )]
    pub(crate) max_rooms_per_connection: usize,

    #[command(flatten)]
    pub(crate) rates: Rates,

    /// A connection must have asked for something by then
    #[arg(
        long, env = "ANOCM_HEADER_WITHIN", default_value = "10s", value_parser = units::timeout,
        value_name = "DURATION", help_heading = "Patience"
    )]
    pub(crate) header_within: Duration,

    /// A connection that is in no room is closed after this
    #[arg(
        long, env = "ANOCM_IDLE", default_value = "60s", value_parser = units::timeout,
        value_name = "DURATION", help_heading = "Patience"
    )]
    pub(crate) idle: Duration,

    /// A silent connection is pinged after this, or after half of --dead-after
    #[arg(
        long, env = "ANOCM_PING_AFTER", default_value = "25s", value_parser = units::timeout,
        value_name = "DURATION", help_heading = "Patience"
    )]
    pub(crate) ping_after: Duration,

    /// A connection that stays silent is dropped after this
    #[arg(
        long, env = "ANOCM_DEAD_AFTER", default_value = "60s", value_parser = units::timeout,
        value_name = "DURATION", help_heading = "Patience"
    )]
    pub(crate) dead_after: Duration,

    /// Ending takes no longer than this
    #[arg(
        long, env = "ANOCM_SHUTDOWN_WITHIN", default_value = "10s", value_parser = units::timeout,
        value_name = "DURATION", help_heading = "Patience"
    )]
    pub(crate) shutdown_within: Duration,

    /// What is written to standard error
    #[arg(
        long,
        env = "ANOCM_LOG",
        default_value = "warn",
        value_name = "LEVEL",
        help_heading = "Logging"
    )]
    pub(crate) log: LogLevel,
}

/// How much is logged.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum LogLevel {
    Off,
    Error,
    Warn,
    Info,
    Debug,
    Trace,
}

impl Args {
    /// Reads the command line. Ends the program when it cannot be as it says.
    pub(crate) fn read() -> Self {
        let args = Self::parse();
        if args.ping_after >= args.dead_after {
            let says = "--ping-after must be shorter than --dead-after";
            Self::command().error(ErrorKind::ValueValidation, says).exit();
        }
        args
    }

    /// What the relay grants.
    pub(crate) fn relay(&self) -> RelayConfig {
        let mut config = RelayConfig::default();
        self.rates.apply(&mut config);
        config.idle_timeout = self.idle;
        config.max_connections = usize::try_from(self.max_connections).unwrap_or(usize::MAX);
        config.max_rooms_per_connection = self.max_rooms_per_connection;
        config.policy.largest = self.max_retention;
        config.policy.linger = self.max_linger;
        config.policy.largest_age = self.max_age;
        config.policy.max_entries = self.max_room_entries;
        config.policy.max_bytes = u64::try_from(self.max_room_memory).unwrap_or(u64::MAX);
        config
    }

    /// What the store holds.
    pub(crate) fn memory(&self) -> MemoryLimits {
        let mut limits = MemoryLimits::default();
        limits.max_rooms = self.max_rooms;
        limits.max_bytes = self.max_memory;
        limits
    }

    /// How connections are taken.
    pub(crate) fn connections(&self) -> ListenOptions {
        ListenOptions {
            max_connections: self.max_connections,
            header_within: self.header_within,
            taken_within: self.rates.stall,
        }
    }

    /// How WebSockets are treated.
    pub(crate) fn web_socket(&self) -> WsServerOptions {
        WsServerOptions {
            timing: Timing {
                ping_after: self.ping_after,
                dead_after: self.dead_after,
                close_within: self.shutdown_within.min(Timing::default().close_within),
            },
            ..WsServerOptions::default()
        }
    }
}

impl LogLevel {
    /// The name of the level as filters spell it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Error => "error",
            Self::Warn => "warn",
            Self::Info => "info",
            Self::Debug => "debug",
            Self::Trace => "trace",
        }
    }
}

fn retention(text: &str) -> Result<Retention, String> {
    Retention::keep(units::duration(text)?).map_err(|error| error.to_string())
}

fn count(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(0) => Err("must be at least 1".to_owned()),
        Ok(count) => Ok(count),
        Err(_) => Err("not a number".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::Debug;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Args::command().debug_assert();
    }

    #[test]
    fn every_option_has_an_environment_variable_and_a_heading() {
        for argument in Args::command().get_arguments() {
            let name = argument.get_id().as_str();
            if !["help", "version"].contains(&name) {
                let variable = format!("ANOCM_{}", name.to_uppercase());
                assert_eq!(argument.get_env().and_then(|env| env.to_str()), Some(&*variable));
                assert!(argument.get_help_heading().is_some(), "{name}");
            }
        }
    }

    #[test]
    fn what_is_not_given_is_as_the_library_has_it() {
        let given = Args::parse_from(["anocm-server"]);
        // By their `Debug`, so that nothing is left out, not even what is added later.
        let same = |given: &dyn Debug, library: &dyn Debug| {
            assert_eq!(format!("{given:#?}"), format!("{library:#?}"));
        };
        same(&given.relay(), &RelayConfig::default());
        same(&given.memory(), &MemoryLimits::default());
        same(&given.web_socket(), &WsServerOptions::default());
        same(&given.connections(), &ListenOptions::default());
    }

    #[test]
    fn what_is_given_reaches_relay_and_store() {
        let args = Args::parse_from([
            "anocm-server",
            "--max-retention=0s",
            "--max-age=1d",
            "--max-rooms=7",
            "--max-memory=64MiB",
            "--joins-per-minute=3",
            "--grace=2s",
        ]);
        assert_eq!((args.relay().joins.each, args.relay().joins.burst), (3, 3));
        assert_eq!(args.relay().grace, Duration::from_secs(2));
        assert_eq!(args.relay().policy.largest, Retention::Live);
        assert_eq!(args.relay().policy.largest_age, Duration::from_secs(86_400));
        assert_eq!((args.memory().max_rooms, args.memory().max_bytes), (7, 64 << 20));
    }
}
