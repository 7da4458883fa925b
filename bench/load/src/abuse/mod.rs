//! Abuse of a relay, with a normal conversation beside it.
//!
//! ```text
//! run ── conversation         guests that send messages, and the latencies
//!  └── abuser ── adversary    a process of its own, and what it counts
//!        └── flood, rooms, …  one file for each kind
//! ```

pub(crate) mod abuser;
mod adversary;
pub(crate) mod args;
mod conversation;
mod flood;
mod follower;
mod full;
mod half_open;
mod hoard;
mod idle;
mod joiners;
mod link;
mod long_frames;
mod never_reads;
mod peak;
mod rooms;

use std::time::Duration;

use tokio::time::{Instant, sleep};

use self::{
    abuser::AtWork,
    adversary::Report,
    args::{Abuse, Kind},
    conversation::Conversation,
    peak::Peak,
};
use crate::{
    failure::Failure,
    files,
    latency::Latencies,
    measure::{MeasureError, real},
    process::Process,
    report::{Printer, Row, Value},
    server::Relay,
};

/// Upper limit of p99 with abusers, as a multiple of the undisturbed p99.
const RATIO: f64 = 2.0;
/// Upper limit in bytes of a server's own (anonymous) memory per unit counted under these names.
const MEMORY: [(&str, u64); 2] =
    [("server_bytes_per_stalled", 300 << 10), ("server_bytes_per_connection", 8 << 10)];

/// How long connections may take to disappear after the abusers ended.
const GONE: Duration = Duration::from_secs(60);
/// Interval of the check for that.
const LOOK: Duration = Duration::from_millis(100);

/// A period of the conversation.
struct Phase {
    latencies: Latencies,
    elapsed: Duration,
    /// Processor time of the server.
    cpu: Duration,
    /// Peak of the server's own (anonymous) memory.
    peak: u64,
    /// That memory at the end.
    anon: u64,
    /// Open files of the server at the end.
    files: Option<u64>,
}

/// Results for one kind of abuse.
struct MeasuredRun {
    kind: Kind,
    abusers: u32,
    before: Phase,
    /// While another relay was abused (the control).
    elsewhere: Option<Phase>,
    with: Phase,
    /// While all abusers left at once.
    leaving: Phase,
    after: Phase,
    messages: u64,
    lost: u64,
    report: Report,
    troubles: Vec<String>,
}

pub(crate) async fn run(args: &Abuse, printer: &Printer) -> Result<(), Failure> {
    let mut troubles = Vec::new();
    for kind in args.kinds() {
        let mut measured = MeasuredRun::run(args, kind, args.control).await?;
        printer.record(&measured.row(args)?)?;
        if args.strict && !args.control && measured.is_slow()? {
            // A control run, in which another relay is abused, tells the relay's slowness from the
            // machine's.
            measured = MeasuredRun::run(args, kind, true).await?;
            printer.record(&measured.row(args)?)?;
        }
        let found = measured.troubles(args.strict)?;
        troubles.extend(found.into_iter().map(|trouble| format!("{}: {trouble}", kind.name())));
    }
    if troubles.is_empty() { Ok(()) } else { Err(Failure::Troubles(troubles)) }
}

/// Returns how many abusers there can be: fewer than by default where the limit of open files is
/// low.
fn abusers(args: &Abuse, kind: Kind) -> Result<u32, Failure> {
    let (abusers, asked) = args.abusers(kind);
    let most = files::most_connections().saturating_sub(args.guests) / kind.files_each();
    let abusers = if asked { abusers } else { abusers.min(most.max(1)) };
    let needed = abusers.saturating_mul(kind.files_each()).saturating_add(args.guests);
    files::raise(needed).map_err(crate::server::ServerError::from)?;
    Ok(abusers)
}

/// Waits until a server has no more files open than before. Returns false on timeout.
async fn are_gone(server: Process, before: Option<u64>) -> Result<bool, MeasureError> {
    let give_up = Instant::now() + GONE;
    while server.sample()?.files > before {
        if Instant::now() > give_up {
            return Ok(false);
        }
        sleep(LOOK).await;
    }
    Ok(true)
}

/// Runs the conversation while another relay is abused in the same way: the effect of sharing the
/// machine alone.
async fn elsewhere(
    args: &Abuse,
    kind: Kind,
    abusers: u32,
    talk: &Conversation,
    server: Process,
) -> Result<Phase, Failure> {
    let other = Relay::as_operated(args.server.as_deref(), &args.options(kind)).await?;
    let mut at_work = AtWork::start(args, kind, abusers, &other, other.watched()?)?;
    let (phase, report) = Phase::pass(talk, server, at_work.report()).await?;
    report?;
    at_work.leave().await?;
    Ok(phase)
}

impl MeasuredRun {
    async fn run(args: &Abuse, kind: Kind, control: bool) -> Result<Self, Failure> {
        let abusers = abusers(args, kind)?;
        let relay = Relay::as_operated(args.server.as_deref(), &args.options(kind)).await?;
        let server = relay.watched()?;
        let talk = Conversation::begin(&relay.target()?, args.guests, args.rate).await?;
        let (before, ()) = Phase::pass(&talk, server, sleep(args.span)).await?;
        let elsewhere = match control {
            true => Some(elsewhere(args, kind, abusers, &talk, server).await?),
            false => None,
        };
        let mut at_work = AtWork::start(args, kind, abusers, &relay, server)?;
        let (with, report) = Phase::pass(&talk, server, at_work.report()).await?;
        let report = report?;
        let gone = async {
            at_work.leave().await?;
            Ok::<_, Failure>(are_gone(server, before.files).await?)
        };
        let (leaving, gone) = Phase::pass(&talk, server, gone).await?;
        let (after, ()) = Phase::pass(&talk, server, sleep(args.span)).await?;
        let (messages, lost, mut troubles) = (talk.messages(), talk.lost(), talk.troubles());
        if !gone? {
            troubles.push("connections of the abusers are left".to_owned());
        }
        Ok(Self {
            kind,
            abusers,
            before,
            elsewhere,
            with,
            leaving,
            after,
            messages,
            lost,
            report,
            troubles,
        })
    }

    /// Returns the p99 with the abusers over the one without.
    fn ratio(&self) -> Result<Option<f64>, MeasureError> {
        let undisturbed = Latencies::new()?;
        undisturbed.add(&self.before.latencies);
        undisturbed.add(&self.after.latencies);
        Ok(self.over(&undisturbed))
    }

    /// Returns the p99 with the abusers over the one with abusers that share only the machine.
    fn control_ratio(&self) -> Option<f64> {
        self.over(&self.elsewhere.as_ref()?.latencies)
    }

    fn over(&self, others: &Latencies) -> Option<f64> {
        let p99 = |latencies: &Latencies| latencies.quantile(0.99);
        p99(&self.with.latencies).zip(p99(others)).map(|(with, without)| with / without)
    }

    fn row(&self, args: &Abuse) -> Result<Row, MeasureError> {
        let row = Row::new("abuse")
            .with("kind", Value::text(self.kind.name()))
            .with("abusers", u64::from(self.abusers))
            .with("guests", u64::from(args.guests))
            .with("rate", Value::Real(args.rate, 3))
            .with("messages", self.messages)
            .with("lost", self.lost)
            .and(self.before.row("before"))
            .and(self.elsewhere.as_ref().map(|phase| phase.row("elsewhere")).unwrap_or_default())
            .and(self.with.row("with"))
            .and(self.leaving.row("leaving"))
            .and(self.after.row("after"))
            .with("p99_ratio", real(self.ratio()?, 2))
            .with("p99_control_ratio", real(self.control_ratio(), 2))
            .with("server_anon_kib_before", self.before.anon >> 10)
            .with("server_anon_kib_peak", self.with.peak.max(self.leaving.peak) >> 10)
            .with("server_anon_kib_after", self.after.anon >> 10);
        let met = self.report.met.iter();
        Ok(met.fold(row, |row, (name, count)| row.with(name.clone(), *count)))
    }

    /// Returns the better ratio: the machine's own slowness is not counted against the relay.
    fn judged_ratio(&self) -> Result<Option<f64>, MeasureError> {
        let control = self.control_ratio();
        Ok(self.ratio()?.map(|ratio| control.map_or(ratio, |control| control.min(ratio))))
    }

    fn is_slow(&self) -> Result<bool, MeasureError> {
        Ok(self.judged_ratio()?.is_some_and(|ratio| ratio > RATIO))
    }

    /// Returns the violated expectations.
    fn troubles(self, strict: bool) -> Result<Vec<String>, MeasureError> {
        let ratio = self.judged_ratio()?;
        let mut troubles = self.troubles;
        troubles.extend(self.report.troubles);
        if self.lost > 0 {
            troubles.push(format!("{} deliveries never came", self.lost));
        }
        if let Some(ratio) = ratio.filter(|ratio| strict && *ratio > RATIO) {
            troubles.push(format!("p99 is {ratio:.2} times what it is without"));
        }
        for (name, most) in MEMORY {
            let much = self.report.met.get(name).filter(|bytes| strict && **bytes > most);
            troubles.extend(much.map(|bytes| format!("{name} is {bytes}, which is above {most}")));
        }
        Ok(troubles)
    }
}

impl Phase {
    /// Runs the conversation until `until` completes.
    async fn pass<T>(
        talk: &Conversation,
        server: Process,
        until: impl Future<Output = T>,
    ) -> Result<(Self, T), MeasureError> {
        let (start, first, peak) = (Instant::now(), server.sample()?, Peak::watch(server));
        let (ended, latencies) = talk.talk(until).await?;
        let (elapsed, last) = (start.elapsed(), server.sample()?);
        let peak = peak.stop().await;
        let cpu = last.cpu.saturating_sub(first.cpu);
        let (anon, files) = (last.anon, last.files);
        Ok((Self { latencies, elapsed, cpu, peak, anon, files }, ended))
    }

    fn row(&self, phase: &str) -> Row {
        let at = |quantile| real(self.latencies.quantile(quantile), 3);
        let share = self.cpu.as_secs_f64() / self.elapsed.as_secs_f64().max(f64::EPSILON);
        Row::default()
            .with(format!("{phase}_seconds"), Value::Real(self.elapsed.as_secs_f64(), 1))
            .with(format!("{phase}_p50_ms"), at(0.5))
            .with(format!("{phase}_p99_ms"), at(0.99))
            .with(format!("{phase}_max_ms"), at(1.0))
            .with(format!("{phase}_server_cpu_percent"), Value::Real(share * 100.0, 1))
    }
}
