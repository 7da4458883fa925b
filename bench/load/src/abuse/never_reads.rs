//! Connections that are in a busy room and read nothing. Most never read again; every fourth, the
//! first included, does so before the relay drops it.
//!
//! Each has a room of its own, since its queue is then shared with no other subscriber: the most
//! expensive case for the relay's memory.

use std::{sync::Arc, time::Duration};

use anocm_core::{Retention, Seq};
use futures_util::future::{join_all, try_join_all};
use tokio::{
    sync::oneshot,
    task::JoinSet,
    time::{Instant, sleep, timeout},
};

use super::{
    adversary::Adversary,
    follower::{Follower, Places, SIZE},
    peak::Peak,
};
use crate::{
    failure::Failure,
    guest::{
        GuestError,
        room::RawRoom,
        socket::{Opened, Target},
    },
    measure::MeasureError,
};

/// After so many entries, more is pending than the relay and both kernels queue for one connection.
const TOO_MANY: u64 = 64;
/// Interval between messages after that.
const CALMLY: Duration = Duration::from_millis(250);
/// Receive buffer (in the kernel) of a connection that does not read.
const RECEIVE_BUFFER: u32 = 16 * 1_024;
/// Every n-th connection reads again.
const READS_AGAIN: usize = 4;
/// How long the relay may take to close the connections that never read.
const CLOSES: Duration = Duration::from_secs(120);
/// Interval of the check for that.
const LOOK: Duration = Duration::from_millis(100);
/// Timeout for reading again.
const READS: Duration = Duration::from_secs(60);

/// A room with a publisher, and a subscriber that does not read.
struct Busy {
    places: Places,
    publisher: Opened,
    reader: Opened,
}

pub(super) async fn run(adversary: &Adversary) -> Result<(), Failure> {
    let before = adversary.server.sample().map_err(MeasureError::from)?;
    let peak = Peak::watch(adversary.server);
    let busy = try_join_all((0..adversary.abusers).map(|_| busy(adversary))).await?;
    let (mut publishing, mut filled) = (JoinSet::new(), Vec::new());
    let (mut again, mut never) = (Vec::new(), Vec::new());
    for (n, Busy { places, publisher, reader }) in busy.into_iter().enumerate() {
        let (tell, told) = oneshot::channel();
        publishing.spawn(publish(places.clone(), publisher, tell));
        filled.push(told);
        let to = if n % READS_AGAIN == 0 { &mut again } else { &mut never };
        to.push(Follower::new(adversary, places, reader));
    }
    for told in filled {
        if told.await.is_err() {
            adversary.trouble("nobody could publish in a room with one who does not read");
        }
    }
    let stalled = Instant::now();
    // Read what is still in the buffers of the subscribers that read again in time.
    join_all(again.iter_mut().map(read_again)).await;
    drop(again);
    wait_until_closed(adversary, before.files).await?;
    adversary.took("ms_until_closed", stalled.elapsed());
    let most = peak.stop().await.saturating_sub(before.anon);
    adversary.at_least("server_bytes_per_stalled", most / u64::from(adversary.abusers.max(1)));
    join_all(never.into_iter().map(read_to_the_end)).await;
    adversary.expect(&["told_lagging"]);
    Ok(())
}

/// Opens a room with two guests: a publisher, and a subscriber that will not read.
async fn busy(adversary: &Adversary) -> Result<Busy, GuestError> {
    let narrow = Target { receive_buffer: Some(RECEIVE_BUFFER), ..adversary.target.clone() };
    let room = Arc::new(RawRoom::new(Retention::Live, 1, 1)?);
    let mut publisher = Opened::new(&adversary.target, SIZE).await?;
    room.create(&mut publisher).await?;
    let mut reader = Opened::new(&narrow, SIZE).await?;
    room.enter(&mut reader).await?;
    Ok(Busy { places: Places::new(room)?, publisher, reader })
}

/// Publishes: first a burst that is too much for a subscriber that does not read, then at an
/// interval. Reports when the burst is out.
async fn publish(
    places: Places,
    mut publisher: Opened,
    tell: oneshot::Sender<()>,
) -> Result<(), GuestError> {
    let mut seq = Seq::START;
    while seq.value() < TOO_MANY {
        seq = seq.next();
        places.publish(&mut publisher, seq).await?;
    }
    let _ = tell.send(());
    loop {
        sleep(CALMLY).await;
        seq = seq.next();
        places.publish(&mut publisher, seq).await?;
    }
}

/// Resumes reading. Some entries were skipped in between.
async fn read_again(follower: &mut Follower<'_>) {
    match timeout(READS, follower.follow()).await {
        Ok(Ok(())) => follower.adversary.count("read_again", 1),
        Ok(Err(error)) => {
            follower.adversary.trouble(format!("one who read again in time was closed: {error}"));
        }
        Err(_) => follower.adversary.trouble("one who read again was told nothing more"),
    }
}

/// Waits until the server has closed all connections that do not read: only the publishers are
/// left.
async fn wait_until_closed(adversary: &Adversary, before: Option<u64>) -> Result<(), MeasureError> {
    let allowed = before.map(|before| before.saturating_add(adversary.abusers.into()));
    let give_up = Instant::now() + CLOSES;
    while adversary.server.sample()?.files > allowed {
        if Instant::now() > give_up {
            adversary.trouble("those who never read are not closed");
            break;
        }
        sleep(LOOK).await;
    }
    Ok(())
}

/// Reads what there is, which must end without a gap, then reconnects for the rest.
async fn read_to_the_end(mut follower: Follower<'_>) {
    let adversary = follower.adversary;
    match timeout(READS, follower.follow_to_the_end()).await {
        Ok(end) => {
            adversary.ended(&end);
            adversary.count("closed", 1);
        }
        Err(_) => adversary.trouble("one who never read is still told what happens"),
    }
    match timeout(READS, follower.resume()).await {
        Ok(Ok(())) => adversary.count("resumed", 1),
        Ok(Err(error)) => adversary.trouble(format!("one who was closed cannot resume: {error}")),
        Err(_) => adversary.trouble("one who came back is told nothing"),
    }
}
