//! Connections that take as much of a relay's memory as they get, to hold it for a day.
//!
//! First with rooms that have the largest possible group information, for which proof of work would
//! be required and is not done. Then with ordinary rooms, each filled with messages. Other guests
//! must still be able to remove a member, to send a message, and to open a room.

use std::time::Duration;

use anocm_core::{
    Payload, Retention,
    transport::Link,
    wire::{Refusal, Reply},
};
use anocm_ws::client::{WsOptions, WsTransport};
use futures_util::future::join_all;
use tokio::time::{Instant, sleep};

use super::{
    adversary::Adversary,
    link::{ask, greet, sealed, work},
};
use crate::{
    failure::Failure,
    guest::{GuestError, room::RawRoom},
    member::MemberError,
};

/// The largest group information that a relay accepts.
const DOOR: usize = 1_000_000;
const A_DAY: Duration = Duration::from_secs(24 * 3_600);
/// The limits of a room, as requested from the relay.
const ENTRIES: u32 = 50_000;
const BYTES: u64 = 64 << 20;
/// Sealed bytes of the messages that fill the rooms.
const SIZES: [usize; 2] = [64_000, 1_000];
/// The highest difficulty that an ordinary room may cost meanwhile, in tries.
const WORK: u32 = 65_536;

pub(super) async fn run(adversary: &Adversary) -> Result<(), Failure> {
    let transport =
        WsTransport::new(&adversary.url, WsOptions::default()).map_err(MemberError::from)?;
    let transport = &transport;
    let here = greet(transport).await?;
    let room = ordinary()?;
    if ask(&*here, room.creation()).await?.is_err() {
        adversary.trouble("an ordinary room could not be opened before");
        return Ok(());
    }
    let end = Instant::now() + adversary.span / 2;
    let lazy = (0..adversary.abusers).map(|_| {
        adversary.again(end, async |adversary: &Adversary| large_rooms(adversary, transport).await)
    });
    join_all(lazy).await;
    let end = Instant::now() + adversary.span / 2;
    let full = (0..adversary.abusers).map(|_| {
        adversary.again(end, async |adversary: &Adversary| full_room(adversary, transport).await)
    });
    join_all(full).await;
    others(adversary, transport, &*here, &room).await?;
    if adversary.counted("large_rooms_opened") > 0 {
        adversary.trouble("rooms with a megabyte of group information were opened without work");
    }
    adversary.expect(&["refused_work_needed"]);
    adversary.expect(&["refused_full"]);
    Ok(())
}

fn ordinary() -> Result<RawRoom, GuestError> {
    let kept = Retention::keep(A_DAY).map_err(|_| GuestError::Protocol)?;
    RawRoom::new(kept, ENTRIES, BYTES)
}

/// Opens rooms of a megabyte until proof of work is required for one.
async fn large_rooms(adversary: &Adversary, transport: &WsTransport) -> Result<(), GuestError> {
    let link = greet(transport).await?;
    loop {
        let room = ordinary()?.with_door(DOOR, A_DAY);
        match ask(&*link, room.creation()).await? {
            Ok(_) => adversary.count("large_rooms_opened", 1),
            Err(refusal) => return Err(GuestError::Refused(refusal)),
        }
    }
}

/// Opens a room and publishes as much there as is kept.
async fn full_room(adversary: &Adversary, transport: &WsTransport) -> Result<(), GuestError> {
    let link = greet(transport).await?;
    let room = ordinary()?.with_door(1_000, A_DAY);
    ask(&*link, room.creation()).await?.map_err(GuestError::Refused)?;
    adversary.count("rooms_opened", 1);
    for size in SIZES {
        let sealed = sealed(size)?;
        while says(&*link, &room, sealed.clone()).await? {
            adversary.count("kib_kept", u64::try_from(size).unwrap_or(0) >> 10);
        }
    }
    Err(GuestError::Refused(Refusal::Full))
}

/// Publishes a message to be kept. Returns false when there is no space.
async fn says(link: &dyn Link, room: &RawRoom, sealed: Payload) -> Result<bool, GuestError> {
    loop {
        match ask(link, room.publication(sealed.clone())).await? {
            Ok(Reply::Accepted { .. }) => return Ok(true),
            Err(Refusal::Full) => return Ok(false),
            Err(Refusal::Busy { retry_after }) => {
                sleep(Duration::from_millis(retry_after.into())).await;
            }
            Err(refusal) => return Err(GuestError::Refused(refusal)),
            Ok(_) => return Err(GuestError::Protocol),
        }
    }
}

/// Runs the requests of other guests meanwhile.
async fn others(
    adversary: &Adversary,
    transport: &WsTransport,
    here: &dyn Link,
    room: &RawRoom,
) -> Result<(), GuestError> {
    if !says(here, room, sealed(1_000)?).await? {
        adversary.trouble("nothing can be said in a room that takes little");
    }
    if let Err(refusal) = ask(here, room.removal()).await? {
        adversary.trouble(format!("no member can be removed: {refusal}"));
    }
    let (link, another) = (greet(transport).await?, ordinary()?);
    let (start, mut asked) = (Instant::now(), 0);
    loop {
        match ask(&*link, another.creation()).await? {
            Ok(_) => break,
            Err(Refusal::WorkNeeded(puzzle)) => {
                asked = puzzle.difficulty.max(asked);
                work(&*link, &another, puzzle).await?;
            }
            Err(Refusal::Busy { retry_after }) => {
                sleep(Duration::from_millis(retry_after.into())).await;
            }
            Err(refusal) => {
                adversary.trouble(format!("no room can be opened: {refusal}"));
                break;
            }
        }
    }
    adversary.at_least("work_for_another_room", asked.into());
    adversary.took("ms_to_open_another_room", start.elapsed());
    if asked > WORK {
        adversary.trouble(format!("an ordinary room costs {asked} tries"));
    }
    Ok(())
}
