//! The servers that keep the rooms, as one.

mod clock;
mod node;
mod topology;

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use anocm_core::Timestamp;
use redis::{FromRedisValue, Value, cmd};
use tokio::time::{Instant, sleep};

use self::clock::Clocks;
pub(crate) use self::{
    clock::{RoundTrip, ServerTime},
    node::Node,
    topology::{Topology, field},
};
use crate::{
    ConnectError, RedisOptions,
    codec::Malformed,
    error::Fault,
    keys::Shard,
    script::{Name, PubSub, Scripts},
};

/// How often something is asked again that was not done for sure.
const TRIES: u32 = 4;
/// How long to wait before the first of these; then twice as long each time.
const PAUSE: Duration = Duration::from_millis(50);
/// The shortest time between two looks at the topology.
const LOOK: Duration = Duration::from_millis(200);

/// The servers that keep the rooms.
pub(crate) struct Servers {
    options: RedisOptions,
    scripts: Scripts,
    clocks: Clocks,
    // Short sections, none across an await.
    topology: Mutex<Arc<Topology>>,
    /// When it was looked at last. One looks for all.
    looked: tokio::sync::Mutex<Instant>,
}

impl Servers {
    pub(crate) async fn connect(options: RedisOptions) -> Result<Self, ConnectError> {
        #[cfg(feature = "tls")]
        // Somebody may have chosen one before.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let topology = Topology::discover(&options, None).await?;
        let scripts = Scripts::new(pubsub(&topology));
        Ok(Self {
            options,
            scripts,
            clocks: Clocks::new(),
            topology: Mutex::new(Arc::new(topology)),
            looked: tokio::sync::Mutex::new(Instant::now()),
        })
    }

    pub(crate) const fn options(&self) -> &RedisOptions {
        &self.options
    }

    pub(crate) fn topology(&self) -> Arc<Topology> {
        Arc::clone(&self.topology.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// A server that another one named, and that is asked nothing but how it is.
    pub(crate) fn beside(&self, node: &Node, host: String, port: u16) -> Option<Node> {
        let addr = topology::beside(node.info().addr(), Some(host), port)?;
        let info = node.info().clone().set_addr(addr);
        Some(Node::new(info, self.options.connect_timeout, self.options.connect_timeout))
    }

    /// How many servers have rooms, and how many of these can be used.
    pub(crate) fn health(&self) -> StoreHealth {
        let topology = self.topology();
        let reachable = topology.masters.iter().filter(|node| node.is_reachable()).count();
        StoreHealth { servers: topology.masters.len(), reachable }
    }

    pub(crate) fn pubsub(&self) -> PubSub {
        pubsub(&self.topology())
    }

    /// Looks again which servers there are.
    pub(crate) async fn refresh_topology(&self) {
        let mut looked = self.looked.lock().await;
        if looked.elapsed() < LOOK {
            return;
        }
        let known = self.topology();
        // A single server stays what it is.
        if known.is_cluster
            && let Ok(topology) = Topology::discover(&self.options, Some(&known)).await
            && topology.is_cluster
        {
            *self.topology.lock().unwrap_or_else(PoisonError::into_inner) = Arc::new(topology);
        }
        *looked = Instant::now();
    }

    /// Runs a script where the shard is: exactly once, or not at all, or nobody knows.
    pub(crate) async fn run(
        &self,
        shard: Shard,
        name: Name,
        keys: &[&str],
        arguments: &[&[u8]],
    ) -> Result<Value, Fault> {
        let mut pause = PAUSE;
        for _ in 0..TRIES {
            let topology = self.topology();
            let done = match topology.owner(shard) {
                Some(node) => self.run_now(node, shard, name, keys, arguments).await,
                None => Err(Fault::NotHere),
            };
            match done {
                Err(Fault::NotHere | Fault::Away) => {
                    self.refresh_topology().await;
                    sleep(pause).await;
                    pause *= 2;
                }
                Err(Fault::Unknown) => {
                    self.refresh_topology().await;
                    return Err(Fault::Unknown);
                }
                done => return done,
            }
        }
        Err(Fault::NotHere)
    }

    /// Runs a script that is told the time of rooms, by this relay's clock.
    async fn run_now(
        &self,
        node: &Node,
        shard: Shard,
        name: Name,
        keys: &[&str],
        arguments: &[&[u8]],
    ) -> Result<Value, Fault> {
        if self.clocks.now(shard).is_none() {
            self.query_clock(node, shard).await?;
        }
        let now = self.clocks.now(shard).ok_or(Fault::Failed)?.to_string();
        let arguments = [arguments, &[now.as_bytes()]].concat();
        self.run_at(node, name, keys, &arguments).await
    }

    /// The time of rooms in a slot, in milliseconds, once anything was asked there.
    pub(crate) fn now(&self, shard: Shard) -> Option<u64> {
        self.clocks.now(shard)
    }

    /// The relay's own clock.
    pub(crate) fn here(&self) -> Timestamp {
        self.clocks.here()
    }

    /// The relay runs.
    pub(crate) fn heartbeat(&self) {
        self.clocks.heartbeat();
    }

    /// What erases rooms runs, as it does each second.
    pub(crate) fn looks_after_rooms(&self) {
        self.clocks.looks_after_rooms();
    }

    /// Whether the relay did not run lately, so that nobody could touch its rooms.
    pub(crate) fn has_stood_still(&self) -> bool {
        self.clocks.has_stood_still()
    }

    /// Whether the relay has gone on only just now, after it did not run.
    pub(crate) fn has_just_gone_on(&self) -> bool {
        self.clocks.has_just_gone_on()
    }

    /// Whether the server's clock was set lately, by which it may have expired rooms of this slot.
    pub(crate) async fn has_jumped(&self, shard: Shard) -> Result<bool, Fault> {
        let topology = self.topology();
        let node = topology.owner(shard).ok_or(Fault::NotHere)?;
        self.query_clock(node, shard).await?;
        Ok(self.clocks.has_jumped(shard))
    }

    /// Takes what a server said of its clock, and has a step of it recorded there.
    pub(crate) async fn observe_clock(&self, shard: Shard, asked: RoundTrip, told: ServerTime) {
        let Some(step) = self.clocks.observe(shard, asked, told) else { return };
        let topology = self.topology();
        let Some(node) = topology.owner(shard) else { return };
        let old = step.old.map_or_else(|| "none".to_owned(), |old| old.to_string());
        let new = step.new.to_string();
        // If it fails, the step is found again.
        let Ok((asked, told)) = self.ask_clock(node, shard, [&old, &new]).await else { return };
        if told.offset == Some(step.new) {
            if step.by != 0 {
                node.has_stepped(step.by);
            }
            self.clocks.recorded(shard, step);
        }
        self.clocks.observe(shard, asked, told);
    }

    async fn query_clock(&self, node: &Node, shard: Shard) -> Result<(), Fault> {
        let (asked, told) = self.ask_clock(node, shard, [""; 2]).await?;
        self.observe_clock(shard, asked, told).await;
        Ok(())
    }

    async fn ask_clock(
        &self,
        node: &Node,
        shard: Shard,
        [old, new]: [&str; 2],
    ) -> Result<(RoundTrip, ServerTime), Fault> {
        let sent = self.here();
        let arguments: [&[u8]; 3] = [old.as_bytes(), new.as_bytes(), b"0"];
        let answer = self.run_at(node, Name::Clock, &[&shard.key()], &arguments).await?;
        let answered = self.here();
        let told = <(u64, Option<i64>)>::from_redis_value(answer).map_err(|_| Malformed)?;
        let (wall, offset) = told;
        Ok((RoundTrip { sent, answered }, ServerTime { wall, offset }))
    }

    /// Runs a script on a server, which learns it first if it does not know it.
    pub(crate) async fn run_at(
        &self,
        node: &Node,
        name: Name,
        keys: &[&str],
        arguments: &[&[u8]],
    ) -> Result<Value, Fault> {
        let script = self.scripts.get(name).ok_or(Fault::Failed)?;
        let mut evaluate = cmd("EVALSHA");
        evaluate.arg(&script.sha1).arg(keys.len()).arg(keys).arg(arguments);
        let mut done = node.try_ask(&evaluate).await;
        if let Err(Fault::NoScript) = done {
            node.try_ask(cmd("SCRIPT").arg("LOAD").arg(&script.source)).await?;
            done = node.try_ask(&evaluate).await;
        }
        if done.is_ok() {
            node.is_back();
        }
        done
    }
}

/// Whether the servers that have the rooms can be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct StoreHealth {
    /// How many servers have rooms: 1, or the masters of a cluster.
    pub servers: usize,
    /// How many of these can be used, as seen within the last seconds.
    pub reachable: usize,
}

impl StoreHealth {
    /// Whether there are rooms that can be used.
    #[must_use]
    pub const fn is_ready(&self) -> bool {
        self.reachable > 0
    }
}

const fn pubsub(topology: &Topology) -> PubSub {
    if topology.is_cluster { PubSub::Sharded } else { PubSub::Plain }
}
