//! One room over two relays, over one, and in one relay's own memory.

use std::sync::Arc;

use anocm_core::Retention;

use super::{args::Store, redis::Redis};
use crate::{
    failure::Failure,
    fanout::{load, rooms},
    measure::{Measured, Plan, each, measure, median, real},
    report::{Printer, Row, Value},
    server::Relay,
};

/// Where the room is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// In Redis, behind this many relays.
    Redis(u32),
    Memory,
}

const PLACES: [(&str, Place); 3] =
    [("two", Place::Redis(2)), ("one", Place::Redis(1)), ("memory", Place::Memory)];

/// The result of a round.
struct Turn {
    measured: Measured,
    /// How many of the processes are relays; Redis comes after them.
    relays: usize,
}

pub(super) async fn run(args: &Store, printer: &mut Printer) -> Result<(), Failure> {
    let mut redis = Redis::start(&args.redis).await?;
    let mut troubles = Vec::new();
    printer.begin()?;
    for load in args.loads() {
        let plan = Plan { guests: args.guests, size: args.size, load, span: args.span };
        let mut rounds = PLACES.map(|_| Vec::new());
        for _ in 0..args.rounds {
            for ((_, place), rounds) in PLACES.iter().zip(&mut rounds) {
                rounds.push(turn(args, *place, plan, &mut redis).await?);
                redis.clear().await?;
            }
        }
        let [.., memory] = &rounds;
        for ((name, _), rounds) in PLACES.iter().zip(&rounds) {
            printer.line(&row(name, plan, rounds, memory))?;
            let failures = rounds.iter().filter_map(|turn| Failure::of(&turn.measured).err());
            troubles.extend(failures.map(|failure| format!("{name}: {failure}")));
        }
    }
    if troubles.is_empty() { Ok(()) } else { Err(Failure::Troubles(troubles)) }
}

async fn turn(args: &Store, place: Place, plan: Plan, redis: &mut Redis) -> Result<Turn, Failure> {
    let (count, url) = match place {
        Place::Redis(count) => (count, Some(redis.url())),
        Place::Memory => (1, None),
    };
    let mut relays = Vec::new();
    for _ in 0..count {
        relays.push(Relay::wide(args.server.as_deref(), plan.guests, url.as_deref()).await?);
    }
    let targets: Result<Vec<_>, _> = relays.iter().map(Relay::target).collect();
    let processes: Result<Vec<_>, _> = relays.iter().map(Relay::watched).collect();
    let mut processes = processes?;
    processes.push(redis.process);
    // Nothing is kept: only the delivery paths are compared.
    let rooms = rooms(1, Retention::Live, true)?;
    let measured = measure(&targets?, &processes, rooms, plan).await?;
    Ok(Turn { measured, relays: relays.len() })
}

impl Turn {
    /// Returns the microseconds of processor time per delivery: of all relays, and of Redis.
    fn cpu(&self) -> (Option<f64>, Option<f64>) {
        let (relays, redis) = self.measured.cpu.split_at_checked(self.relays).unwrap_or_default();
        let of = |times: &[std::time::Duration]| each(times.iter().sum(), self.measured.deliveries);
        (of(relays), of(redis))
    }

    /// Returns the same for both together.
    fn cost(&self) -> Option<f64> {
        each(self.measured.cpu.iter().sum(), self.measured.deliveries)
    }

    fn quantile(&self, quantile: f64) -> Option<f64> {
        Arc::clone(&self.measured.latencies).quantile(quantile)
    }
}

/// Returns one row: the median of all rounds.
fn row(name: &str, plan: Plan, rounds: &[Turn], memory: &[Turn]) -> Row {
    let middle = |of: fn(&Turn) -> Option<f64>| median(rounds.iter().filter_map(of).collect());
    let ratio = |of: fn(&Turn) -> Option<f64>| {
        let pairs = rounds.iter().zip(memory);
        median(pairs.filter_map(|(turn, memory)| Some(of(turn)? / of(memory)?)).collect())
    };
    let sum = |of: fn(&Measured) -> u64| {
        rounds.iter().map(|turn| of(&turn.measured)).fold(0, u64::saturating_add)
    };
    Row::new("store")
        .with("part", Value::text("fanout"))
        .with("relays", Value::text(name))
        .with("guests", u64::from(plan.guests))
        .with("size", u64::try_from(plan.size).unwrap_or(u64::MAX))
        .and(load(plan.load))
        .with("messages", sum(|measured| measured.messages))
        .with("deliveries", sum(|measured| measured.deliveries))
        .with("lost", sum(|measured| measured.lost))
        .with("deliveries_per_second", real(middle(|turn| turn.measured.rate()), 0))
        .with("rate_ratio", real(ratio(|turn| turn.measured.rate()), 2))
        .with("relays_cpu_us", real(middle(|turn| turn.cpu().0), 3))
        .with("redis_cpu_us", real(middle(|turn| turn.cpu().1), 3))
        .with("cpu_ratio", real(ratio(Turn::cost), 2))
        .with("p50_ms", real(middle(|turn| turn.quantile(0.5)), 3))
        .with("p99_ms", real(middle(|turn| turn.quantile(0.99)), 3))
        .with("p50_ratio", real(ratio(|turn| turn.quantile(0.5)), 2))
        .with("p99_ratio", real(ratio(|turn| turn.quantile(0.99)), 2))
}
