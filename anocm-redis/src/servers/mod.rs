//! The servers that own the rooms, presented as one.

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

/// How many times a command is tried that was certainly not executed.
const TRIES: u32 = 4;
/// Initial backoff, doubled with each retry.
const PAUSE: Duration = Duration::from_millis(50);
/// The shortest time between two refreshes of the topology.
const LOOK: Duration = Duration::from_millis(200);

/// The servers that own the rooms.
pub(crate) struct Servers {
    options: RedisOptions,
    scripts: Scripts,
    clocks: Clocks,
    // Short sections, none across an await.
    topology: Mutex<Arc<Topology>>,
    /// When the topology was refreshed last. The lock lets one task refresh it for all.
    looked: tokio::sync::Mutex<Instant>,
}

impl Servers {
    pub(crate) async fn connect(options: RedisOptions) -> Result<Self, ConnectError> {
        #[cfg(feature = "tls")]
        // The program may have installed a provider already.
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

    /// Returns a node for a server that another one named. It is used for health checks only.
    pub(crate) fn beside(&self, node: &Node, host: String, port: u16) -> Option<Node> {
        let addr = topology::beside(node.info().addr(), Some(host), port)?;
        let info = node.info().clone().set_addr(addr);
        Some(Node::new(info, self.options.connect_timeout, self.options.connect_timeout))
    }

    /// Returns how many servers own rooms, and how many of these can be used.
    pub(crate) fn health(&self) -> StoreHealth {
        let topology = self.topology();
        let reachable = topology.masters.iter().filter(|node| node.is_reachable()).count();
        StoreHealth { servers: topology.masters.len(), reachable }
    }

    pub(crate) fn pubsub(&self) -> PubSub {
        pubsub(&self.topology())
    }

    /// Refreshes the topology.
    pub(crate) async fn refresh_topology(&self) {
        let mut looked = self.looked.lock().await;
        if looked.elapsed() < LOOK {
            return;
        }
        let known = self.topology();
        // The topology of a single server never changes.
        if known.is_cluster
            && let Ok(topology) = Topology::discover(&self.options, Some(&known)).await
            && topology.is_cluster
        {
            *self.topology.lock().unwrap_or_else(PoisonError::into_inner) = Arc::new(topology);
        }
        *looked = Instant::now();
    }

    /// Runs a script on the shard's owner: exactly once, or not at all, or with an unknown outcome.
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

    /// Runs a script with the room time as its last argument, by this relay's clock.
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

    /// Returns the room time of a shard in milliseconds, once any request was sent there.
    pub(crate) fn now(&self, shard: Shard) -> Option<u64> {
        self.clocks.now(shard)
    }

    /// Returns the time of the relay's own clock.
    pub(crate) fn here(&self) -> Timestamp {
        self.clocks.here()
    }

    /// Records a heartbeat of the relay.
    pub(crate) fn heartbeat(&self) {
        self.clocks.heartbeat();
    }

    /// Records a heartbeat of the janitor, which runs each second.
    pub(crate) fn looks_after_rooms(&self) {
        self.clocks.looks_after_rooms();
    }

    /// Returns whether the relay was not running for a while lately, so that its rooms were not
    /// touched.
    pub(crate) fn has_stood_still(&self) -> bool {
        self.clocks.has_stood_still()
    }

    /// Returns whether the relay has just resumed after a time in which it was not running.
    pub(crate) fn has_just_gone_on(&self) -> bool {
        self.clocks.has_just_gone_on()
    }

    /// Returns whether the server's clock was set lately, so that it may have expired rooms of this
    /// shard.
    pub(crate) async fn has_jumped(&self, shard: Shard) -> Result<bool, Fault> {
        let topology = self.topology();
        let node = topology.owner(shard).ok_or(Fault::NotHere)?;
        self.query_clock(node, shard).await?;
        Ok(self.clocks.has_jumped(shard))
    }

    /// Applies a server's clock reading, and records a step on the server if there was one.
    pub(crate) async fn observe_clock(&self, shard: Shard, asked: RoundTrip, told: ServerTime) {
        let Some(step) = self.clocks.observe(shard, asked, told) else { return };
        let topology = self.topology();
        let Some(node) = topology.owner(shard) else { return };
        let old = step.old.map_or_else(|| "none".to_owned(), |old| old.to_string());
        let new = step.new.to_string();
        // If this fails, the next reading reveals the step again.
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

    /// Runs a script on a server, and loads it first if the server does not know it.
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

/// Whether the servers that own the rooms can be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct StoreHealth {
    /// How many servers own rooms: 1, or the masters of a cluster.
    pub servers: usize,
    /// How many of these can be used, as seen within the last seconds.
    pub reachable: usize,
}

impl StoreHealth {
    /// Returns whether there are rooms that can be used.
    #[must_use]
    pub const fn is_ready(&self) -> bool {
        self.reachable > 0
    }
}

const fn pubsub(topology: &Topology) -> PubSub {
    if topology.is_cluster { PubSub::Sharded } else { PubSub::Plain }
}
