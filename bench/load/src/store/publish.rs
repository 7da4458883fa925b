//! Kept messages through one relay, beside bare commands.

use std::{sync::Arc, time::Duration};

use tokio::time::Instant;

use super::{
    args::Store,
    bare::{self, Bare, Speed},
    publishers::{Publishers, Until},
    redis::{Redis, State},
    share,
};
use crate::{
    failure::Failure,
    latency::Latencies,
    measure::{MeasureError, each, median, real, sorted},
    report::{Printer, Row, Value},
    server::Relay,
};

/// The result of a round of the relay.
struct Published {
    messages: u64,
    lost: u64,
    speed: Speed,
    relay_cpu: Duration,
    /// What the server did meanwhile.
    state: State,
}

pub(super) async fn run(args: &Store, printer: &mut Printer) -> Result<(), Failure> {
    let mut redis = Redis::start(&args.redis).await?;
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for _ in 0..args.rounds {
        let published = published(args, &mut redis).await?;
        redis.clear().await?;
        let plan = bare::Plan {
            connections: args.parallel,
            commands: published.messages.max(u64::from(args.parallel)),
            size: args.size,
            keep: args.keep.as_millis(),
        };
        theirs.push(Bare::measure(&args.benchmark, &mut redis, plan).await?);
        redis.clear().await?;
        ours.push(published);
    }
    printer.begin()?;
    rows(args, &ours, &theirs).iter().try_for_each(|row| printer.line(row))?;
    match sum(&ours, |round| round.lost) {
        0 => Ok(()),
        lost => Err(Failure::Troubles(vec![format!("{lost} deliveries never came")])),
    }
}

/// Runs a round with a new relay.
async fn published(args: &Store, redis: &mut Redis) -> Result<Published, Failure> {
    let url = redis.url();
    let relay = Relay::wide(args.server.as_deref(), args.parallel, Some(&url)).await?;
    let process = relay.watched()?;
    let sample = || process.sample().map_err(MeasureError::from);
    let target = relay.target()?;
    let mut publishers = Publishers::gather(&target, args.parallel, args.size, args.keep).await?;
    let latencies = Arc::new(Latencies::new().map_err(MeasureError::from)?);
    let (state, before) = (redis.state().await?, sample()?);
    let start = Instant::now();
    let said = publishers.publish(Until::Time(start + args.span), &latencies).await?;
    let elapsed = start.elapsed();
    let relay_cpu = sample()?.cpu.saturating_sub(before.cpu);
    let state = redis.state().await?.since(state);
    let at = |quantile| latencies.quantile(quantile).unwrap_or(f64::NAN);
    let rate = each(elapsed, said.accepted).map_or(0.0, |micros| 1e6 / micros);
    let speed = Speed { rate, p50: at(0.5), p99: at(0.99) };
    Ok(Published { messages: said.accepted, lost: said.lost, speed, relay_cpu, state })
}

/// Returns one row for the relay, one for both bare commands together, and one for each.
fn rows(args: &Store, ours: &[Published], theirs: &[Bare]) -> [Row; 4] {
    let ratio = |of: fn(&Speed) -> f64| {
        let pairs = ours.iter().zip(theirs);
        median(pairs.map(|(ours, theirs)| of(&ours.speed) / of(&theirs.pair())).collect())
    };
    let ratios = [ratio(|speed| speed.rate), ratio(|speed| speed.p50), ratio(|speed| speed.p99)];
    let cpu = ours.iter().filter_map(|round| each(round.state.cpu, round.messages));
    let speeds: Vec<_> = ours.iter().map(|round| round.speed).collect();
    let relay = row(args, "relay", &speeds, ratios, median(cpu.collect())).and(costs(ours));
    let bare = |name, of: fn(&Bare) -> Speed, cpu| {
        let speeds: Vec<_> = theirs.iter().map(of).collect();
        row(args, name, &speeds, [None; 3], cpu).and(costs(&[]))
    };
    let cpu = median(theirs.iter().map(|bare| bare.server_cpu).collect());
    [
        relay,
        bare("bare", Bare::pair, cpu),
        bare("SET", |bare| bare.set, None),
        bare("PUBLISH", |bare| bare.publish, None),
    ]
}

/// Returns the median of all rounds, and the range of what is compared.
fn row(
    args: &Store,
    name: &str,
    speeds: &[Speed],
    [ratio, p50, p99]: [Option<f64>; 3],
    redis_cpu: Option<f64>,
) -> Row {
    let middle = |of: fn(&Speed) -> f64| median(speeds.iter().map(of).collect());
    let rates = sorted(speeds.iter().map(|speed| speed.rate).collect());
    Row::new("store")
        .with("part", Value::text("publish"))
        .with("server", Value::text(name))
        .with("parallel", u64::from(args.parallel))
        .with("size", u64::try_from(args.size).unwrap_or(u64::MAX))
        .with("per_second", real(middle(|speed| speed.rate), 0))
        .with("per_second_min", real(rates.first().copied(), 0))
        .with("per_second_max", real(rates.last().copied(), 0))
        .with("ratio", real(ratio, 2))
        .with("p50_ms", real(middle(|speed| speed.p50), 3))
        .with("p99_ms", real(middle(|speed| speed.p99), 3))
        .with("p50_ratio", real(p50, 2))
        .with("p99_ratio", real(p99, 2))
        .with("redis_cpu_us", real(redis_cpu, 2))
}

/// Returns the cost of a message, as the median of all rounds.
fn costs(ours: &[Published]) -> Row {
    let time = |of: fn(&Published) -> Duration| {
        real(median(ours.iter().filter_map(|round| each(of(round), round.messages)).collect()), 2)
    };
    let count = |of: fn(&State) -> u64| {
        let each = ours.iter().filter_map(|round| share(of(&round.state), round.messages));
        real(median(each.collect()), 2)
    };
    let all = |of: fn(&Published) -> u64| (!ours.is_empty()).then(|| sum(ours, of));
    Row::default()
        .with("script_us", time(|round| Duration::from_micros(round.state.script_micros)))
        .with("relay_cpu_us", time(|round| round.relay_cpu))
        .with("keys", count(|state| state.keys))
        .with("scripts", count(|state| state.scripts))
        .with("commands_inside", count(|state| state.commands.saturating_sub(state.scripts)))
        .with("bytes_in", count(|state| state.received))
        .with("bytes_out", count(|state| state.sent))
        .with("messages", all(|round| round.messages))
        .with("lost", all(|round| round.lost))
}

fn sum(ours: &[Published], of: fn(&Published) -> u64) -> u64 {
    ours.iter().map(of).fold(0, u64::saturating_add)
}
