//! One server and the connection to it.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use redis::{
    AsyncConnectionConfig, Client, Cmd, ConnectionInfo, ErrorKind, RedisError, ServerErrorKind,
    Value,
    aio::{ConnectionLike as _, MultiplexedConnection},
};
use tokio::time::Instant;

use crate::error::Fault;

/// Commands that wait for their way out.
const WAITING: usize = 1_024;
/// So long after a failure no new connection is tried.
const REST: Duration = Duration::from_millis(200);

/// One server and the connection for commands to it, which is made when it is needed.
pub(crate) struct Node {
    info: ConnectionInfo,
    config: AsyncConnectionConfig,
    // Short sections, none across an await.
    link: Mutex<Link>,
    /// One connects for all.
    connecting: tokio::sync::Mutex<()>,
}

#[derive(Default)]
struct Link {
    connection: Option<MultiplexedConnection>,
    /// Counts connections.
    number: u64,
    failed: Option<Instant>,
}

impl Node {
    pub(crate) fn new(info: ConnectionInfo, connect: Duration, response: Duration) -> Self {
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(connect))
            .set_response_timeout(Some(response))
            .set_pipeline_buffer_size(WAITING);
        Self { info, config, link: Mutex::default(), connecting: tokio::sync::Mutex::default() }
    }

    pub(crate) const fn info(&self) -> &ConnectionInfo {
        &self.info
    }

    /// A connection of its own, beside that for commands.
    pub(crate) async fn connect(
        &self,
        config: &AsyncConnectionConfig,
    ) -> Result<MultiplexedConnection, RedisError> {
        let client = Client::open(self.info.clone())?;
        client.get_multiplexed_async_connection_with_config(config).await
    }

    fn link(&self) -> MutexGuard<'_, Link> {
        self.link.lock().unwrap_or_else(PoisonError::into_inner)
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

    /// Forgets a connection that is of no use any more.
    fn drop_connection(&self, number: u64) {
        let mut link = self.link();
        if link.number == number {
            link.connection = None;
        }
    }

    /// Asks the server something, once.
    pub(crate) async fn ask(&self, command: &Cmd) -> Result<Value, RedisError> {
        let (number, mut connection) = self.connected().await?;
        let answer = connection.req_packed_command(command).await;
        match answer {
            Ok(Value::ServerError(error)) => Err(error.into()),
            Ok(value) => Ok(value),
            Err(error) => {
                // Whoever waited in vain for an answer must not get it as that to another question,
                // and a server that went away has left its connections behind.
                let is_no_master = error.kind() == ErrorKind::Server(ServerErrorKind::ReadOnly);
                if error.is_io_error() || error.is_unrecoverable_error() || is_no_master {
                    self.drop_connection(number);
                }
                Err(error)
            }
        }
    }

    /// The same, for whoever needs no details.
    pub(crate) async fn try_ask(&self, command: &Cmd) -> Result<Value, Fault> {
        Ok(self.ask(command).await?)
    }
}
