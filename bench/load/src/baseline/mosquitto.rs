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

use super::BaselineError;
use crate::server::{Running, ServerError};

const PROGRAM: &str = "mosquitto";
/// Timeout for starting.
const START: Duration = Duration::from_secs(10);
/// Interval between connection attempts until then.
const KNOCK: Duration = Duration::from_millis(20);

/// Starts mosquitto. The folder has its configuration and is deleted when dropped.
pub(super) async fn start() -> Result<(Running, TempDir, u16), BaselineError> {
    let (port, nobody) = free_ports().await.map_err(BaselineError::Files)?;
    let folder = TempDir::new().map_err(BaselineError::Files)?;
    let file = write(&folder, port, nobody).map_err(BaselineError::Files)?;
    // Debian installs it outside the default search path of ordinary users.
    let path = std::env::var("PATH").unwrap_or_default() + ":/usr/sbin:/usr/local/sbin";
    let mut command = Command::new(PROGRAM);
    command.arg("-c").arg(file.path()).env("PATH", path);
    command.stdout(Stdio::null()).stderr(Stdio::null());
    let running = Running::start_mute(Path::new(PROGRAM), &mut command);
    let running = running.map_err(|error| match error {
        ServerError::Missing(_) => BaselineError::NoMosquitto,
        other => BaselineError::Server(other),
    })?;
    let give_up = Instant::now() + START;
    while TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await.is_err() {
        if Instant::now() > give_up {
            return Err(BaselineError::NoStart);
        }
        sleep(KNOCK).await;
    }
    Ok((running, folder, port))
}

/// Writes a configuration that keeps and logs nothing, and sets no limits. The second listener is
/// unused: with WebSocket listeners only, mosquitto 2.0 exits at once.
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

/// Returns ports that were free a moment ago: mosquitto cannot choose one itself.
async fn free_ports() -> io::Result<(u16, u16)> {
    let one = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let other = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    Ok((one.local_addr()?.port(), other.local_addr()?.port()))
}
