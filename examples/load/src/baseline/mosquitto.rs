//! Debian's mosquitto with a WebSocket listener.

use std::{
    io::{self, Write},
    net::Ipv4Addr,
    path::Path,
    process::Stdio,
    time::Duration,
};

use tempfile::TempDir;
use tokio::{
    net::{TcpListener, TcpStream},
    process::Command,
    time::{Instant, sleep},
};

use super::RivalError;
use crate::server::{Running, ServerError};

const PROGRAM: &str = "mosquitto";
/// How long it may take to start.
const START: Duration = Duration::from_secs(10);
/// How often it is knocked at until then.
const KNOCK: Duration = Duration::from_millis(20);

/// Starts it; the folder has its configuration and goes with it.
pub(super) async fn start() -> Result<(Running, TempDir, u16), RivalError> {
    let (port, nobody) = free_ports().await.map_err(RivalError::Files)?;
    let folder = TempDir::new().map_err(RivalError::Files)?;
    let file = write(&folder, port, nobody).map_err(RivalError::Files)?;
    // Installed for the system, and there often beyond the search path of users.
    let path = std::env::var("PATH").unwrap_or_default() + ":/usr/sbin:/usr/local/sbin";
    let mut command = Command::new(PROGRAM);
    command.arg("-c").arg(file.path()).env("PATH", path);
    command.stdout(Stdio::null()).stderr(Stdio::null());
    let running = Running::start_mute(Path::new(PROGRAM), &mut command);
    let running = running.map_err(|error| match error {
        ServerError::Missing(_) => RivalError::NoMosquitto,
        other => RivalError::Server(other),
    })?;
    let give_up = Instant::now() + START;
    while TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await.is_err() {
        if Instant::now() > give_up {
            return Err(RivalError::NoStart);
        }
        sleep(KNOCK).await;
    }
    Ok((running, folder, port))
}

/// Nothing is kept or logged, and no limit of its own is in the way. The second listener is for
/// nobody: with none but WebSockets, mosquitto 2.0 ends at once.
fn write(folder: &TempDir, port: u16, nobody: u16) -> io::Result<tempfile::NamedTempFile> {
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    write!(
        file,
        "listener {port} 127.0.0.1\nprotocol websockets\nlistener {nobody} 127.0.0.1\n\
         allow_anonymous true\npersistence false\nlog_type none\nset_tcp_nodelay true\n\
         max_queued_messages 0\n"
    )?;
    file.flush()?;
    Ok(file)
}

/// Ports that were free a moment ago: mosquitto cannot be told to choose.
async fn free_ports() -> io::Result<(u16, u16)> {
    let one = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let other = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    Ok((one.local_addr()?.port(), other.local_addr()?.port()))
}
