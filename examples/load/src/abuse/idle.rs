//! Connections that are in rooms and silent.

use std::{slice, sync::Arc};

use anocm_core::Retention;
use tokio::time::{Instant, sleep};

use super::adversary::Adversary;
use crate::{
    failure::Failure,
    fanout::rooms,
    guest::{
        clients::{Crowd, Shared, Troubles, gather},
        mark::Marker,
        room::random,
    },
    idle::{bytes_each, settled},
    latency::Latencies,
    measure::MeasureError,
};

/// Connections in each room; only whole rooms come.
const TOGETHER: u32 = 100;

/// Gives the connections: that all of them leave at once is not what is measured here.
pub(super) async fn run(scene: &Adversary) -> Result<Vec<Crowd>, Failure> {
    let guests = TOGETHER.min(scene.abusers);
    let count = scene.abusers / guests.max(1);
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
    let before = scene.server.sample().map_err(MeasureError::from)?;
    let start = Instant::now();
    let crowds = gather(slice::from_ref(&scene.target), rooms, guests, &shared).await?;
    scene.took("ms_until_all_in", start.elapsed());
    let with_all = settled(scene.server).await?;
    scene.count("connections", connections.into());
    scene.count("server_bytes_per_connection", bytes_each(&before, &with_all, connections));
    sleep(scene.span).await;
    // Whoever was dropped meanwhile is none of those that were counted.
    troubles.lines().into_iter().for_each(|trouble| scene.trouble(trouble));
    Ok(crowds)
}
