//! Guests come and go in every way for a long time; afterwards nothing of them may be left.

mod churn;

use std::{sync::Arc, time::Duration};

use tokio::{
    task::JoinSet,
    time::{Instant, interval, sleep},
};

use self::churn::Churn;
use crate::{
    args::Soak,
    failure::Failure,
    measure::MeasureError,
    process::{Process, Sample},
    report::{Printer, Row, Value},
    server::Relay,
};

/// Sampling interval until the server has settled.
const LOOK: Duration = Duration::from_millis(500);

pub(crate) async fn run(args: &Soak, printer: &mut Printer) -> Result<(), Failure> {
    let guests = args.guests.saturating_add(1);
    let relay = Relay::find(&args.relay, args.rooms.saturating_mul(guests)).await?;
    let process = relay.watched()?;
    let start = Instant::now();
    let base = sample(process)?;
    let churn = Arc::new(Churn::new(relay.url.clone(), args.guests, args.within));
    printer.line(&row("base", start, &churn, &base))?;
    let mut rooms = JoinSet::new();
    for _ in 0..args.rooms {
        rooms.spawn(Arc::clone(&churn).rooms(start + args.span));
    }
    let mut every = interval(args.every);
    every.tick().await;
    loop {
        tokio::select! {
            ended = rooms.join_next() => if ended.is_none() { break },
            _ = every.tick() => printer.line(&row("soaking", start, &churn, &sample(process)?))?,
        }
    }
    printer.line(&row("left", start, &churn, &sample(process)?))?;
    let (end, not_back) = settle(args, process, &base).await?;
    printer.line(&row("end", start, &churn, &end))?;
    let mut troubles = churn.troubles.lines();
    troubles.extend(not_back);
    if troubles.is_empty() { Ok(()) } else { Err(Failure::Troubles(troubles)) }
}

/// Waits until all resources are released, up to a timeout. Returns the last sample, and what is
/// not released.
async fn settle(
    args: &Soak,
    process: Process,
    base: &Sample,
) -> Result<(Sample, Vec<String>), MeasureError> {
    let give_up = Instant::now() + args.settles;
    loop {
        let now = sample(process)?;
        let not_back = not_back(args.tolerance.into(), base, &now);
        if not_back.is_empty() || Instant::now() > give_up {
            return Ok((now, not_back));
        }
        sleep(LOOK).await;
    }
}

/// Returns what exceeds the sample taken before any guest connected. `tolerance` is in MiB.
fn not_back(tolerance: u64, base: &Sample, now: &Sample) -> Vec<String> {
    let mut left = Vec::new();
    let allowed = base.anon.saturating_add(tolerance << 20);
    if now.anon > allowed {
        let over = now.anon.saturating_sub(base.anon) >> 10;
        left.push(format!("the server has {over} KiB more memory than before"));
    }
    if now.files > base.files {
        left.push("the server has more files open than before".to_owned());
    }
    if now.threads > base.threads {
        left.push("the server has more threads than before".to_owned());
    }
    left
}

fn sample(process: Process) -> Result<Sample, MeasureError> {
    Ok(process.sample()?)
}

fn row(phase: &str, start: Instant, churn: &Churn, sample: &Sample) -> Row {
    Row::new("soak")
        .with("phase", Value::text(phase))
        .with("seconds", start.elapsed().as_secs())
        .and(churn.row())
        .with("server_anon_kib", sample.anon >> 10)
        .with("server_files", sample.files)
        .with("server_threads", sample.threads)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_did_not_return_is_told() {
        let base =
            Sample { cpu: Duration::ZERO, anon: 0, resident: 0, threads: 3, files: Some(12) };
        assert!(not_back(1, &base, &Sample { anon: 1 << 20, ..base }).is_empty());
        assert_eq!(not_back(1, &base, &Sample { anon: (1 << 20) + 1, ..base }).len(), 1);
        assert_eq!(not_back(1, &base, &Sample { files: Some(13), ..base }).len(), 1);
        assert_eq!(not_back(1, &base, &Sample { threads: 4, ..base }).len(), 1);
    }
}
