//! Sees to it that nothing is left in the servers' buffers.

use std::{
    sync::{
        Arc, Weak,
        atomic::{AtomicU8, Ordering},
    },
    time::Duration,
};

use futures_util::future::join_all;
use redis::{FromRedisValue as _, Value, cmd};
use tokio::time::{sleep, timeout};

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
const MAX_REPLY: usize = 66_000;

/// Knows whether there is anything to be washed out.
#[derive(Default)]
pub(crate) struct BufferScrubber {
    rounds: AtomicU8,
}

impl BufferScrubber {
    pub(crate) fn spawn(servers: &Arc<Servers>) -> Arc<Self> {
        let washer = Arc::new(Self::default());
        tokio::spawn(run(Arc::downgrade(&washer), Arc::downgrade(servers)));
        washer
    }

    /// Something went through the servers, or was erased there.
    pub(crate) fn note(&self) {
        self.rounds.store(ROUNDS, Ordering::Relaxed);
    }
}

async fn run(washer: Weak<BufferScrubber>, servers: Weak<Servers>) {
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
        let washing = topology.masters.iter().map(|node| {
            let washing = timeout(INTERVAL, scrub(&servers, &topology, node));
            async { washing.await.unwrap_or(Err(Fault::Unknown)) }
        });
        // All at once: one that hangs keeps none of the others waiting.
        if join_all(washing).await.iter().any(Result::is_err) {
            washer.note();
        }
    }
}

async fn scrub(servers: &Servers, topology: &Topology, node: &Arc<Node>) -> Result<(), Fault> {
    let Some(shard) = topology.some_shard(node) else { return Ok(()) };
    let shard = shard.key();
    let alone = (INTERVAL / 2).as_millis().to_string();
    // The server makes a new buffer for what comes after something long, and does not clear it: the
    // second time that is filled, too.
    step(servers, node, &shard, &alone, 0).await?;
    // Small ones, so that nobody has to wait for long.
    let mut next = 1;
    loop {
        next = step(servers, node, &shard, &alone, next).await?;
        if next == 0 {
            break;
        }
    }
    // What the allocator has in whole pages.
    node.try_ask(cmd("MEMORY").arg("PURGE")).await.map(drop)
}

/// Does one step, and gives the next.
async fn step(
    servers: &Servers,
    node: &Node,
    shard: &str,
    alone: &str,
    step: u32,
) -> Result<u32, Fault> {
    let step = step.to_string();
    // Nothing there goes by the time of rooms.
    let arguments: [&[u8]; 4] = [&[0; MAX_REPLY], alone.as_bytes(), step.as_bytes(), b"0"];
    let answer = servers.run_at(node, Name::Scrub, &[shard], &arguments).await?;
    let (next, _) = <(u32, Value)>::from_redis_value(answer).map_err(|_| Malformed)?;
    Ok(next)
}
