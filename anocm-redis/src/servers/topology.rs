//! Discovery of the servers, and of which server owns which rooms.

use std::{collections::HashMap, sync::Arc, time::Duration};

use crc16::{State, XMODEM};
use redis::{Cmd, ConnectionAddr, ConnectionInfo, FromRedisValue, Value, cmd};

use tokio::time::timeout;

use super::node::{Duty, Node};
use crate::{
    ConnectError, RedisOptions,
    keys::{SHARDS, Shard},
};

/// The oldest version that supports everything the scripts use.
const OLDEST: u32 = 7;

/// Timeout for a server's responses, in addition to the connect timeout.
const ANSWERS: Duration = Duration::from_secs(1);

/// The known servers and their shards.
pub(crate) struct Topology {
    /// Whether it is a cluster.
    pub(crate) is_cluster: bool,
    /// Whether the queried server belongs to the majority of the cluster, which can operate.
    is_well: bool,
    pub(crate) masters: Vec<Arc<Node>>,
    /// The replicas of a cluster. Those of a single server are not listed here.
    pub(crate) replicas: Vec<Arc<Node>>,
    /// By shard: the index of its master, if it has one.
    owners: Vec<Option<usize>>,
}

impl Topology {
    pub(crate) fn owner(&self, shard: Shard) -> Option<&Arc<Node>> {
        let owner = self.owners.get(shard.index()).copied().flatten()?;
        self.masters.get(owner)
    }

    /// Returns one of the shards that a master owns.
    pub(crate) fn some_shard(&self, node: &Arc<Node>) -> Option<Shard> {
        Shard::all().find(|shard| self.owner(*shard).is_some_and(|owner| Arc::ptr_eq(owner, node)))
    }

    pub(crate) fn has(&self, node: &Arc<Node>) -> bool {
        self.masters.iter().any(|known| Arc::ptr_eq(known, node))
    }

    pub(crate) fn nodes(&self) -> impl Iterator<Item = &Arc<Node>> {
        self.masters.iter().chain(&self.replicas)
    }

    /// Queries one server after another until one responds. Known servers keep their connections.
    pub(crate) async fn discover(
        options: &RedisOptions,
        known: Option<&Self>,
    ) -> Result<Self, ConnectError> {
        let mut all = Known::new(options, known);
        let seeds: Vec<_> =
            options.servers.iter().map(|server| all.node(server, server.addr().clone())).collect();
        let others = known.into_iter().flat_map(Self::nodes).map(|node| (Arc::clone(node), None));
        // Known servers first.
        let seeds = others.chain(seeds.into_iter().zip(options.servers.iter().map(Some)));
        let mut found = Err(ConnectError::Unreachable("none was asked".to_owned()));
        for (node, server) in seeds {
            let server = server.or(options.servers.first()).ok_or(ConnectError::Url)?;
            match all.ask(&node, server).await {
                Ok(topology) if topology.is_well => return Ok(topology.with_duties()),
                // It may be partitioned from the others, and not know of their decisions.
                Ok(topology) => found = Ok(topology),
                Err(error) if found.is_err() => found = Err(error),
                Err(_) => {}
            }
        }
        found.map(Self::with_duties)
    }

    /// Assigns every node its role.
    fn with_duties(self) -> Self {
        let duty = if self.is_cluster { Duty::Slots } else { Duty::Alone };
        self.masters.iter().for_each(|node| node.set_duty(duty));
        self.replicas.iter().for_each(|node| node.set_duty(Duty::Standby));
        self
    }
}

/// Known servers by address.
struct Known<'a> {
    options: &'a RedisOptions,
    nodes: HashMap<String, Arc<Node>>,
}

impl<'a> Known<'a> {
    fn new(options: &'a RedisOptions, known: Option<&Topology>) -> Self {
        let nodes = known.into_iter().flat_map(Topology::nodes);
        let nodes = nodes.map(|node| (node.info().addr().to_string(), Arc::clone(node))).collect();
        Self { options, nodes }
    }

    fn node(&mut self, server: &ConnectionInfo, addr: ConnectionAddr) -> Arc<Node> {
        let options = self.options;
        let node = self.nodes.entry(addr.to_string()).or_insert_with(|| {
            let info = options.reach(server, addr);
            Arc::new(Node::new(info, options.connect_timeout, options.response_timeout))
        });
        Arc::clone(node)
    }

    /// Queries a server for the topology.
    async fn ask(
        &mut self,
        node: &Arc<Node>,
        server: &ConnectionInfo,
    ) -> Result<Topology, ConnectError> {
        let info = self.query(node, cmd("INFO").arg("server")).await?;
        let info = String::from_redis_value(info).unwrap_or_default();
        let version = field(&info, "redis_version").unwrap_or_default();
        let major = version.split('.').next().and_then(|major| major.parse().ok());
        if major.unwrap_or(0) < OLDEST {
            let why = format!("version {version}, and {OLDEST} is needed");
            return Err(ConnectError::Unsuitable(why));
        }
        match mode(&info) {
            Some("cluster") => self.cluster(node, server).await,
            Some("sentinel") => {
                Err(ConnectError::Unsuitable("a sentinel keeps no rooms".to_owned()))
            }
            Some(_) => self.single(node).await,
            None => Err(ConnectError::Unsuitable("it does not say what it is".to_owned())),
        }
    }

    async fn single(&mut self, node: &Arc<Node>) -> Result<Topology, ConnectError> {
        let info = self.query(node, cmd("INFO").arg("replication")).await?;
        let info = String::from_redis_value(info).unwrap_or_default();
        if field(&info, "role") == Some("slave") {
            let why = "it is a replica, and takes no writes";
            return Err(ConnectError::Unreachable(why.to_owned()));
        }
        Ok(Topology {
            is_cluster: false,
            is_well: true,
            masters: vec![Arc::clone(node)],
            replicas: Vec::new(),
            owners: vec![Some(0); SHARDS],
        })
    }

    /// Sends a command with a short timeout, so that a server that hangs does not delay queries of
    /// the others, which may know more.
    async fn query(&self, node: &Node, command: &Cmd) -> Result<Value, ConnectError> {
        let patience = self.options.connect_timeout + ANSWERS;
        let Ok(said) = timeout(patience, node.ask(command)).await else {
            return Err(ConnectError::Unreachable("it does not answer in time".to_owned()));
        };
        Ok(said?)
    }

    async fn cluster(
        &mut self,
        node: &Arc<Node>,
        server: &ConnectionInfo,
    ) -> Result<Topology, ConnectError> {
        let info = self.query(node, cmd("CLUSTER").arg("INFO")).await?;
        let info = String::from_redis_value(info).unwrap_or_default();
        let slots = self.query(node, cmd("CLUSTER").arg("SLOTS")).await?;
        let nonsense = || ConnectError::Unsuitable("CLUSTER SLOTS makes no sense".to_owned());
        let ranges = ranges(slots).ok_or_else(nonsense)?;
        let mut topology = Topology {
            is_cluster: true,
            is_well: field(&info, "cluster_state") == Some("ok"),
            masters: Vec::new(),
            replicas: Vec::new(),
            owners: vec![None; SHARDS],
        };
        for Range { slots, nodes } in ranges {
            let mut nodes = nodes.into_iter().filter_map(|(host, port)| {
                let addr = beside(node.info().addr(), host, port)?;
                Some(self.node(server, addr))
            });
            let master = nodes.next().ok_or_else(nonsense)?;
            let place = place(&mut topology.masters, &master);
            for replica in nodes {
                self::place(&mut topology.replicas, &replica);
            }
            for shard in Shard::all().filter(|shard| slots.contains(&slot(*shard))) {
                if let Some(owner) = topology.owners.get_mut(shard.index()) {
                    *owner = Some(place);
                }
            }
        }
        Ok(topology)
    }
}

/// Returns the index of a node in a list, appending it if it is missing.
fn place(nodes: &mut Vec<Arc<Node>>, node: &Arc<Node>) -> usize {
    nodes.iter().position(|known| Arc::ptr_eq(known, node)).unwrap_or_else(|| {
        nodes.push(Arc::clone(node));
        nodes.len() - 1
    })
}

/// Returns the value of a line of `INFO`.
pub(crate) fn field<'a>(info: &'a str, name: &str) -> Option<&'a str> {
    info.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).map(str::trim)
}

/// Returns the mode of a server, such as `cluster`: Valkey uses another field name than Redis.
fn mode(info: &str) -> Option<&str> {
    field(info, "redis_mode").or_else(|| field(info, "server_mode"))
}

/// Returns the hash slot of a shard's keys.
fn slot(shard: Shard) -> u16 {
    let key = shard.key();
    let tag = key.split(['{', '}']).nth(1).unwrap_or(&key);
    State::<XMODEM>::calculate(tag.as_bytes()) % 16_384
}

/// A range of slots and its nodes, the master first. No host means that of the server that
/// responded.
struct Range {
    slots: std::ops::RangeInclusive<u16>,
    nodes: Vec<(Option<String>, u16)>,
}

fn ranges(slots: Value) -> Option<Vec<Range>> {
    let Value::Array(ranges) = slots else { return None };
    ranges
        .into_iter()
        .map(|range| {
            let Value::Array(parts) = range else { return None };
            let mut parts = parts.into_iter();
            let first = u16::from_redis_value(parts.next()?).ok()?;
            let last = u16::from_redis_value(parts.next()?).ok()?;
            let nodes: Option<Vec<_>> = parts
                .map(|node| {
                    let Value::Array(node) = node else { return None };
                    let mut node = node.into_iter();
                    let host = String::from_redis_value(node.next()?).ok();
                    let port = u16::from_redis_value(node.next()?).ok()?;
                    Some((host.filter(|host| !host.is_empty() && host != "?"), port))
                })
                .collect();
            Some(Range { slots: first..=last, nodes: nodes? })
        })
        .collect()
}

/// Returns the address of a node that another one named.
pub(super) fn beside(
    addr: &ConnectionAddr,
    host: Option<String>,
    port: u16,
) -> Option<ConnectionAddr> {
    match addr {
        ConnectionAddr::Tcp(known, _) => {
            Some(ConnectionAddr::Tcp(host.unwrap_or_else(|| known.clone()), port))
        }
        ConnectionAddr::TcpTls { host: known, insecure, tls_params, .. } => {
            Some(ConnectionAddr::TcpTls {
                host: host.unwrap_or_else(|| known.clone()),
                port,
                insecure: *insecure,
                tls_params: tls_params.clone(),
            })
        }
        _ => host.map(|host| ConnectionAddr::Tcp(host, port)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_are_those_of_the_cluster() {
        // Values returned by CLUSTER KEYSLOT.
        let slot_of = |n| slot(Shard::all().nth(n).unwrap());
        assert_eq!([0x00, 0x2a, 0xff].map(slot_of), [13_254, 8_048, 11_756]);
    }

    #[test]
    fn a_cluster_is_known_by_either_word() {
        assert_eq!(mode("redis_version:7.0.15\r\nredis_mode:cluster\r\n"), Some("cluster"));
        assert_eq!(mode("valkey_version:8.1.1\r\nserver_mode:cluster\r\n"), Some("cluster"));
        assert_eq!(mode("redis_version:7.0.15\r\n"), None);
    }

    #[test]
    fn what_a_cluster_says_is_read() {
        let text = |text: &str| Value::BulkString(text.into());
        let node = |host, port| Value::Array(vec![host, Value::Int(port), text("id")]);
        let range = Value::Array(vec![
            Value::Int(0),
            Value::Int(5_460),
            node(text("10.0.0.1"), 6_379),
            node(text(""), 6_380),
        ]);
        let read = ranges(Value::Array(vec![range])).unwrap();
        assert_eq!(read[0].slots, 0..=5_460);
        assert_eq!(read[0].nodes, [(Some("10.0.0.1".to_owned()), 6_379), (None, 6_380)]);
        assert!(ranges(Value::Array(vec![Value::Int(3)])).is_none());
    }
}
