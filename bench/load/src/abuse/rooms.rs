//! Connections that open rooms in a loop, and reconnect when they are refused.

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

pub(super) async fn run(adversary: &Adversary) -> Result<(), Failure> {
    let end = Instant::now() + adversary.span;
    join_all((0..adversary.abusers).map(|_| adversary.again(end, open_rooms))).await;
    adversary.expect(&["rooms_opened"]);
    adversary.expect(&["refused_busy", "refused_work_needed"]);
    Ok(())
}

/// Opens rooms over one connection until it is refused.
async fn open_rooms(adversary: &Adversary) -> Result<(), GuestError> {
    let mut guest = Opened::new(&adversary.target, 1_000).await?;
    adversary.count("connections", 1);
    room::greet(&mut guest).await?;
    loop {
        RawRoom::new(Retention::Live, 1, 1)?.open(&mut guest).await?;
        adversary.count("rooms_opened", 1);
    }
}
