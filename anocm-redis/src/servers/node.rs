//! One server and the connection to it.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use redis::{
    AsyncConnectionConfig, Client, Cmd, ConnectionInfo, ErrorKind, FromRedisValue, RedisError,
    ServerErrorKind, Value,
    aio::{ConnectionLike as _, MultiplexedConnection},
    cmd,
};
use tokio::{sync::watch, time::Instant};

use super::topology::field;
use crate::error::{Fault, at_hello};

/// Length of the queue of commands to be sent.
const WAITING: usize = 1_024;
/// Minimum delay after a failed connection before the next attempt.
const REST: Duration = Duration::from_millis(200);
/// Interval in which an identical warning is logged once.
const COMPLAINS: Duration = Duration::from_secs(60);

/// Clock steps that differ by less, in milliseconds, count as one: several shards noticed the same
/// step, or the clock is adjusted little by little.
const SAME_STEP: u64 = 1_000;

/// The role of a server.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Duty {
    /// Only health checks are sent to it.
    #[default]
    Standby,
    /// A master of a cluster: the other servers report when it no longer is one.
    Slots,
    /// A single server that owns all rooms. Its address may lead to another server later, and only
    /// the server itself reports whether it is the master.
    Alone,
}

/// One server and the command connection to it, which is established on demand.
pub(crate) struct Node {
    info: ConnectionInfo,
    config: AsyncConnectionConfig,
    // Short sections, none across an await.
    link: Mutex<Link>,
    /// Lets one task connect for all.
    connecting: tokio::sync::Mutex<()>,
    /// Changes when all connections have to be replaced because the server is no longer the master.
    demoted: watch::Sender<()>,
}

#[derive(Default)]
struct Link {
    connection: Option<MultiplexedConnection>,
    /// Counts connections.
    number: u64,
    failed: Option<Instant>,
    duty: Duty,
    /// The server cannot be used, and this was logged.
    is_away: bool,
    complained: Option<(String, Instant)>,
    /// The size in milliseconds of the last logged step of its clock, and when it was logged.
    stepped: Option<(i64, Instant)>,
}

impl Node {
    pub(crate) fn new(info: ConnectionInfo, connect: Duration, response: Duration) -> Self {
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(connect))
            .set_response_timeout(Some(response))
            .set_pipeline_buffer_size(WAITING);
        Self {
            info,
            config,
            link: Mutex::default(),
            connecting: tokio::sync::Mutex::default(),
            demoted: watch::Sender::new(()),
        }
    }

    pub(crate) const fn info(&self) -> &ConnectionInfo {
        &self.info
    }

    /// Returns the server's address, for logs.
    pub(crate) fn name(&self) -> String {
        self.info.addr().to_string()
    }

    fn link(&self) -> MutexGuard<'_, Link> {
        self.link.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn set_duty(&self, duty: Duty) {
        self.link().duty = duty;
    }

    /// Opens a separate connection, beside the one for commands.
    pub(crate) async fn connect(
        &self,
        config: &AsyncConnectionConfig,
    ) -> Result<MultiplexedConnection, RedisError> {
        let client = Client::open(self.info.clone())?;
        let connecting = client.get_multiplexed_async_connection_with_config(config);
        let mut connection = connecting.await.map_err(at_hello)?;
        if self.link().duty == Duty::Alone {
            check_master(&mut connection).await?;
        }
        Ok(connection)
    }

    /// Returns a receiver that changes when existing connections have become useless.
    pub(crate) fn demoted(&self) -> watch::Receiver<()> {
        self.demoted.subscribe()
    }

    fn connection(&self) -> Option<(u64, MultiplexedConnection)> {
        let link = self.link();
        link.connection.clone().map(|connection| (link.number, connection))
    }

    async fn connected(&self) -> Result<(u64, MultiplexedConnection), RedisError> {
        if let Some(connected) = self.connection() {
            return Ok(connected);
        }
        let _one = self.connecting.lock().await;
        if let Some(connected) = self.connection() {
            return Ok(connected);
        }
        if self.link().failed.is_some_and(|failed| failed.elapsed() < REST) {
            return Err(std::io::Error::from(std::io::ErrorKind::NotConnected).into());
        }
        let connected = self.connect(&self.config).await;
        if let Err(error) = &connected {
            self.goes_away(&error.to_string());
        }
        let mut link = self.link();
        match connected {
            Ok(connection) => {
                link.connection = Some(connection.clone());
                link.number += 1;
                link.failed = None;
                Ok((link.number, connection))
            }
            Err(error) => {
                link.failed = Some(Instant::now());
                Err(error)
            }
        }
    }

    /// Drops a failed connection. Returns false when that was done before.
    fn drop_connection(&self, number: u64) -> bool {
        let mut link = self.link();
        link.number == number && link.connection.take().is_some()
    }

    /// Sends a command once, without a retry.
    pub(crate) async fn ask(&self, command: &Cmd) -> Result<Value, RedisError> {
        let (number, mut connection) = self.connected().await?;
        // The library returns a server error as a value, not as an error.
        let answer = connection.req_packed_command(command).await.and_then(Value::extract_error);
        if let Err(error) = &answer {
            if error.kind() == ErrorKind::Server(ServerErrorKind::ReadOnly) {
                // The connections of a demoted master stay up, but it rejects writes. The address
                // may lead to another server by now.
                if self.drop_connection(number) {
                    self.goes_away("it has become a replica");
                    self.demoted.send_replace(());
                }
            } else if error.is_io_error() || error.is_unrecoverable_error() {
                // A late response must not be taken for that of another command, and a server that
                // went down has left dead connections behind.
                self.drop_connection(number);
            }
        }
        answer
    }

    /// Like [`ask`](Self::ask), for callers that need no details of an error.
    pub(crate) async fn try_ask(&self, command: &Cmd) -> Result<Value, Fault> {
        let error = match self.ask(command).await {
            Ok(value) => return Ok(value),
            Err(error) => error,
        };
        let fault = Fault::of(&error);
        match fault {
            Fault::Away => self.goes_away(error.code().unwrap_or("it cannot be used")),
            // Only the code is logged: the error text could contain a key.
            Fault::Failed => self.complain(error.code().unwrap_or("no code")),
            _ => {}
        }
        Err(fault)
    }

    /// Logs once that the server cannot be used, until it [`is_back`](Self::is_back).
    pub(crate) fn goes_away(&self, why: &str) {
        let mut link = self.link();
        if link.duty != Duty::Standby && !std::mem::replace(&mut link.is_away, true) {
            drop(link);
            tracing::warn!("{}: the store cannot be used: {why}", self.name());
        }
    }

    /// Records that the server has executed a script, so it can be used again.
    pub(crate) fn is_back(&self) {
        let mut link = self.link();
        if std::mem::take(&mut link.is_away) {
            drop(link);
            tracing::warn!("{}: the store can be used again", self.name());
        }
    }

    /// Returns whether the server can be used, as far as is known.
    pub(crate) fn is_reachable(&self) -> bool {
        !self.link().is_away
    }

    /// Logs that the server's clock was set, or that another server with a different clock has
    /// taken over. Logged once, although every shard notices.
    pub(crate) fn has_stepped(&self, by: i64) {
        let mut link = self.link();
        let is_known = link.stepped.is_some_and(|(known, since)| {
            known.abs_diff(by) < SAME_STEP && since.elapsed() < COMPLAINS
        });
        if !is_known {
            link.stepped = Some((by, Instant::now()));
            drop(link);
            let seconds = Duration::from_millis(by.unsigned_abs()).as_secs_f64();
            let direction = if by < 0 { "back" } else { "forward" };
            tracing::warn!(
                "{}: the clock of the store was set {direction} by {seconds:.3} s: rooms go on by \
                 the relays' clocks",
                self.name()
            );
        }
    }

    /// Logs a refusal of the server, at a limited rate.
    pub(crate) fn complain(&self, what: &str) {
        let mut link = self.link();
        let is_known = link
            .complained
            .as_ref()
            .is_some_and(|(known, since)| known == what && since.elapsed() < COMPLAINS);
        if !is_known {
            link.complained = Some((what.to_owned(), Instant::now()));
            drop(link);
            tracing::warn!("{}: the store refuses what it was asked: {what}", self.name());
        }
    }
}

/// Rejects a server that is a replica.
async fn check_master(connection: &mut MultiplexedConnection) -> Result<(), RedisError> {
    let info = connection.req_packed_command(cmd("INFO").arg("replication")).await?;
    let info = String::from_redis_value(info.extract_error()?)?;
    if field(&info, "role") == Some("slave") {
        let kind = ErrorKind::Server(ServerErrorKind::ReadOnly);
        return Err((kind, "it is a replica, and takes no writes").into());
    }
    Ok(())
}
