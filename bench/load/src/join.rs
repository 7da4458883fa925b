//! Many guests join one room by its link.

use std::time::Duration;

use anocm_core::{Invite, NewRoom, RoomEvent};
use tokio::{
    sync::{mpsc, watch},
    time::{Instant, timeout},
};

use crate::{
    args::{Join, Then},
    failure::Failure,
    guest::clients::Troubles,
    latency::Latencies,
    measure::{MeasureError, real},
    member::{Member, MemberError},
    process::{Process, Sample},
    report::{Printer, Row, Value},
    server::Relay,
};

/// How long the creator may take to see the guests that have joined.
const SEES: Duration = Duration::from_secs(60);

/// How long a guest took to join, or why it failed.
type Outcome = Result<Duration, MemberError>;

/// The result.
pub(crate) struct Joined {
    pub(crate) times: Latencies,
    pub(crate) troubles: Troubles,
    pub(crate) entered: u64,
    failed: u64,
    /// From the first guest's start to the last guest's entry.
    pub(crate) elapsed: Duration,
    /// How many joins the creator saw.
    pub(crate) seen: u64,
}

pub(crate) async fn run(args: &Join, printer: &Printer) -> Result<(), Failure> {
    let relay = Relay::find(&args.relay, args.guests.saturating_add(1)).await?;
    let sample = || relay.process.map(Process::sample).transpose().map_err(MeasureError::from);
    let mut creator = Member::open(&relay.url, &NewRoom::default())?;
    creator.enter(args.within).await?;
    let before = sample()?;
    let joined = join(args, creator).await?;
    let after = sample()?;
    printer.record(&row(args, &joined, before, after))?;
    let mut troubles = joined.troubles.lines();
    if joined.seen != joined.entered {
        let (seen, entered) = (joined.seen, joined.entered);
        troubles.push(format!("{entered} are in, of whom the creator saw {seen} come"));
    }
    if troubles.is_empty() { Ok(()) } else { Err(Failure::Troubles(troubles)) }
}

/// Starts the guests, and waits for all of them.
pub(crate) async fn join(args: &Join, creator: Member) -> Result<Joined, Failure> {
    let invite = creator.invite()?;
    let (sees, mut seen) = watch::channel(0_u64);
    let (end, over) = watch::channel(());
    tokio::spawn(watch_over(creator, sees, over.clone()));
    let (tell, mut told) = mpsc::unbounded_channel();
    let mut joined = Joined::new()?;
    let start = Instant::now();
    for _ in 0..args.guests {
        tokio::spawn(guest(invite.clone(), args.within, args.then, over.clone(), tell.clone()));
        if !args.at_once {
            joined.count(told.recv().await, start);
        }
    }
    drop(tell);
    while joined.entered.saturating_add(joined.failed) < args.guests.into() {
        joined.count(told.recv().await, start);
    }
    // A shortfall is reported with the number.
    let _ = timeout(SEES, seen.wait_for(|seen| *seen >= joined.entered)).await;
    joined.seen = *seen.borrow();
    drop(end);
    Ok(joined)
}

impl Joined {
    fn new() -> Result<Self, Failure> {
        Ok(Self {
            times: Latencies::new().map_err(MeasureError::from)?,
            troubles: Troubles::default(),
            entered: 0,
            failed: 0,
            elapsed: Duration::ZERO,
            seen: 0,
        })
    }

    fn count(&mut self, outcome: Option<Outcome>, start: Instant) {
        match outcome {
            Some(Ok(took)) => {
                self.times.record(took);
                self.entered = self.entered.saturating_add(1);
                self.elapsed = start.elapsed();
            }
            Some(Err(error)) => {
                self.troubles.note(error.to_string());
                self.failed = self.failed.saturating_add(1);
            }
            // Every guest reports, unless its task failed.
            None => self.failed = self.failed.saturating_add(1),
        }
    }
}

/// Runs the creator, which counts the joins it sees.
async fn watch_over(mut creator: Member, sees: watch::Sender<u64>, mut over: watch::Receiver<()>) {
    loop {
        tokio::select! {
            event = creator.room.next_event() => match event {
                Some(RoomEvent::Joined { again: false, .. }) => {
                    sees.send_modify(|seen| *seen = seen.saturating_add(1));
                }
                Some(_) => {}
                None => return,
            },
            _ = over.changed() => return,
        }
    }
}

/// Joins the room, and stays or leaves.
async fn guest(
    invite: Invite,
    within: Duration,
    then: Then,
    mut over: watch::Receiver<()>,
    tell: mpsc::UnboundedSender<Outcome>,
) {
    let start = Instant::now();
    let member = match enter(&invite, within).await {
        Ok(member) => member,
        Err(error) => {
            let _ = tell.send(Err(error));
            return;
        }
    };
    let _ = tell.send(Ok(start.elapsed()));
    // Otherwise the channel would not close.
    drop(tell);
    let mut member = match then {
        Then::Go => return member.end().await,
        Then::Stay => member,
    };
    loop {
        tokio::select! {
            event = member.room.next_event() => if event.is_none() { return },
            _ = over.changed() => return,
        }
    }
}

async fn enter(invite: &Invite, within: Duration) -> Result<Member, MemberError> {
    let mut member = Member::join(invite)?;
    member.enter(within).await?;
    Ok(member)
}

fn row(args: &Join, joined: &Joined, before: Option<Sample>, after: Option<Sample>) -> Row {
    let between = before.zip(after);
    let cpu = between.map(|(before, after)| after.cpu.saturating_sub(before.cpu).as_secs_f64());
    Row::new("join")
        .with("guests", u64::from(args.guests))
        .with("at_once", Value::text(if args.at_once { "yes" } else { "no" }))
        .with("then", Value::text(args.then.name()))
        .with("entered", joined.entered)
        .with("failed", joined.failed)
        .with("seen_by_creator", joined.seen)
        .with("seconds_until_all_in", Value::Real(joined.elapsed.as_secs_f64(), 3))
        .and(joined.times.row())
        .with("server_cpu_seconds", real(cpu, 3))
        .with("server_kib_before", before.map(|sample| sample.resident >> 10))
        .with("server_kib_after", after.map(|sample| sample.resident >> 10))
}
