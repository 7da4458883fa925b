//! The process of the abusers: this program started again, at the lowest priority.

use std::{
    io::{self, Read, Write},
    process::Stdio,
};

use anocm_core::format_duration;
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::{Child, ChildStdin, ChildStdout, Command},
    task::spawn_blocking,
};

use super::{
    adversary::{Adversary, Report},
    args::{Abuse, Abuser, Kind},
    flood, full, half_open, hoard, idle, joiners, long_frames, never_reads, rooms,
};
use crate::{failure::Failure, process::Process, server::Relay};

/// Why no report came from the abusers.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AbuserError {
    #[error("the abusers cannot be started: {0}")]
    Start(#[source] io::Error),
    #[error("the abusers ended without a report")]
    Mute,
}

/// The running process of the abusers. It is killed when this is dropped.
pub(super) struct AtWork {
    child: Child,
    /// The abusers stay connected for as long as this is open.
    stay: Option<ChildStdin>,
    report: BufReader<ChildStdout>,
}

impl AtWork {
    pub(super) fn start(
        args: &Abuse,
        kind: Kind,
        abusers: u32,
        relay: &Relay,
        server: Process,
    ) -> Result<Self, AbuserError> {
        let this = std::env::current_exe().map_err(AbuserError::Start)?;
        let mut command = Command::new(this);
        command
            .arg("abuser")
            .arg(kind.name())
            .arg(format!("--relay={}", relay.url))
            .arg(format!("--pid={}", server.pid()))
            .arg(format!("--abusers={abusers}"))
            .arg(format!("--for={}", format_duration(args.span)));
        if args.stay {
            command.arg("--stay");
        }
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true);
        let mut child = command.spawn().map_err(AbuserError::Start)?;
        let report = BufReader::new(child.stdout.take().ok_or(AbuserError::Mute)?);
        let stay = child.stdin.take();
        Ok(Self { child, stay, report })
    }

    /// Waits for the report of the abusers.
    pub(super) async fn report(&mut self) -> Result<Report, AbuserError> {
        let mut line = String::new();
        self.report.read_line(&mut line).await.map_err(|_| AbuserError::Mute)?;
        serde_json::from_str(&line).map_err(|_| AbuserError::Mute)
    }

    /// Makes all abusers leave at once.
    pub(super) async fn leave(&mut self) -> Result<(), AbuserError> {
        drop(self.stay.take());
        self.child.wait().await.map(drop).map_err(|_| AbuserError::Mute)
    }
}

/// Lowers the priority of this process, and of all threads started from then on, below all others.
pub(crate) fn give_way() {
    // If that fails, the abusers' own processor use affects part of what is measured.
    #[cfg(unix)]
    let _ = rustix::process::nice(19);
}

/// Abuses a relay in one way, and reports the result to the parent process. Stays connected until
/// the parent closes standard input.
pub(crate) async fn run(args: &Abuser) -> Result<(), Failure> {
    let adversary = Adversary::new(args)?;
    let mut staying = Vec::new();
    match args.kind {
        Kind::Flood => flood::run(&adversary).await?,
        Kind::NeverReads => never_reads::run(&adversary).await?,
        Kind::Rooms => rooms::run(&adversary).await?,
        Kind::Joiners => joiners::run(&adversary).await?,
        Kind::Idle => staying = idle::run(&adversary).await?,
        Kind::HalfOpen => half_open::run(&adversary).await?,
        Kind::LongFrames => long_frames::run(&adversary).await?,
        Kind::Full => full::run(&adversary).await?,
        Kind::Hoard => hoard::run(&adversary).await?,
    }
    let mut line = serde_json::to_vec(&adversary.into_report()).map_err(|_| AbuserError::Mute)?;
    line.push(b'\n');
    io::stdout().write_all(&line)?;
    // No message is sent: the parent closes standard input.
    let told = spawn_blocking(|| io::stdin().read_to_end(&mut Vec::new()));
    told.await.map_err(|_| AbuserError::Mute)??;
    drop(staying);
    Ok(())
}
