//! Whether the servers keep everything in memory: asked at the start, and all the time.

mod judge;

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError, Weak},
    time::Duration,
};

use anocm_core::wire::Posture;
use redis::{Cmd, FromRedisValue, Value, cmd};
use tokio::time::sleep;

use self::judge::{SETTINGS, Said, Verdict, judge};
use crate::{
    ConnectError,
    error::Fault,
    servers::{Node, Servers, field},
};

/// How often the servers are asked.
const INTERVAL: Duration = Duration::from_secs(2);

/// Looks after the servers' promise.
pub(crate) struct Watchman {
    // Short sections, none across an await.
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    verdict: Verdict,
    /// Snapshots of each server when it was looked at first, by the name of its run.
    snapshots: HashMap<String, u64>,
}

impl Watchman {
    /// Looks, and goes on looking until the servers are no more needed.
    pub(crate) async fn hire(servers: &Arc<Servers>) -> Result<Arc<Self>, ConnectError> {
        let watchman = Arc::new(Self { state: Mutex::default() });
        let verdict = watchman.look(servers).await;
        if !verdict.broken.is_empty() {
            return Err(ConnectError::Persists(verdict.broken));
        }
        if !verdict.unknown.is_empty() && !servers.options().allow_unknown_posture {
            return Err(ConnectError::Unknown(verdict.unknown));
        }
        watchman.note(verdict);
        tokio::spawn(watch(Arc::downgrade(&watchman), Arc::downgrade(servers)));
        Ok(watchman)
    }

    pub(crate) fn posture(&self) -> Posture {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        match &state.verdict {
            Verdict { broken, .. } if !broken.is_empty() => Posture::Broken,
            Verdict { unknown, .. } if !unknown.is_empty() => Posture::Unknown,
            _ => Posture::Kept,
        }
    }

    fn note(&self, verdict: Verdict) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.verdict == verdict {
            return;
        }
        for line in &verdict.broken {
            tracing::error!("rooms are read-only: {line}");
        }
        for line in &verdict.unknown {
            tracing::warn!("{line}");
        }
        if verdict == Verdict::default() {
            tracing::warn!("the servers keep everything in memory again");
        }
        state.verdict = verdict;
    }

    /// Asks every server. One that does not answer does not keep anything either, and its rooms
    /// cannot be used.
    async fn look(&self, servers: &Servers) -> Verdict {
        let topology = servers.topology();
        let mut verdict = Verdict::default();
        for node in topology.nodes() {
            let mut replicas = Vec::new();
            let name = node.info().addr().to_string();
            match self.ask(node, &mut replicas).await {
                Ok(said) => verdict.add(judge(&name, &said)),
                Err(Fault::Unknown) => {}
                Err(_) => verdict.unknown.push(format!("{name}: it does not answer INFO")),
            }
            if topology.is_cluster {
                continue;
            }
            for (host, port) in replicas {
                let name = format!("{host}:{port}");
                match self.ask(&servers.beside(node, host, port), &mut Vec::new()).await {
                    Ok(said) => verdict.add(judge(&name, &said)),
                    Err(_) => {
                        verdict.unknown.push(format!("{name}: a replica that does not answer"))
                    }
                }
            }
        }
        verdict
    }

    async fn ask(&self, node: &Node, replicas: &mut Vec<(String, u16)>) -> Result<Said, Fault> {
        let info = text(node, cmd("INFO").arg("server")).await?;
        let persistence = text(node, cmd("INFO").arg("persistence")).await?;
        let replication = text(node, cmd("INFO").arg("replication")).await?;
        replicas.extend(replication.lines().filter_map(replica));
        let number = |name| field(&persistence, name).and_then(|number| number.parse().ok());
        let is_on = |name| number(name).unwrap_or(0) > 0;
        let run = field(&info, "run_id").unwrap_or_default().to_owned();
        Ok(Said {
            settings: settings(node).await?,
            has_replicas: field(&replication, "connected_slaves").is_some_and(|count| count != "0"),
            is_replica: field(&replication, "role") == Some("slave"),
            // A snapshot under way may be for a replica, over the network: those for a disk are
            // counted.
            writes: is_on("aof_enabled") || is_on("aof_rewrite_in_progress"),
            snapshots: self.new_snapshots(run, number("rdb_saves").unwrap_or(0)),
            modules: modules(node).await?,
        })
    }

    /// How many snapshots a server has taken since it was looked at first.
    fn new_snapshots(&self, run: String, count: u64) -> u64 {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let first = *state.snapshots.entry(run).or_insert(count);
        count.saturating_sub(first)
    }
}

async fn watch(watchman: Weak<Watchman>, servers: Weak<Servers>) {
    loop {
        sleep(INTERVAL).await;
        let (Some(watchman), Some(servers)) = (watchman.upgrade(), servers.upgrade()) else {
            return;
        };
        let verdict = watchman.look(&servers).await;
        watchman.note(verdict);
    }
}

/// A replica in a line of `INFO replication`: `slave0:ip=10.0.0.2,port=6379,state=online,…`.
fn replica(line: &str) -> Option<(String, u16)> {
    let (name, fields) = line.trim().split_once(':')?;
    name.strip_prefix("slave")?.parse::<u32>().ok()?;
    let find = |name| fields.split(',').find_map(|field| field.strip_prefix(name));
    Some((find("ip=")?.to_owned(), find("port=")?.parse().ok()?))
}

async fn text(node: &Node, command: &Cmd) -> Result<String, Fault> {
    let answer = node.try_ask(command).await?;
    String::from_redis_value(answer).map_err(|_| Fault::Failed)
}

/// `None` when the server refuses to tell.
async fn settings(node: &Node) -> Result<Option<HashMap<String, String>>, Fault> {
    let answer = told(node, cmd("CONFIG").arg("GET").arg(&SETTINGS)).await?;
    Ok(answer.and_then(|answer| HashMap::from_redis_value(answer).ok()))
}

async fn modules(node: &Node) -> Result<Option<Vec<String>>, Fault> {
    let Some(answer) = told(node, cmd("MODULE").arg("LIST")).await? else { return Ok(None) };
    let modules = Vec::<HashMap<String, Value>>::from_redis_value(answer);
    let name =
        |mut module: HashMap<String, Value>| String::from_redis_value(module.remove("name")?).ok();
    Ok(modules.ok().and_then(|modules| modules.into_iter().map(name).collect()))
}

/// The answer to a question that a server may refuse.
async fn told(node: &Node, command: &Cmd) -> Result<Option<Value>, Fault> {
    match node.ask(command).await {
        Ok(answer) => Ok(Some(answer)),
        Err(error) if error.is_io_error() => Err(error.into()),
        Err(_) => Ok(None),
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
    }
}
