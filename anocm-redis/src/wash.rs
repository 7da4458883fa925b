//! Sees to it that nothing is left in the servers' buffers.

use std::{
    sync::{
        Arc, Weak,
        atomic::{AtomicU8, Ordering},
    },
    time::Duration,
};

use redis::cmd;
use tokio::time::sleep;

use crate::{
    error::Fault,
    script::Name,
    servers::{Node, Servers},
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
        for node in &servers.topology().masters {
            if let Err(fault) = wash(&servers, node).await {
                tracing::debug!("a server could not be washed: {fault:?}");
                washer.note();
            }
        }
    }
}

async fn wash(servers: &Servers, node: &Node) -> Result<(), Fault> {
    // The server makes a new buffer for what comes after something long, and does not clear it: the
    // second time that is filled, too.
    for _ in 0..2 {
        servers.run_at(node, Name::Wash, &[], &[&[0; LONGEST]]).await?;
    }
    // What the allocator has in whole pages.
    node.try_ask(cmd("MEMORY").arg("PURGE")).await.map(drop)
}
