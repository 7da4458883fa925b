//! The relay beside another server: the same guests, the same bytes, in alternating rounds.

pub(crate) mod args;
pub(crate) mod looped;
mod mosquitto;

use std::{io, slice, sync::Arc};

use anocm_core::Retention;
use args::{Against, Baseline};
use tempfile::TempDir;
use tokio::process::Command;

use crate::{
    failure::Failure,
    fanout::load,
    guest::{room::RawRoom, socket::Target, speech::Speech},
    measure::{Measured, Plan, measure, median, real, sorted},
    process::Process,
    report::{Printer, Row, Value},
    server::{Relay, Running, ServerError},
};

/// Why the other server cannot be measured.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BaselineError {
    #[error("mosquitto is missing: install it, on Debian with 'apt-get install mosquitto'")]
    NoMosquitto,
    #[error("mosquitto did not start to listen")]
    NoStart,
    #[error("mosquitto's configuration cannot be written: {0}")]
    Files(#[source] io::Error),
    #[error(transparent)]
    Server(#[from] ServerError),
}

/// The other server. It is killed when this is dropped.
struct Other {
    process: Process,
    target: Target,
    speech: Speech,
    _running: Running,
    _folder: Option<TempDir>,
}

pub(crate) async fn run(args: &Baseline, printer: &mut Printer) -> Result<(), Failure> {
    let mut troubles = Vec::new();
    for guests in &args.guests {
        for load in args.loads() {
            let plan = Plan { guests: *guests, size: args.size, load, span: args.span };
            let (mut ours, mut theirs) = (Vec::new(), Vec::new());
            for _ in 0..args.rounds {
                ours.push(relay(args, plan).await?);
                theirs.push(other(args, plan).await?);
            }
            for (name, rounds) in [("relay", &ours), (args.against.name(), &theirs)] {
                printer.line(&row(name, plan, rounds, ratio(name, &ours, &theirs)))?;
                for failure in rounds.iter().filter_map(|round| Failure::of(round).err()) {
                    troubles.push(format!("{name}: {failure}"));
                }
            }
        }
    }
    if troubles.is_empty() { Ok(()) } else { Err(Failure::Troubles(troubles)) }
}

async fn relay(args: &Baseline, plan: Plan) -> Result<Measured, Failure> {
    let relay = Relay::find(&args.relay, plan.guests).await?;
    let room = Speech::Relay(Arc::new(raw_room()?));
    Ok(measure(&[relay.target()?], relay.process.as_slice(), vec![room], plan).await?)
}

async fn other(args: &Baseline, plan: Plan) -> Result<Measured, Failure> {
    let other = Other::start(args.against).await?;
    let (target, process) = (slice::from_ref(&other.target), slice::from_ref(&other.process));
    Ok(measure(target, process, vec![other.speech.clone()], plan).await?)
}

fn raw_room() -> Result<RawRoom, Failure> {
    // Nothing is kept, since the other servers keep nothing either.
    Ok(RawRoom::new(Retention::Live, 1, 1)?)
}

impl Other {
    async fn start(against: Against) -> Result<Self, Failure> {
        let room = Arc::new(raw_room()?);
        let (running, folder, port, speech, protocol) = match against {
            Against::Loop => {
                let running = start_loop().await?;
                let port = running.place.rsplit(':').next().and_then(|port| port.parse().ok());
                (running, None, port.unwrap_or(0), Speech::Plain(room), None)
            }
            Against::Mosquitto => {
                let (running, folder, port) = mosquitto::start().await?;
                (running, Some(folder), port, Speech::Mqtt(room), Some("mqtt"))
            }
        };
        let (host, path) = ("127.0.0.1".to_owned(), "/".to_owned());
        let target = Target { host, port, path, protocol, receive_buffer: None };
        Ok(Self { process: running.process, target, speech, _running: running, _folder: folder })
    }
}

/// Starts this program again, as the loop server.
async fn start_loop() -> Result<Running, ServerError> {
    let this = std::env::current_exe();
    let program =
        this.map_err(|source| ServerError::Start { program: "anocm-load".into(), source })?;
    Running::start(&program, Command::new(&program).arg("serve-loop")).await
}

/// Returns one table row: the median of all rounds, and the range of what is compared.
fn row(name: &str, plan: Plan, rounds: &[Measured], ratio: Option<f64>) -> Row {
    let median_of =
        |of: fn(&Measured) -> Option<f64>| real(median(rounds.iter().filter_map(of).collect()), 3);
    let sum = |of: fn(&Measured) -> u64| rounds.iter().map(of).fold(0, u64::saturating_add);
    let cpu = sorted(rounds.iter().filter_map(Measured::cpu_each).collect());
    Row::new("baseline")
        .with("server", Value::text(name))
        .with("guests", u64::from(plan.guests))
        .with("size", u64::try_from(plan.size).unwrap_or(u64::MAX))
        .and(load(plan.load))
        .with("messages", sum(|round| round.messages))
        .with("deliveries", sum(|round| round.deliveries))
        .with("lost", sum(|round| round.lost))
        .with("deliveries_per_second", median_of_whole(rounds))
        .with("cpu_us", median_of(Measured::cpu_each))
        .with("cpu_us_min", real(cpu.first().copied(), 3))
        .with("cpu_us_max", real(cpu.last().copied(), 3))
        .with("ratio", real(ratio, 2))
        .with("p50_ms", median_of(|round| round.latencies.quantile(0.5)))
        .with("p99_ms", median_of(|round| round.latencies.quantile(0.99)))
        .with("max_ms", median_of(|round| round.latencies.quantile(1.0)))
}

fn median_of_whole(rounds: &[Measured]) -> Value {
    real(median(rounds.iter().filter_map(Measured::rate).collect()), 0)
}

/// Returns the relay's processor time per delivery over the other server's, as the median of all
/// rounds.
fn ratio(name: &str, ours: &[Measured], theirs: &[Measured]) -> Option<f64> {
    let pairs = ours.iter().zip(theirs);
    let ratios = pairs.filter_map(|(ours, theirs)| Some(ours.cpu_each()? / theirs.cpu_each()?));
    if name == "relay" { median(ratios.collect()) } else { None }
}
