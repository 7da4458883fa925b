//! Guests with all of their cryptography, who enter one room at the same moment.

use std::time::Duration;

use anocm_core::NewRoom;

use super::adversary::Adversary;
use crate::{
    args::{Join, RelayArgs, Then},
    failure::Failure,
    guest::PATIENCE,
    join::join,
    member::Member,
};

/// How long each may take to get in.
const WITHIN: Duration = Duration::from_secs(600);

pub(super) async fn run(scene: &Adversary) -> Result<(), Failure> {
    let mut creator = Member::open(&scene.url, &NewRoom::default())?;
    creator.enter(PATIENCE).await?;
    let args = Join {
        relay: RelayArgs::default(),
        guests: scene.abusers,
        at_once: true,
        then: if scene.stay { Then::Stay } else { Then::Go },
        within: WITHIN,
    };
    let joined = join(&args, creator).await?;
    scene.count("entered", joined.entered);
    scene.count("seen_by_creator", joined.seen);
    scene.took("ms_until_all_in", joined.elapsed);
    for (name, quantile) in [("ms_to_enter_p50", 0.5), ("ms_to_enter_p99", 0.99)] {
        let millis = joined.times.quantile(quantile).unwrap_or(0.0);
        scene.took(name, Duration::from_secs_f64(millis / 1_000.0));
    }
    for trouble in joined.troubles.lines() {
        scene.trouble(trouble);
    }
    if joined.entered < scene.abusers.into() || joined.seen != joined.entered {
        let (entered, seen) = (joined.entered, joined.seen);
        scene.trouble(format!("{entered} are in, of whom the creator saw {seen} come"));
    }
    Ok(())
}
