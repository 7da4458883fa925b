//! Rooms of guests with full cryptography that send in turns.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use anocm_core::{NewRoom, RoomEvent, RoomRetention, room::Trouble};
use data_encoding::HEXLOWER;
use futures_util::future::try_join_all;
use tokio::{
    sync::mpsc,
    task::JoinSet,
    time::{Instant, sleep},
};

use crate::{
    args::Talk,
    failure::Failure,
    guest::{
        clients::Troubles,
        mark::{Mark, Marker},
        publish::pace,
        room::random,
    },
    latency::Latencies,
    measure::{MeasureError, each, messages, real},
    member::Member,
    process::{Process, Sample},
    report::{Printer, Row, Value},
    server::Relay,
};

/// Waiting for outstanding messages ends when none arrived within this time.
const LATE: Duration = Duration::from_secs(10);
const LOOK: Duration = Duration::from_millis(20);

/// Counters of all rooms.
struct Counts {
    marker: Marker,
    latencies: Latencies,
    joins: Latencies,
    troubles: Troubles,
    said: AtomicU64,
    shown: AtomicU64,
}

/// The server before any guest connected, before any message, and at the end.
type Samples = [Option<Sample>; 3];

pub(crate) async fn run(args: &Talk, printer: &Printer) -> Result<(), Failure> {
    let relay = Relay::find(&args.relay, args.rooms.saturating_mul(args.guests)).await?;
    let sample = || relay.process.map(Process::sample).transpose().map_err(MeasureError::from);
    let counts = Arc::new(Counts {
        marker: Marker::new(random()?),
        latencies: Latencies::new().map_err(MeasureError::from)?,
        joins: Latencies::new().map_err(MeasureError::from)?,
        troubles: Troubles::default(),
        said: AtomicU64::new(0),
        shown: AtomicU64::new(0),
    });
    let before = sample()?;
    let rooms = (0..args.rooms).map(|_| gather(args, &relay, &counts));
    let rooms = try_join_all(rooms).await?;
    let with_all = sample()?;
    let start = Instant::now();
    let talking = talk(args, rooms, &counts, start);
    let ended = drain(args, &counts, start + args.span).await;
    let after = sample()?;
    drop(talking);
    let elapsed = ended.saturating_duration_since(start);
    let (row, lost) = row(args, &counts, [before, with_all, after], elapsed);
    printer.record(&row)?;
    let mut troubles = counts.troubles.lines();
    if lost > 0 {
        troubles.insert(0, format!("{lost} messages were not shown to every guest"));
    }
    if troubles.is_empty() { Ok(()) } else { Err(Failure::Troubles(troubles)) }
}

/// Opens a room and lets its guests join, one after the other.
async fn gather(args: &Talk, relay: &Relay, counts: &Counts) -> Result<Vec<Member>, Failure> {
    let retention = RoomRetention::new(anocm_core::Retention::Live, args.keep, args.keep);
    let new = NewRoom { retention: retention.map_err(Failure::Retention)?, ..NewRoom::default() };
    let mut creator = Member::open(&relay.url, &new)?;
    creator.enter(args.within).await?;
    let invite = creator.invite()?;
    let mut members = vec![creator];
    for _ in 1..args.guests {
        let start = Instant::now();
        let mut member = Member::join(&invite)?;
        member.enter(args.within).await?;
        counts.joins.record(start.elapsed());
        members.push(member);
    }
    for member in &mut members {
        member.online(args.within).await?;
    }
    Ok(members)
}

/// Makes all guests send in turns, room by room, until the result is dropped.
fn talk(args: &Talk, rooms: Vec<Vec<Member>>, counts: &Arc<Counts>, start: Instant) -> JoinSet<()> {
    let mut talking = JoinSet::new();
    let mut rounds: Vec<_> = rooms
        .into_iter()
        .enumerate()
        .flat_map(|(room, members)| members.into_iter().enumerate().map(move |(n, m)| (n, room, m)))
        .collect();
    rounds.sort_by_key(|(guest, room, _)| (*guest, *room));
    let mut pacers = Vec::new();
    for (_, _, member) in rounds {
        let (pacer, times) = mpsc::unbounded_channel();
        pacers.push(pacer);
        talking.spawn(take_part(member, times, Arc::clone(counts)));
    }
    let apart = Duration::from_secs_f64(1.0 / args.rate) / args.rooms.max(1);
    pace(pacers, start, due(args), apart);
    talking
}

/// Returns the number of messages in all rooms.
fn due(args: &Talk) -> u64 {
    messages(args.span, args.rate).saturating_mul(args.rooms.into())
}

/// Sends a message whenever one is due, and handles the events.
async fn take_part(
    mut member: Member,
    mut times: mpsc::UnboundedReceiver<Instant>,
    counts: Arc<Counts>,
) {
    let mut silent = false;
    loop {
        tokio::select! {
            event = member.room.next_event() => match event {
                Some(event) => counts.see(event),
                None => return,
            },
            at = times.recv(), if !silent => match at {
                Some(at) => counts.say(&member, at),
                None => silent = true,
            },
        }
    }
}

impl Counts {
    fn say(&self, member: &Member, at: Instant) {
        let mark = self.marker.write(Mark { number: 0, at });
        match member.room.send(HEXLOWER.encode(&mark)) {
            Ok(_) => _ = self.said.fetch_add(1, Ordering::Relaxed),
            Err(error) => self.troubles.note(format!("nothing could be said: {error}")),
        }
    }

    fn see(&self, event: RoomEvent) {
        match event {
            RoomEvent::Message(message) => {
                let text = HEXLOWER.decode(message.text.as_str().as_bytes());
                let mark = text.ok().and_then(|bytes| self.marker.read(bytes.first_chunk()?));
                if let Some(mark) = mark {
                    self.latencies.record(mark.at.elapsed());
                    self.shown.fetch_add(1, Ordering::Relaxed);
                }
            }
            RoomEvent::NotSent { why, .. } => self.troubles.note(format!("not sent: {why}")),
            // Keepalives missed while a guest was still joining. No message sent here may be lost,
            // which the counters check.
            RoomEvent::Trouble(Trouble::Missed { .. }) => {}
            RoomEvent::Trouble(trouble) => self.troubles.note(format!("trouble: {trouble:?}")),
            RoomEvent::Ended(ended) => self.troubles.note(format!("a room ended: {ended:?}")),
            _ => {}
        }
    }
}

/// Waits until `end`, and for outstanding messages then. Returns when the last one arrived.
async fn drain(args: &Talk, counts: &Counts, end: Instant) -> Instant {
    tokio::time::sleep_until(end).await;
    let due = due(args).saturating_mul(args.guests.into());
    let (mut last, mut seen) = (Instant::now(), counts.shown.load(Ordering::Acquire));
    while seen < due && last.elapsed() < LATE {
        sleep(LOOK).await;
        let now = counts.shown.load(Ordering::Acquire);
        if now != seen {
            (last, seen) = (Instant::now(), now);
        }
    }
    last
}

/// Returns the row, and how many deliveries never arrived.
fn row(args: &Talk, counts: &Counts, samples: Samples, elapsed: Duration) -> (Row, u64) {
    let (said, shown) = (counts.said.load(Ordering::Acquire), counts.shown.load(Ordering::Acquire));
    let lost = said.saturating_mul(args.guests.into()).saturating_sub(shown);
    let [before, with_all, after] = samples;
    let cpu = with_all.zip(after);
    let cpu = cpu.and_then(|(with_all, after)| each(after.cpu.saturating_sub(with_all.cpu), shown));
    let memory = |sample: Option<Sample>| sample.map(|sample| sample.resident >> 10);
    let join = |quantile| real(counts.joins.quantile(quantile), 3);
    let row = Row::new("talk")
        .with("rooms", u64::from(args.rooms))
        .with("guests", u64::from(args.guests))
        .with("rate", Value::Real(args.rate, 3))
        .with("keep", Value::text(args.keep.to_string()))
        .with("messages", said)
        .with("deliveries", shown)
        .with("lost", lost)
        .with("errors", counts.troubles.total())
        .with("seconds", Value::Real(elapsed.as_secs_f64(), 3))
        .with("server_cpu_us_per_delivery", real(cpu, 3))
        .and(counts.latencies.row())
        .with("join_p50_ms", join(0.5))
        .with("join_max_ms", join(1.0))
        .with("server_kib_before", memory(before))
        .with("server_kib_with_all", memory(with_all))
        .with("server_kib_after", memory(after))
        .with("server_threads", after.map(|sample| sample.threads))
        .with("server_files", after.and_then(|sample| sample.files));
    (row, lost)
}
