//! Rooms in which one guest publishes and all receive.

use std::sync::Arc;

use anocm_core::Retention;

use crate::{
    args::Fanout,
    failure::Failure,
    guest::{GuestError, room::RawRoom, speech::Speech},
    measure::{Load, Measured, Plan, measure},
    process::Sample,
    report::{Printer, Row, Value},
    server::Relay,
};

/// The limits of a room requested from a relay that runs already: what relays grant by default.
const ENTRIES: u32 = 50_000;
const BYTES: u64 = 64 << 20;
/// The same for a relay started here.
const MANY_ENTRIES: u32 = 100_000_000;
const MANY_BYTES: u64 = 16 << 30;

pub(crate) async fn run(args: &Fanout, printer: &Printer) -> Result<(), Failure> {
    let connections = args.rooms.saturating_mul(args.guests);
    let relay = Relay::find(&args.relay, connections).await?;
    let rooms = rooms(args.rooms, args.keep, relay.own)?;
    let plan = Plan { guests: args.guests, size: args.size, load: args.load(), span: args.span };
    let measured = measure(&[relay.target()?], relay.process.as_slice(), rooms, plan).await?;
    printer.record(&row(args, &measured))?;
    Failure::of(&measured)
}

/// Returns `count` rooms, with limits for a relay started here (`own`) or for another one.
pub(crate) fn rooms(count: u32, keep: Retention, own: bool) -> Result<Vec<Speech>, GuestError> {
    let (entries, bytes) = if own { (MANY_ENTRIES, MANY_BYTES) } else { (ENTRIES, BYTES) };
    let room = |_| Ok(Speech::Relay(Arc::new(RawRoom::new(keep, entries, bytes)?)));
    (0..count).map(room).collect()
}

fn row(args: &Fanout, measured: &Measured) -> Row {
    Row::new("fanout")
        .with("rooms", u64::from(args.rooms))
        .with("guests", u64::from(args.guests))
        .with("size", u64::try_from(args.size).unwrap_or(u64::MAX))
        .and(load(args.load()))
        .with("keep", Value::text(args.keep.to_string()))
        .and(measured.row())
        .and(server(measured))
}

/// Returns the load as columns.
pub(crate) fn load(load: Load) -> Row {
    let (in_flight, rate) = match load {
        Load::InFlight(count) => (Value::Count(count.into()), Value::Unknown),
        Load::Rate(rate) => (Value::Unknown, Value::Real(rate, 3)),
    };
    Row::default().with("in_flight", in_flight).with("rate", rate)
}

/// Returns the server's resource usage as columns.
fn server(measured: &Measured) -> Row {
    let Measured { before, with_all, after, .. } = measured;
    let of = |sample: &Option<Sample>, what: fn(&Sample) -> u64| sample.as_ref().map(what);
    let memory = |sample: &Sample| sample.resident >> 10;
    Row::default()
        .with("server_kib_before", of(before, memory))
        .with("server_kib_with_all", of(with_all, memory))
        .with("server_kib_after", of(after, memory))
        .with("server_threads", of(after, |sample| sample.threads))
        .with("server_files", after.as_ref().and_then(|sample| sample.files))
}
