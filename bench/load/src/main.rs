//! Measures a relay for anocm rooms.
//!
//! ```text
//! args ── fanout ── measure ── guest     connections that only count
//!            │         ├────── process   the server's resource usage
//!         server       └────── latency, report
//! abuse ── abuser                       the same connections, used for abuse
//! ```

#![forbid(unsafe_code)]

mod abuse;
mod args;
mod baseline;
mod failure;
mod fanout;
mod faults;
mod files;
mod guest;
mod idle;
mod join;
mod latency;
mod measure;
mod member;
mod process;
mod report;
mod server;
mod soak;
mod store;
mod talk;
mod units;

use std::{
    io::{self, Write},
    process::ExitCode,
};

use abuse::abuser::give_way;
use args::{Cli, Task};
use clap::Parser;
use failure::Failure;
use report::Printer;
use tokio::runtime::{Builder, Runtime};

fn main() -> ExitCode {
    let cli = Cli::parse();
    let outcome = runtime(&cli.task).and_then(|runtime| runtime.block_on(until_told(&cli)));
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            let _ = writeln!(io::stderr(), "anocm-load: {failure}");
            ExitCode::FAILURE
        }
    }
}

fn runtime(task: &Task) -> Result<Runtime, Failure> {
    let mut builder = Builder::new_multi_thread();
    // Guests without cryptography leave the other processors to the server.
    match task {
        Task::Fanout(fanout) => {
            builder.worker_threads(usize::try_from(fanout.threads).unwrap_or(1));
        }
        Task::Baseline(_) | Task::Store(_) | Task::Idle(_) | Task::Abuse(_) => {
            builder.worker_threads(1);
        }
        // Before any thread is started.
        Task::Abuser(_) => give_way(),
        Task::Join(_) | Task::Talk(_) | Task::Soak(_) | Task::ServeLoop => {}
    }
    builder.enable_all().build().map_err(Failure::Start)
}

/// Runs the task, but at most until a signal ends the program: dropping it ends the children too.
async fn until_told(cli: &Cli) -> Result<(), Failure> {
    tokio::select! {
        outcome = run(cli) => outcome,
        told = told_to_end() => {
            told.map_err(Failure::Start)?;
            Err(Failure::Signal)
        }
    }
}

#[cfg(unix)]
async fn told_to_end() -> io::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::select! {
        told = tokio::signal::ctrl_c() => told,
        _ = terminate.recv() => Ok(()),
    }
}

#[cfg(not(unix))]
async fn told_to_end() -> io::Result<()> {
    tokio::signal::ctrl_c().await
}

async fn run(cli: &Cli) -> Result<(), Failure> {
    let mut printer = Printer::new(cli.json);
    match &cli.task {
        Task::Fanout(args) => fanout::run(args, &printer).await,
        Task::Baseline(args) => baseline::run(args, &mut printer).await,
        Task::Store(args) => store::run(args, &mut printer).await,
        Task::Idle(args) => idle::run(args, &printer).await,
        Task::Join(args) => join::run(args, &printer).await,
        Task::Talk(args) => talk::run(args, &printer).await,
        Task::Soak(args) => soak::run(args, &mut printer).await,
        Task::Abuse(args) => abuse::run(args, &printer).await,
        Task::Abuser(args) => abuse::abuser::run(args).await,
        Task::ServeLoop => baseline::looped::serve().await.map_err(Failure::Start),
    }
}
