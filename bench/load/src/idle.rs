//! Guests that are connected and send nothing.

use std::{sync::Arc, time::Duration};

use anocm_core::Retention;
use tokio::time::{Instant, sleep};

use crate::{
    args::Idle,
    failure::Failure,
    fanout::rooms,
    guest::{
        clients::{Shared, Troubles, gather},
        mark::Marker,
        room::random,
    },
    latency::Latencies,
    measure::MeasureError,
    process::{Process, Sample},
    report::{Printer, Row, Value},
    server::Relay,
};

/// Memory has settled when it stays the same for so many samples.
const STEADY: u32 = 20;
/// Sampling interval.
const LOOK: Duration = Duration::from_millis(250);
/// Timeout for settling.
const SETTLES: Duration = Duration::from_secs(60);

pub(crate) async fn run(args: &Idle, printer: &Printer) -> Result<(), Failure> {
    let guests = args.guests.min(args.connections);
    let count = args.connections.div_ceil(guests);
    let connections = count.saturating_mul(guests);
    let relay = Relay::find(&args.relay, connections).await?;
    let process = relay.watched()?;
    let troubles = Arc::new(Troubles::default());
    let shared = Shared {
        marker: Marker::new(random()?),
        latencies: Arc::new(Latencies::new().map_err(MeasureError::from)?),
        troubles: Arc::clone(&troubles),
        size: 1_000,
        in_flight: 0,
    };
    let rooms = rooms(count, Retention::Live, relay.own)?;
    let before = settled(process).await?;
    let start = Instant::now();
    let groups = gather(&[relay.target()?], rooms, guests, &shared).await?;
    let took = start.elapsed();
    let with_all = settled(process).await?;
    // A connection that was dropped meanwhile makes the counts wrong: report it.
    let troubles = troubles.lines();
    drop(groups);
    let row = Row::new("idle")
        .with("connections", u64::from(connections))
        .with("rooms", u64::from(count))
        .with("guests", u64::from(guests))
        .with("seconds", Value::Real(took.as_secs_f64(), 3))
        .with("server_anon_kib_before", before.anon >> 10)
        .with("server_anon_kib_with_all", with_all.anon >> 10)
        .with("server_bytes_per_connection", bytes_each(&before, &with_all, connections))
        .with("server_threads", with_all.threads)
        .with("server_files", with_all.files);
    printer.record(&row)?;
    if troubles.is_empty() { Ok(()) } else { Err(Failure::Troubles(troubles)) }
}

/// Returns the growth of a server's own (anonymous) memory per connection, in bytes.
pub(crate) fn bytes_each(before: &Sample, after: &Sample, connections: u32) -> u64 {
    after.anon.saturating_sub(before.anon) / u64::from(connections.max(1))
}

/// Waits until the memory of a process stays the same, up to a timeout.
pub(crate) async fn settled(process: Process) -> Result<Sample, MeasureError> {
    let give_up = Instant::now() + SETTLES;
    let (mut last, mut steady) = (process.sample()?, 0);
    while steady < STEADY && Instant::now() < give_up {
        sleep(LOOK).await;
        let now = process.sample()?;
        steady = if now.anon == last.anon { steady + 1 } else { 0 };
        last = now;
    }
    Ok(last)
}
