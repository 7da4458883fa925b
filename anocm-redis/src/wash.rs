//! Sees to it that nothing is left in the servers' buffers.

use std::{
    sync::{
        Arc, Weak,
        atomic::{AtomicU8, Ordering},
    },
    time::Duration,
};

use redis::{FromRedisValue as _, Value, cmd};
use tokio::time::sleep;

use crate::{
    codec::Malformed,
    error::Fault,
    script::Name,
    servers::{Node, Servers, Topology},
};

/// The longest that something overwritten or passed on stays where it was copied to on the way.
const INTERVAL: Duration = Duration::from_secs(4);
/// How often it is washed out after the last of it: the allocator may give out other memory the
/// first time.
const ROUNDS: u8 = 3;
/// More than an entry with all that goes with it.
const LONGEST: usize = 66_000;

/// Knows whether there is anything to be washed out.
#[derive(Default)]
pub(crate) struct Washer {
    rounds: AtomicU8,
}

impl Washer {
    pub(crate) fn hire(servers: &Arc<Servers>) -> Arc<Self> {
        let washer = Arc::new(Self::default());
        tokio::spawn(work(Arc::downgrade(&washer), Arc::downgrade(servers)));
        washer
    }

    /// Something went through the servers, or was erased there.
    pub(crate) fn note(&self) {
        self.rounds.store(ROUNDS, Ordering::Relaxed);
    }
}

async fn work(washer: Weak<Washer>, servers: Weak<Servers>) {
    loop {
        sleep(INTERVAL).await;
        let (Some(washer), Some(servers)) = (washer.upgrade(), servers.upgrade()) else {
            return;
        };
        let rounds = washer
            .rounds
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1));
        if rounds.is_err() {
            continue;
        }
        let topology = servers.topology();
        for node in &topology.masters {
            if let Err(fault) = wash(&servers, &topology, node).await {
                tracing::debug!("a server could not be washed: {fault:?}");
                washer.note();
            }
        }
    }
}

async fn wash(servers: &Servers, topology: &Topology, node: &Arc<Node>) -> Result<(), Fault> {
    let Some(shard) = topology.some_shard(node) else { return Ok(()) };
    let shard = shard.key();
    let rest = (INTERVAL / 2).as_millis().to_string();
    let mut all = false;
    // The server makes a new buffer for what comes after something long, and does not clear it: the
    // second time that is filled, too.
    for _ in 0..2 {
        let arguments: [&[u8]; 2] = [&[0; LONGEST], rest.as_bytes()];
        let answer = servers.run_at(node, Name::Wash, &[&shard], &arguments).await?;
        let (rest, _) = <(bool, Value)>::from_redis_value(answer).map_err(|_| Malformed)?;
        all |= rest;
    }
    if all {
        // What the allocator has in whole pages.
        node.try_ask(cmd("MEMORY").arg("PURGE")).await?;
    }
    Ok(())
}
