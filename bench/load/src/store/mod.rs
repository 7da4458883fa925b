//! Relays whose rooms are in Redis or Valkey.
//!
//! ```text
//! publish ── publishers      one relay, each guest in a room of its own
//!    │  └─── bare            redis-benchmark
//! fanout                     one room over two relays
//! memory ── publishers
//!    └────── redis           the server itself, and its statistics
//! ```

pub(crate) mod args;
mod bare;
mod fanout;
mod memory;
mod publish;
mod publishers;
mod redis;

use std::{io, path::PathBuf, time::Duration};

use self::args::{Part, Store};
use crate::{
    failure::Failure,
    guest::GuestError,
    measure::{MeasureError, each},
    report::Printer,
    server::ServerError,
};

/// Why nothing can be measured.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StoreError {
    #[error(
        "{} is missing: install it, on Debian with 'apt-get install redis-server', or name another \
         with --redis", .0.display()
    )]
    NoRedis(PathBuf),
    #[error(
        "cannot start {} ({}): install it, on Debian with 'apt-get install redis-tools', or name \
         another with --benchmark", .0.display(), .1
    )]
    NoBenchmark(PathBuf, io::Error),
    #[error("{} did not say how fast it was", .0.display())]
    NoSpeed(PathBuf),
    #[error("the server of rooms did not start to listen")]
    NoStart,
    #[error("the server of rooms does not answer: {0}")]
    Mute(#[source] io::Error),
    #[error("what the server of rooms says cannot be understood")]
    Strange,
    #[error("the configuration of the server of rooms cannot be written: {0}")]
    Files(#[source] io::Error),
    #[error(transparent)]
    Server(#[from] ServerError),
    #[error(transparent)]
    Measure(#[from] MeasureError),
    #[error(transparent)]
    Guest(#[from] GuestError),
}

pub(crate) async fn run(args: &Store, printer: &mut Printer) -> Result<(), Failure> {
    if args.has(Part::Publish) {
        publish::run(args, printer).await?;
    }
    if args.has(Part::Fanout) {
        fanout::run(args, printer).await?;
    }
    if args.has(Part::Memory) {
        memory::run(args, printer).await?;
    }
    Ok(())
}

/// Returns the share of each of `count`.
fn share(of: u64, count: u64) -> Option<f64> {
    // As microseconds, which `each` converts to a fraction.
    each(Duration::from_micros(of), count)
}
