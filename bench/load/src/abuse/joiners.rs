//! Guests with full cryptography that join one room at the same moment.

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

/// Timeout for each guest to join.
const WITHIN: Duration = Duration::from_secs(600);

pub(super) async fn run(adversary: &Adversary) -> Result<(), Failure> {
    let mut creator = Member::open(&adversary.url, &NewRoom::default())?;
    creator.enter(PATIENCE).await?;
    let args = Join {
        relay: RelayArgs::default(),
        guests: adversary.abusers,
        at_once: true,
        then: if adversary.stay { Then::Stay } else { Then::Go },
        within: WITHIN,
    };
    let joined = join(&args, creator).await?;
    adversary.count("entered", joined.entered);
    adversary.count("seen_by_creator", joined.seen);
    adversary.took("ms_until_all_in", joined.elapsed);
    for (name, quantile) in [("ms_to_enter_p50", 0.5), ("ms_to_enter_p99", 0.99)] {
        let millis = joined.times.quantile(quantile).unwrap_or(0.0);
        adversary.took(name, Duration::from_secs_f64(millis / 1_000.0));
    }
    for trouble in joined.troubles.lines() {
        adversary.trouble(trouble);
    }
    if joined.entered < adversary.abusers.into() || joined.seen != joined.entered {
        let (entered, seen) = (joined.entered, joined.seen);
        adversary.trouble(format!("{entered} are in, of whom the creator saw {seen} come"));
    }
    Ok(())
}
