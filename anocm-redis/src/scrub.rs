//! Overwrites remnants in the servers' buffers.

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

/// The longest time for which copies of overwritten or forwarded data stay in buffers.
const INTERVAL: Duration = Duration::from_secs(4);
/// How many rounds of scrubbing follow the last write: the allocator may hand out other memory in
/// the first one.
const ROUNDS: u8 = 3;
/// Larger than an entry with all its fields.
const MAX_REPLY: usize = 66_000;

/// Tracks whether there is anything to scrub.
#[derive(Default)]
pub(crate) struct BufferScrubber {
    rounds: AtomicU8,
}

impl BufferScrubber {
    pub(crate) fn spawn(servers: &Arc<Servers>) -> Arc<Self> {
        let scrubber = Arc::new(Self::default());
        tokio::spawn(run(Arc::downgrade(&scrubber), Arc::downgrade(servers)));
        scrubber
    }

    /// Records that data went through the servers or was erased there.
    pub(crate) fn note(&self) {
        self.rounds.store(ROUNDS, Ordering::Relaxed);
    }
}

async fn run(scrubber: Weak<BufferScrubber>, servers: Weak<Servers>) {
    loop {
        sleep(INTERVAL).await;
        let (Some(scrubber), Some(servers)) = (scrubber.upgrade(), servers.upgrade()) else {
            return;
        };
        let rounds = scrubber
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
        // Concurrent: a server that hangs does not delay the others.
        if join_all(washing).await.iter().any(Result::is_err) {
            scrubber.note();
        }
    }
}

async fn scrub(servers: &Servers, topology: &Topology, node: &Arc<Node>) -> Result<(), Fault> {
    let Some(shard) = topology.some_shard(node) else { return Ok(()) };
    let shard = shard.key();
    let alone = (INTERVAL / 2).as_millis().to_string();
    // After a long command the server allocates a new buffer and does not clear it. The second time
    // that buffer is filled, too.
    step(servers, node, &shard, &alone, 0).await?;
    // Small steps, so that other clients are not delayed for long.
    let mut next = 1;
    loop {
        next = step(servers, node, &shard, &alone, next).await?;
        if next == 0 {
            break;
        }
    }
    // Returns whole free pages of the allocator to the system.
    node.try_ask(cmd("MEMORY").arg("PURGE")).await.map(drop)
}

/// Runs one step and returns the number of the next.
async fn step(
    servers: &Servers,
    node: &Node,
    shard: &str,
    alone: &str,
    step: u32,
) -> Result<u32, Fault> {
    let step = step.to_string();
    // The script does not use room time, so it gets a zero.
    let arguments: [&[u8]; 4] = [&[0; MAX_REPLY], alone.as_bytes(), step.as_bytes(), b"0"];
    let answer = servers.run_at(node, Name::Scrub, &[shard], &arguments).await?;
    let (next, _) = <(u32, Value)>::from_redis_value(answer).map_err(|_| Malformed)?;
    Ok(next)
}
