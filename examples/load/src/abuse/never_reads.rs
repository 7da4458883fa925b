//! Connections that are in a busy room and read nothing. Most never read again; every fourth, the
//! first included, does before the relay gives it up.
//!
//! Each has a room of its own, since what waits for one is then shared with nobody: of all that
//! costs a relay the most memory.

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

/// After so many entries, more waits than the relay and both kernels hold for anybody.
const TOO_MANY: u64 = 64;
/// How often something is published after that.
const CALMLY: Duration = Duration::from_millis(250);
/// What the kernel takes in for one who does not read.
const RECEIVE_BUFFER: u32 = 16 * 1_024;
/// Every so many read again.
const READS_AGAIN: usize = 4;
/// How long the relay may take to close those who never read.
const CLOSES: Duration = Duration::from_secs(120);
/// How often that is looked at.
const LOOK: Duration = Duration::from_millis(100);
/// How long reading again may take.
const READS: Duration = Duration::from_secs(60);

/// A room in which somebody publishes, and one who does not read.
struct Busy {
    places: Places,
    publisher: Opened,
    reader: Opened,
}

pub(super) async fn run(scene: &Adversary) -> Result<(), Failure> {
    let before = scene.server.sample().map_err(MeasureError::from)?;
    let peak = Peak::watch(scene.server);
    let busy = try_join_all((0..scene.abusers).map(|_| busy(scene))).await?;
    let (mut publishing, mut filled) = (JoinSet::new(), Vec::new());
    let (mut again, mut never) = (Vec::new(), Vec::new());
    for (n, Busy { places, publisher, reader }) in busy.into_iter().enumerate() {
        let (tell, told) = oneshot::channel();
        publishing.spawn(publish(places.clone(), publisher, tell));
        filled.push(told);
        let to = if n % READS_AGAIN == 0 { &mut again } else { &mut never };
        to.push(Follower::new(scene, places, reader));
    }
    for told in filled {
        if told.await.is_err() {
            scene.trouble("nobody could publish in a room with one who does not read");
        }
    }
    let stalled = Instant::now();
    // What is still in the buffers of one who reads again in time.
    join_all(again.iter_mut().map(read_again)).await;
    drop(again);
    wait_until_closed(scene, before.files).await?;
    scene.took("ms_until_closed", stalled.elapsed());
    let most = peak.stop().await.saturating_sub(before.anon);
    scene.at_least("server_bytes_per_stalled", most / u64::from(scene.abusers.max(1)));
    join_all(never.into_iter().map(read_to_the_end)).await;
    scene.expect(&["told_lagging"]);
    Ok(())
}

/// Two in a room: one to publish, one who will not read.
async fn busy(scene: &Adversary) -> Result<Busy, GuestError> {
    let narrow = Target { receive_buffer: Some(RECEIVE_BUFFER), ..scene.target.clone() };
    let room = Arc::new(RawRoom::new(Retention::Live, 1, 1)?);
    let mut publisher = Opened::new(&scene.target, SIZE).await?;
    room.create(&mut publisher).await?;
    let mut reader = Opened::new(&narrow, SIZE).await?;
    room.enter(&mut reader).await?;
    Ok(Busy { places: Places::new(room)?, publisher, reader })
}

/// Publishes: at once too much for one who does not read, of which it tells, and more from then
/// on.
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

/// Reads on, with some entries left out in between.
async fn read_again(follower: &mut Follower<'_>) {
    match timeout(READS, follower.follow()).await {
        Ok(Ok(())) => follower.scene.count("read_again", 1),
        Ok(Err(error)) => {
            follower.scene.trouble(format!("one who read again in time was closed: {error}"));
        }
        Err(_) => follower.scene.trouble("one who read again was told nothing more"),
    }
}

/// Waits until the server has closed all that do not read: only those who publish are left.
async fn wait_until_closed(scene: &Adversary, before: Option<u64>) -> Result<(), MeasureError> {
    let allowed = before.map(|before| before.saturating_add(scene.abusers.into()));
    let give_up = Instant::now() + CLOSES;
    while scene.server.sample()?.files > allowed {
        if Instant::now() > give_up {
            scene.trouble("those who never read are not closed");
            break;
        }
        sleep(LOOK).await;
    }
    Ok(())
}

/// Reads what there is, which has an end and until then no gap, and comes back for the rest.
async fn read_to_the_end(mut follower: Follower<'_>) {
    let scene = follower.scene;
    match timeout(READS, follower.follow_to_the_end()).await {
        Ok(end) => {
            scene.ended(&end);
            scene.count("closed", 1);
        }
        Err(_) => scene.trouble("one who never read is still told what happens"),
    }
    match timeout(READS, follower.resume()).await {
        Ok(Ok(())) => scene.count("resumed", 1),
        Ok(Err(error)) => scene.trouble(format!("one who was closed cannot resume: {error}")),
        Err(_) => scene.trouble("one who came back is told nothing"),
    }
}
