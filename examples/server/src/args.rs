//! The command line.
#![allow(rustdoc::bare_urls, rustdoc::broken_intra_doc_links, reason = "the help is for terminals")]

mod capacity;
mod limits;
mod rates;
mod rooms;
mod store;
mod timeouts;

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use anocm_core::{relay::RelayConfig, store::MemoryLimits};
use anocm_redis::RedisOptions;
use anocm_ws::server::{ListenOptions, WsServerOptions};
use capacity::Capacity;
use clap::{CommandFactory, Parser, Subcommand, ValueEnum, error::ErrorKind};
use limits::Limits;
use rates::Rates;
use rooms::Rooms;
use store::Store;
pub(crate) use store::StoreFailure;
use timeouts::Timeouts;
use tracing::level_filters::LevelFilter;

const EXAMPLES: &str = "\
Examples:
  Try it on this machine:
      anocm-server --refuse-origin
  Behind a proxy that does TLS (forward everything, WebSocket at /ws included):
      anocm-server --listen 127.0.0.1:8080
  With TLS of its own, messages kept for an hour at most, rooms gone after a day:
      anocm-server --listen 0.0.0.0:443 --tls-cert fullchain.pem --tls-key key.pem \\
          --max-retention 1h --max-age 1d
  One of several relays that share their rooms:
      anocm-server --listen 127.0.0.1:8080 --store redis://10.0.0.7:6379
  Whether this machine is fit for it, and what to do if not:
      anocm-server doctor
  As a Tor onion service (HiddenServicePort 80 127.0.0.1:8080):
      anocm-server --listen 127.0.0.1:8080

Durations are 30s, 5m, 1h 30m, 1d or plain seconds; sizes a number and KiB, MiB or GiB.
Every option can also be given by the environment variable named with it.

SIGHUP reads certificate and key again, for connections that come from then on; it ends nothing.

Exit codes: 0 after SIGINT or SIGTERM, 1 when it cannot run or go on, 2 for wrong options.";

/// A relay for anocm rooms. It keeps everything in memory, can read nothing of it, and forgets.
///
/// On start it prints one line with its URL. It writes no file and no names, addresses or sizes
/// into its log. SIGINT or SIGTERM ends it: rooms are told, everything is forgotten.
#[derive(Debug, Parser)]
#[command(version, about, after_long_help = EXAMPLES, max_term_width = 100)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct Args {
    #[command(subcommand)]
    pub(crate) task: Option<Task>,

    #[command(flatten)]
    pub(crate) listening: Listening,

    #[command(flatten)]
    store: Store,

    #[command(flatten)]
    rooms: Rooms,

    #[command(flatten)]
    limits: Limits,

    #[command(flatten)]
    rates: Rates,

    #[command(flatten)]
    capacity: Capacity,

    #[command(flatten)]
    timeouts: Timeouts,

    /// What is written to standard error
    #[arg(long, env = "ANOCM_LOG", value_name = "LEVEL", help_heading = "Logging")]
    #[arg(default_value = "warn")]
    pub(crate) log: LogLevel,
}

/// What to do instead of serving.
#[derive(Clone, Debug, Subcommand)]
pub(crate) enum Task {
    /// Say whether this machine lets a relay keep its promise, and what to do if not.
    ///
    /// Looks, as every start does, whether memory could come onto a disk: by core dumps, by swap
    /// space, by hibernation. Ends with 0 when all is well and with 1 when not. Guests are told the
    /// worst of it as the relay's posture. Of a certificate it says whether guests refuse it, now or
    /// within two weeks.
    Doctor {
        /// Certificate chain in PEM to look at, too
        #[arg(long, env = "ANOCM_TLS_CERT", value_name = "FILE")]
        tls_cert: Option<PathBuf>,
    },
}

#[derive(clap::Args, Debug)]
#[command(next_help_heading = "Listening")]
pub(crate) struct Listening {
    /// Address and port to listen on; port 0 lets the system choose
    #[arg(long, env = "ANOCM_LISTEN", value_name = "ADDRESS:PORT")]
    #[arg(default_value = "127.0.0.1:8080")]
    pub(crate) listen: SocketAddr,

    /// Certificate chain in PEM; turns TLS on. SIGHUP reads it again
    #[arg(long, env = "ANOCM_TLS_CERT", value_name = "FILE", requires = "tls_key")]
    pub(crate) tls_cert: Option<PathBuf>,

    /// Private key of the certificate, in PEM
    #[arg(long, env = "ANOCM_TLS_KEY", value_name = "FILE", requires = "tls_cert")]
    pub(crate) tls_key: Option<PathBuf>,

    /// Show the operator numbers, for Prometheus, at http://ADDRESS:PORT/metrics. They name no
    /// guest, but tell when something happens: for an address that others cannot reach
    #[arg(long, env = "ANOCM_METRICS", value_name = "ADDRESS:PORT")]
    pub(crate) metrics: Option<SocketAddr>,

    /// Refuse whatever comes from a web page. For a relay that only programs use, such as one for
    /// this machine alone: any page that is open on it could otherwise open rooms there
    #[arg(long, env = "ANOCM_REFUSE_ORIGIN")]
    refuse_origin: bool,
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
    /// Parses the command line. Exits the program if it is invalid.
    pub(crate) fn read() -> Self {
        let args = Self::parse();
        if args.timeouts.ping_after >= args.timeouts.dead_after {
            let says = "--ping-after must be shorter than --dead-after";
            Self::command().error(ErrorKind::ValueValidation, says).exit();
        }
        args
    }

    /// Returns the configuration of the relay.
    pub(crate) fn relay(&self) -> RelayConfig {
        let mut config = RelayConfig::default();
        self.limits.apply(&mut config);
        self.rates.apply(&mut config);
        self.capacity.apply(&mut config);
        self.timeouts.apply(&mut config);
        self.rooms.apply(&mut config.policy);
        config
    }

    /// Returns how to reach the servers that keep the rooms; `None` if this process keeps them.
    pub(crate) fn redis(&self) -> Result<Option<RedisOptions>, StoreFailure> {
        self.store.redis(self.memory().max_rooms, std::env::args())
    }

    /// Whether the rooms are kept in this process, and end with it.
    pub(crate) fn keeps_rooms(&self) -> bool {
        self.store.store.is_empty()
    }

    /// Returns the limits of the store.
    pub(crate) fn memory(&self) -> MemoryLimits {
        self.limits.memory()
    }

    /// Returns the options for listening.
    pub(crate) fn connections(&self) -> ListenOptions {
        ListenOptions {
            max_connections: self.limits.max_connections,
            header_within: self.timeouts.header_within,
            taken_within: self.timeouts.write_timeout,
        }
    }

    /// Returns the options for WebSockets.
    pub(crate) fn web_socket(&self) -> WsServerOptions {
        WsServerOptions {
            timing: self.timeouts.timing(),
            refuse_origin: self.listening.refuse_origin,
            receive_memory: self.limits.receive_memory,
            ..WsServerOptions::default()
        }
    }

    /// Returns the timeout for shutting down.
    pub(crate) fn shutdown_within(&self) -> Duration {
        self.timeouts.shutdown_within
    }
}

impl LogLevel {
    /// Returns the level as a filter of the log.
    pub(crate) const fn filter(self) -> LevelFilter {
        match self {
            Self::Off => LevelFilter::OFF,
            Self::Error => LevelFilter::ERROR,
            Self::Warn => LevelFilter::WARN,
            Self::Info => LevelFilter::INFO,
            Self::Debug => LevelFilter::DEBUG,
            Self::Trace => LevelFilter::TRACE,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::Debug;

    use anocm_core::Retention;

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
        // Compared by `Debug`, so that all fields are covered, including those added later.
        let same = |given: &dyn Debug, library: &dyn Debug| {
            assert_eq!(format!("{given:#?}"), format!("{library:#?}"));
        };
        same(&given.relay(), &RelayConfig::default());
        same(&given.memory(), &MemoryLimits::default());
        same(&given.web_socket(), &WsServerOptions::default());
        same(&given.connections(), &ListenOptions::default());
    }

    #[test]
    fn what_is_given_reaches_relay_store_and_listener() {
        let args = Args::parse_from([
            "anocm-server",
            "--max-retention=0s",
            "--max-age=1d",
            "--max-rooms=7",
            "--max-memory=64MiB",
            "--max-connections=5",
            "--header-within=3s",
            "--write-timeout=4s",
            "--joins-per-minute=3",
            "--epoch-grace=2s",
        ]);
        assert_eq!((args.relay().joins.amount, args.relay().joins.burst), (3, 3));
        assert_eq!(args.relay().epoch_grace, Duration::from_secs(2));
        let listening = args.connections();
        assert_eq!((listening.max_connections, args.relay().max_connections), (5, 5));
        assert_eq!((listening.header_within.as_secs(), listening.taken_within.as_secs()), (3, 4));
        assert_eq!(args.relay().policy.max_retention, Retention::Live);
        assert_eq!(args.relay().policy.max_age, Duration::from_secs(86_400));
        assert_eq!((args.memory().max_rooms, args.memory().max_bytes), (7, 64 << 20));
    }
}
