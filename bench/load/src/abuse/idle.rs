//! Connections that are in rooms and send nothing.

use std::{slice, sync::Arc};

use anocm_core::Retention;
use tokio::time::{Instant, sleep};

use super::adversary::Adversary;
use crate::{
    failure::Failure,
    fanout::rooms,
    guest::{
        clients::{Clients, Shared, Troubles, gather},
        mark::Marker,
        room::random,
    },
    idle::{bytes_each, settled},
    latency::Latencies,
    measure::MeasureError,
};

/// Connections in each room. Rooms are always full.
const TOGETHER: u32 = 100;

/// Returns the connections, since the effect of all leaving at once is measured elsewhere.
pub(super) async fn run(adversary: &Adversary) -> Result<Vec<Clients>, Failure> {
    let guests = TOGETHER.min(adversary.abusers);
    let count = adversary.abusers / guests.max(1);
    let connections = count.saturating_mul(guests);
    let troubles = Arc::new(Troubles::default());
    let shared = Shared {
        marker: Marker::new(random()?),
        latencies: Arc::new(Latencies::new().map_err(MeasureError::from)?),
        troubles: Arc::clone(&troubles),
        size: 1_000,
        in_flight: 0,
    };
    let rooms = rooms(count, Retention::Live, false)?;
    let before = adversary.server.sample().map_err(MeasureError::from)?;
    let start = Instant::now();
    let groups = gather(slice::from_ref(&adversary.target), rooms, guests, &shared).await?;
    adversary.took("ms_until_all_in", start.elapsed());
    let with_all = settled(adversary.server).await?;
    adversary.count("connections", connections.into());
    adversary.count("server_bytes_per_connection", bytes_each(&before, &with_all, connections));
    sleep(adversary.span).await;
    // A connection that was dropped meanwhile makes the counts wrong: report it.
    troubles.lines().into_iter().for_each(|trouble| adversary.trouble(trouble));
    Ok(groups)
}
