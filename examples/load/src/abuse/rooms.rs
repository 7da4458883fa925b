//! Connections that open rooms in a loop, and come back when they are refused.

use anocm_core::Retention;
use futures_util::future::join_all;
use tokio::time::Instant;

use super::adversary::Adversary;
use crate::{
    failure::Failure,
    guest::{
        GuestError,
        room::{self, RawRoom},
        socket::Opened,
    },
};

pub(super) async fn run(scene: &Adversary) -> Result<(), Failure> {
    let end = Instant::now() + scene.span;
    join_all((0..scene.abusers).map(|_| scene.again(end, open_rooms))).await;
    scene.expect(&["rooms_opened"]);
    scene.expect(&["refused_busy", "refused_work_needed"]);
    Ok(())
}

/// Opens rooms over one connection until it is refused.
async fn open_rooms(scene: &Adversary) -> Result<(), GuestError> {
    let mut guest = Opened::new(&scene.target, 1_000).await?;
    scene.count("connections", 1);
    room::greet(&mut guest).await?;
    loop {
        RawRoom::new(Retention::Live, 1, 1)?.open(&mut guest).await?;
        scene.count("rooms_opened", 1);
    }
}
