//! One measurement: guests, a load, and the results.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use futures_util::future::try_join_all;
use hdrhistogram::CreationError;
use tokio::{
    sync::mpsc,
    time::{Instant, sleep},
};

use crate::{
    guest::{
        GuestError,
        clients::{Clients, Shared, Troubles, gather},
        mark::Marker,
        publish,
        room::random,
        socket::Target,
        speech::Speech,
    },
    latency::Latencies,
    process::{Process, ProcessError, Sample},
    report::{Row, Value},
};

/// Waiting for outstanding messages ends when none arrived within this time.
const LATE: Duration = Duration::from_secs(5);
/// Interval of the check for that.
const LOOK: Duration = Duration::from_millis(5);

/// How much is sent.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Load {
    /// A closed loop: this many messages of each room are in flight at any time.
    InFlight(u32),
    /// An open loop: this many messages per second and room, unconditionally.
    Rate(f64),
}

/// What is measured.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Plan {
    /// Guests of each room.
    pub(crate) guests: u32,
    /// Sealed bytes of a message.
    pub(crate) size: usize,
    pub(crate) load: Load,
    pub(crate) span: Duration,
}

/// The results.
#[derive(Debug)]
pub(crate) struct Measured {
    pub(crate) messages: u64,
    pub(crate) deliveries: u64,
    /// Deliveries that never arrived.
    pub(crate) lost: u64,
    /// From the first message to the last delivery.
    pub(crate) elapsed: Duration,
    pub(crate) latencies: Arc<Latencies>,
    /// The first server before any guest connected, with all guests, and after the load.
    pub(crate) before: Option<Sample>,
    pub(crate) with_all: Option<Sample>,
    pub(crate) after: Option<Sample>,
    /// Processor time of each process during the load.
    pub(crate) cpu: Vec<Duration>,
    /// Errors, a line each.
    pub(crate) troubles: Vec<String>,
}

/// Why a measurement failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum MeasureError {
    #[error(transparent)]
    Guest(#[from] GuestError),
    #[error(transparent)]
    Process(#[from] ProcessError),
    #[error("times cannot be counted: {0}")]
    Histogram(#[from] CreationError),
}

/// Opens the rooms, runs the load, and closes the connections. Guests of each room are spread over
/// all targets; full samples are taken of the first process only.
pub(crate) async fn measure(
    targets: &[Target],
    processes: &[Process],
    rooms: Vec<Speech>,
    plan: Plan,
) -> Result<Measured, MeasureError> {
    let sample = || processes.iter().map(|process| process.sample()).collect::<Result<Vec<_>, _>>();
    let before = sample()?;
    let latencies = Arc::new(Latencies::new()?);
    let troubles = Arc::new(Troubles::default());
    let in_flight = if let Load::InFlight(count) = plan.load { count } else { 0 };
    let shared = Shared {
        marker: Marker::new(random()?),
        latencies: Arc::clone(&latencies),
        troubles: Arc::clone(&troubles),
        size: plan.size,
        in_flight,
    };
    let groups = gather(targets, rooms, plan.guests, &shared).await?;
    let with_all = sample()?;
    let start = Instant::now();
    load(&groups, plan, start, &troubles).await?;
    let ended = drain(&groups, plan.guests).await;
    let after = sample()?;
    let messages = sum(&groups, |group| group.room.sent.load(Ordering::Acquire));
    let deliveries = delivered(&groups);
    drop(groups);
    let lost = messages.saturating_mul(plan.guests.into()).saturating_sub(deliveries);
    let elapsed = ended.saturating_duration_since(start);
    let troubles = troubles.lines();
    let cpu = with_all.iter().zip(&after);
    let cpu = cpu.map(|(with_all, after)| after.cpu.saturating_sub(with_all.cpu)).collect();
    let first = |samples: Vec<Sample>| samples.first().copied();
    let (before, with_all, after) = (first(before), first(with_all), first(after));
    Ok(Measured {
        messages,
        deliveries,
        lost,
        elapsed,
        latencies,
        before,
        with_all,
        after,
        cpu,
        troubles,
    })
}

async fn load(
    groups: &[Clients],
    plan: Plan,
    start: Instant,
    troubles: &Troubles,
) -> Result<(), GuestError> {
    match plan.load {
        Load::InFlight(count) => {
            let end = start + plan.span;
            let loops = groups.iter().map(|group| publish::closed(group, plan.size, count, end));
            for whole in try_join_all(loops).await? {
                if !whole {
                    troubles
                        .note("a message did not reach everybody, so that the loop ended early");
                }
            }
        }
        Load::Rate(rate) => open(groups, plan, rate, start, troubles).await?,
    }
    Ok(())
}

async fn open(
    groups: &[Clients],
    plan: Plan,
    rate: f64,
    start: Instant,
    troubles: &Troubles,
) -> Result<(), GuestError> {
    let (pacers, times): (Vec<_>, Vec<_>) =
        groups.iter().map(|_| mpsc::unbounded_channel()).unzip();
    let rooms = u32::try_from(groups.len()).unwrap_or(u32::MAX).max(1);
    let apart = Duration::from_secs_f64(1.0 / rate) / rooms;
    let messages = messages(plan.span, rate).saturating_mul(rooms.into());
    publish::pace(pacers, start, messages, apart);
    let sending = groups.iter().zip(times);
    let sending =
        try_join_all(sending.map(|(group, times)| publish::open(group, plan.size, times)));
    let told = async {
        tokio::time::sleep_until(start + plan.span).await;
        note_backlog(groups, messages, rate * f64::from(rooms), troubles);
    };
    let (sent, ()) = tokio::join!(sending, told);
    sent.map(drop)
}

/// Returns the number of messages of one room in an open loop: at least one.
pub(crate) fn messages(span: Duration, rate: f64) -> u64 {
    let apart = Duration::from_secs_f64(1.0 / rate).max(Duration::from_nanos(1));
    u64::try_from(span.as_nanos() / apart.as_nanos()).unwrap_or(u64::MAX).max(1)
}

/// Notes a backlog. When the last message was due, a relay whose limits do not interfere has
/// accepted all but those of the last quarter of a second.
fn note_backlog(groups: &[Clients], due: u64, rate: f64, troubles: &Troubles) {
    let talks_back = groups.iter().all(|group| matches!(group.room.speech, Speech::Relay(_)));
    let accepted = sum(groups, |group| group.room.accepted.load(Ordering::Acquire));
    let behind = due.saturating_sub(accepted);
    if talks_back && Duration::from_secs(behind) > Duration::from_secs_f64((rate / 4.0).max(10.0)) {
        troubles.note(format!(
            "the relay was {behind} messages behind at the end: it is too slow for this rate, or \
             its limits of requests or bytes a second bound"
        ));
    }
}

/// Waits for outstanding messages. Returns when the last one arrived.
pub(crate) async fn drain(groups: &[Clients], guests: u32) -> Instant {
    let due = sum(groups, |group| group.room.sent.load(Ordering::Acquire));
    let due = due.saturating_mul(guests.into());
    let (mut last, mut seen) = (Instant::now(), delivered(groups));
    while seen < due && last.elapsed() < LATE {
        sleep(LOOK).await;
        let now = delivered(groups);
        if now != seen {
            (last, seen) = (Instant::now(), now);
        }
    }
    last
}

pub(crate) fn delivered(groups: &[Clients]) -> u64 {
    sum(groups, |group| group.room.delivered.load(Ordering::Acquire))
}

fn sum(groups: &[Clients], of: impl Fn(&Clients) -> u64) -> u64 {
    groups.iter().map(of).fold(0, u64::saturating_add)
}

impl Measured {
    /// Returns the server's processor time per delivery, in microseconds.
    pub(crate) fn cpu_each(&self) -> Option<f64> {
        each(*self.cpu.first()?, self.deliveries)
    }

    /// Returns the deliveries per second.
    pub(crate) fn rate(&self) -> Option<f64> {
        each(self.elapsed, self.deliveries).filter(|micros| *micros > 0.0).map(|each| 1e6 / each)
    }

    /// Returns the counters and latencies as columns.
    pub(crate) fn row(&self) -> Row {
        Row::default()
            .with("messages", self.messages)
            .with("deliveries", self.deliveries)
            .with("lost", self.lost)
            .with("seconds", Value::Real(self.elapsed.as_secs_f64(), 3))
            .with("deliveries_per_second", real(self.rate(), 0))
            .with("server_cpu_us_per_delivery", real(self.cpu_each(), 3))
            .and(self.latencies.row())
    }
}

/// Returns the microseconds of `time` per unit of `count`.
pub(crate) fn each(time: Duration, count: u64) -> Option<f64> {
    let count = u32::try_from(count).ok().filter(|count| *count > 0)?;
    Some(time.as_secs_f64() * 1e6 / f64::from(count))
}

pub(crate) fn real(number: Option<f64>, decimals: u8) -> Value {
    number.map_or(Value::Unknown, |number| Value::Real(number, decimals))
}

/// Returns the median.
pub(crate) fn median(numbers: Vec<f64>) -> Option<f64> {
    let sorted = sorted(numbers);
    let (low, high) = (sorted.len().checked_sub(1)? / 2, sorted.len() / 2);
    Some(f64::midpoint(*sorted.get(low)?, *sorted.get(high)?))
}

pub(crate) fn sorted(mut numbers: Vec<f64>) -> Vec<f64> {
    numbers.sort_by(f64::total_cmp);
    numbers
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_in_the_middle() {
        assert_eq!(median(vec![]), None);
        assert_eq!(median(vec![3.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(vec![4.0, 1.0, 2.0, 3.0]), Some(2.5));
    }

    #[test]
    fn a_rate_makes_so_many_messages() {
        let ten = Duration::from_secs(10);
        assert_eq!(messages(ten, 20.0), 200);
        assert_eq!(messages(ten, 0.5), 5);
        assert_eq!(messages(Duration::from_millis(1), 1.0), 1);
        assert_eq!(messages(ten, 3.0), 30);
    }

    #[test]
    fn time_is_shared_among_deliveries() {
        assert_eq!(each(Duration::from_secs(2), 1_000_000), Some(2.0));
        assert_eq!(each(Duration::from_secs(2), 0), None);
    }
}
