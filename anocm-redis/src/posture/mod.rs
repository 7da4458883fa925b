//! Checks that the servers keep everything in memory, at the start and continuously.

mod evaluate;

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    time::Duration,
};

use anocm_core::{
    store::{Health, Level},
    wire::Posture,
};
use futures_util::future::join_all;
use redis::{Cmd, FromRedisValue, Value, cmd};
use tokio::{
    task::JoinHandle,
    time::{sleep, timeout},
};

use self::evaluate::{Evaluation, SETTINGS, ServerFacts, evaluate};
use crate::{
    ConnectError,
    error::Fault,
    servers::{Node, Servers, field},
};

/// Interval of the checks.
const INTERVAL: Duration = Duration::from_secs(2);

/// Timeout for a server's responses, in addition to the connect timeout.
const ANSWERS: Duration = Duration::from_secs(1);
/// The most servers that are checked: each one may name others.
const MOST: usize = 1_024;

/// Monitors the memory-only guarantee of the servers.
pub(crate) struct PostureMonitor {
    // Short sections, none across an await.
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    evaluation: Evaluation,
    /// The number of snapshots of each server at its first check, by run ID.
    snapshots: HashMap<String, u64>,
    /// Servers discovered through others, by address. Kept here so that their connections are
    /// reused.
    named: HashMap<String, Arc<Node>>,
    /// How much memory the servers that own rooms use, of their `maxmemory`.
    memory: Option<Level>,
    /// The monitoring task.
    task: Option<JoinHandle<()>>,
}

/// Why a server may hold a copy of rooms.
#[derive(Clone, Copy, PartialEq, Eq)]
enum KnownAs {
    /// It owns rooms.
    HasRooms,
    /// It has a replication link with another server, in either direction.
    Connected,
    /// It is listed in the cluster; it may be down, or partitioned.
    Listed,
}

/// A server that may hold a copy of rooms.
struct Holder {
    node: Arc<Node>,
    known: KnownAs,
}

/// What a server has reported about itself, and the other servers it has named.
struct ServerReport {
    said: ServerFacts,
    memory: Option<Level>,
    named: Vec<(KnownAs, String, u16)>,
}

impl PostureMonitor {
    /// Checks the servers, and starts a task that checks them until they are dropped.
    pub(crate) async fn spawn(servers: &Arc<Servers>) -> Result<Arc<Self>, ConnectError> {
        let monitor = Arc::new(Self { state: Mutex::default() });
        let evaluation = monitor.check_all(servers).await;
        if !evaluation.broken.is_empty() {
            return Err(ConnectError::Persists(evaluation.broken));
        }
        if !evaluation.unknown.is_empty() && !servers.options().allow_unknown_posture {
            return Err(ConnectError::Unknown(evaluation.unknown));
        }
        monitor.note(evaluation);
        let task = tokio::spawn(watch(Arc::downgrade(&monitor), Arc::downgrade(servers)));
        monitor.lock().task = Some(task);
        Ok(monitor)
    }

    pub(crate) fn posture(&self) -> Posture {
        let state = self.lock();
        match &state.evaluation {
            Evaluation { broken, .. } if !broken.is_empty() => Posture::Broken,
            // The last evaluation is outdated once the task has ended.
            _ if state.task.as_ref().is_some_and(JoinHandle::is_finished) => Posture::Unknown,
            evaluation if !evaluation.is_known() => Posture::Unknown,
            _ => Posture::Kept,
        }
    }

    /// Returns whether all servers that own rooms responded to the last check.
    pub(crate) fn health(&self) -> Health {
        if self.lock().evaluation.is_away { Health::Unreachable } else { Health::Ready }
    }

    /// Returns how much memory the servers that own rooms use in total, as seen within the last
    /// seconds.
    pub(crate) fn memory(&self) -> Option<Level> {
        self.lock().memory
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn note(&self, evaluation: Evaluation) {
        let mut state = self.lock();
        let last = std::mem::replace(&mut state.evaluation, evaluation.clone());
        drop(state);
        let lines = |evaluation: &Evaluation| {
            (evaluation.broken.clone(), evaluation.unknown.clone(), evaluation.silent.clone())
        };
        if lines(&last) == lines(&evaluation) {
            return;
        }
        for line in &evaluation.broken {
            tracing::error!("rooms are read-only: {line}");
        }
        for line in evaluation.unknown.iter().chain(&evaluation.silent) {
            tracing::warn!("{line}");
        }
        if !evaluation.has_lines() {
            tracing::warn!("the servers keep everything in memory again");
        }
    }

    /// Checks every server that may hold a copy: those that own rooms, their replicas, and the
    /// replicas of these. The servers are checked concurrently, so that one that hangs does not
    /// hide the others' results.
    async fn check_all(&self, servers: &Servers) -> Evaluation {
        let topology = servers.topology();
        let masters = topology.masters.iter().map(|node| (KnownAs::HasRooms, node));
        let replicas = topology.replicas.iter().map(|node| (KnownAs::Listed, node));
        let holder =
            |(known, node): (KnownAs, &Arc<Node>)| Holder { node: Arc::clone(node), known };
        let mut round: Vec<_> = masters.chain(replicas).map(holder).collect();
        let mut found: HashSet<String> = round.iter().map(|holder| holder.node.name()).collect();
        let patience = servers.options().connect_timeout + ANSWERS;
        let mut evaluation = Evaluation::default();
        let mut memory = Vec::new();
        while !round.is_empty() {
            let asking = round
                .iter()
                .map(|holder| timeout(patience, self.ask(&holder.node, topology.is_cluster)));
            let answers = join_all(asking).await;
            let mut next = Vec::new();
            for (holder, answer) in round.iter().zip(answers) {
                let name = holder.node.name();
                let told = match answer {
                    Ok(Ok(told)) => told,
                    failed => {
                        evaluation.add(cannot_be_asked(holder, failed.ok().and_then(Result::err)));
                        continue;
                    }
                };
                evaluation.add(evaluate(&name, &told.said));
                if holder.known == KnownAs::HasRooms {
                    memory.push(told.memory);
                }
                for (known, host, port) in told.named {
                    let Some(node) = self.named(servers, &holder.node, host, port) else {
                        continue;
                    };
                    if found.len() < MOST && found.insert(node.name()) {
                        next.push(Holder { node, known });
                    }
                }
            }
            round = next;
        }
        let mut state = self.lock();
        state.named.retain(|name, _| found.contains(name));
        state.memory = together(&memory);
        drop(state);
        evaluation.sort();
        evaluation
    }

    /// Returns the node for a server that another one named.
    fn named(&self, servers: &Servers, by: &Node, host: String, port: u16) -> Option<Arc<Node>> {
        let node = servers.beside(by, host, port)?;
        let mut state = self.lock();
        Some(Arc::clone(state.named.entry(node.name()).or_insert_with(|| Arc::new(node))))
    }

    async fn ask(&self, node: &Node, is_cluster: bool) -> Result<ServerReport, Fault> {
        let info = text(node, cmd("INFO").arg("server")).await?;
        let persistence = text(node, cmd("INFO").arg("persistence")).await?;
        let replication = text(node, cmd("INFO").arg("replication")).await?;
        let memory = text(node, cmd("INFO").arg("memory")).await?;
        let mut named: Vec<_> = replication.lines().filter_map(replica).collect();
        let is_replica = field(&replication, "role") == Some("slave");
        if is_replica {
            named.extend(master(&replication));
        }
        let mut named: Vec<_> =
            named.into_iter().map(|(host, port)| (KnownAs::Connected, host, port)).collect();
        if is_cluster {
            let nodes = text(node, cmd("CLUSTER").arg("NODES")).await?;
            let nodes = nodes.lines().filter_map(member);
            named.extend(nodes.map(|(host, port)| (KnownAs::Listed, host, port)));
        }
        let number = |name| field(&persistence, name).and_then(|number| number.parse().ok());
        let is_on = |name| number(name).unwrap_or(0) > 0;
        let run = field(&info, "run_id").unwrap_or_default().to_owned();
        let said = ServerFacts {
            settings: settings(node).await?,
            has_replicas: field(&replication, "connected_slaves").is_some_and(|count| count != "0"),
            is_replica,
            // A snapshot in progress may be for a replica, over the network. Snapshots to a disk
            // are counted instead.
            writes: is_on("aof_enabled") || is_on("aof_rewrite_in_progress"),
            snapshots: self.new_snapshots(run, number("rdb_saves").unwrap_or(0)),
            modules: modules(node).await?,
        };
        Ok(ServerReport { said, memory: level(&memory), named })
    }

    /// Returns how many snapshots a server has taken since its first check.
    fn new_snapshots(&self, run: String, count: u64) -> u64 {
        let mut state = self.lock();
        let first = *state.snapshots.entry(run).or_insert(count);
        count.saturating_sub(first)
    }
}

/// Returns how much of its `maxmemory` a server uses, from `INFO memory`. `None` without a limit.
fn level(memory: &str) -> Option<Level> {
    let bytes = |name| field(memory, name)?.parse().ok();
    let (used, limit): (u64, u64) = (bytes("used_memory")?, bytes("maxmemory")?);
    // Memory that the server itself does not count, such as replica buffers.
    let used = used.saturating_sub(bytes("mem_not_counted_for_evict").unwrap_or(0));
    (limit > 0).then_some(Level { used, limit })
}

/// Sums all levels. `None` when one of them is unknown or has no limit.
fn together(levels: &[Option<Level>]) -> Option<Level> {
    let add = |all: Level, one: &Option<Level>| {
        let one = (*one)?;
        let used = all.used.saturating_add(one.used);
        Some(Level { used, limit: all.limit.saturating_add(one.limit) })
    };
    let all = levels.iter().try_fold(Level { used: 0, limit: 0 }, add)?;
    (all.limit > 0).then_some(all)
}

/// Evaluates the failure of a server to respond.
fn cannot_be_asked(holder: &Holder, fault: Option<Fault>) -> Evaluation {
    let name = holder.node.name();
    let mut evaluation = Evaluation::default();
    match (holder.known, fault) {
        (KnownAs::HasRooms, None | Some(Fault::Unknown | Fault::Away)) => {
            holder.node.goes_away("it does not answer");
            evaluation.is_away = true;
        }
        (KnownAs::Listed, None | Some(Fault::Unknown | Fault::Away)) => {
            evaluation.silent.push(format!("{name}: a server of the cluster that does not answer"));
        }
        (KnownAs::Connected, None | Some(Fault::Unknown | Fault::Away)) => {
            evaluation.unknown.push(format!("{name}: a replica that does not answer"));
        }
        (_, Some(_)) => {
            evaluation.unknown.push(format!("{name}: it does not answer INFO or CLUSTER NODES"))
        }
    }
    evaluation
}

async fn watch(monitor: Weak<PostureMonitor>, servers: Weak<Servers>) {
    loop {
        sleep(INTERVAL).await;
        let (Some(monitor), Some(servers)) = (monitor.upgrade(), servers.upgrade()) else {
            return;
        };
        // Nothing fails when a server is added, so the topology is refreshed here.
        servers.refresh_topology().await;
        let evaluation = monitor.check_all(&servers).await;
        monitor.note(evaluation);
    }
}

/// Parses a replica in a line of `INFO replication`: `slave0:ip=10.0.0.2,port=6379,state=online,…`.
fn replica(line: &str) -> Option<(String, u16)> {
    let (name, fields) = line.trim().split_once(':')?;
    name.strip_prefix("slave")?.parse::<u32>().ok()?;
    let find = |name| fields.split(',').find_map(|field| field.strip_prefix(name));
    Some((find("ip=")?.to_owned(), find("port=")?.parse().ok()?))
}

/// Parses the master of a replica in `INFO replication`.
fn master(replication: &str) -> Option<(String, u16)> {
    let host = field(replication, "master_host").filter(|host| !host.is_empty())?;
    Some((host.to_owned(), field(replication, "master_port")?.parse().ok()?))
}

/// Parses a server in a line of `CLUSTER NODES`: `ID 10.0.0.2:6379@16379,host master,fail - …`.
fn member(line: &str) -> Option<(String, u16)> {
    let mut words = line.split_whitespace();
    let (_, addr, flags) = (words.next()?, words.next()?, words.next()?);
    // `myself` is being checked already; the others have never been reachable.
    if flags.split(',').any(|flag| matches!(flag, "myself" | "handshake" | "noaddr")) {
        return None;
    }
    let (host, port) = addr.split('@').next()?.rsplit_once(':')?;
    let host = host.trim_matches(['[', ']']);
    (!host.is_empty()).then_some((host.to_owned(), port.parse().ok()?))
}

async fn text(node: &Node, command: &Cmd) -> Result<String, Fault> {
    let answer = node.try_ask(command).await?;
    String::from_redis_value(answer).map_err(|_| Fault::Failed)
}

/// Returns `None` when the server refuses the request.
async fn settings(node: &Node) -> Result<Option<HashMap<String, String>>, Fault> {
    let answer = try_ask(node, cmd("CONFIG").arg("GET").arg(&SETTINGS)).await?;
    Ok(answer.and_then(|answer| HashMap::from_redis_value(answer).ok()))
}

async fn modules(node: &Node) -> Result<Option<Vec<String>>, Fault> {
    let Some(answer) = try_ask(node, cmd("MODULE").arg("LIST")).await? else { return Ok(None) };
    let modules = Vec::<HashMap<String, Value>>::from_redis_value(answer);
    let name =
        |mut module: HashMap<String, Value>| String::from_redis_value(module.remove("name")?).ok();
    Ok(modules.ok().and_then(|modules| modules.into_iter().map(name).collect()))
}

/// Returns the response to a command that a server may refuse.
async fn try_ask(node: &Node, command: &Cmd) -> Result<Option<Value>, Fault> {
    match node.ask(command).await {
        Ok(answer) => Ok(Some(answer)),
        Err(error) => match Fault::of(&error) {
            Fault::Failed => Ok(None),
            fault => Err(fault),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replicas_are_found_in_what_a_server_says() {
        let line = "slave0:ip=10.0.0.2,port=6380,state=online,offset=28,lag=1\r";
        assert_eq!(replica(line), Some(("10.0.0.2".to_owned(), 6_380)));
        for line in ["slaves:ip=1", "role:master", "slave_read_only:1", "slave0:port=1"] {
            assert_eq!(replica(line), None, "{line}");
        }
        let info = "role:slave\r\nmaster_host:10.0.0.1\r\nmaster_port:6379\r\n";
        assert_eq!(master(info), Some(("10.0.0.1".to_owned(), 6_379)));
        assert_eq!(master("role:master\r\n"), None);
    }

    #[test]
    fn memory_is_that_of_all_servers_that_have_rooms() {
        let info = |used, most| {
            format!(
                "# Memory\r\nused_memory:{used}\r\nused_memory_human:1K\r\nmaxmemory:{most}\r\n"
            )
        };
        let (one, other) = (level(&info(500, 1_000)), level(&info(1_000, 10_000)));
        assert_eq!(one, Some(Level { used: 500, limit: 1_000 }));
        assert_eq!(together(&[one, other]), Some(Level { used: 1_500, limit: 11_000 }));
        assert_eq!(level(&info(500, 0)), None);
        let counted = info(500, 1_000) + "mem_not_counted_for_evict:100\r\n";
        assert_eq!(level(&counted), Some(Level { used: 400, limit: 1_000 }));
        assert_eq!((together(&[one, None]), together(&[])), (None, None));
    }

    #[test]
    fn servers_of_a_cluster_are_found_whatever_state_they_are_in() {
        let there = |line| member(line).map(|(host, port)| format!("{host} {port}"));
        let line = "07c3 127.0.0.1:30004@31004,name slave,fail e7d1 0 1426238317239 4 connected";
        assert_eq!(there(line).as_deref(), Some("127.0.0.1 30004"));
        let line = "07c3 [::1]:30004@31004 master - 0 1426238317239 4 connected 0-5460";
        assert_eq!(there(line).as_deref(), Some("::1 30004"));
        for line in ["", "07c3 :0@0 slave,noaddr - 0 0 0 disconnected", "1 h:1@2 myself,master -"] {
            assert_eq!(there(line), None, "{line}");
        }
    }
}
