//! `anocm-server`, which cargo builds beside `anocm`.

use std::{
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    sync::OnceLock,
};

#[cfg(target_os = "linux")]
use anocm_guard::testing::Trace;

use super::output::Output;

/// A running relay. Ended with the test that started it.
pub(crate) struct Server {
    child: Child,
    output: Output,
    /// Where guests reach it.
    pub(crate) url: String,
}

impl Server {
    /// A relay on a port of its own.
    pub(crate) fn start(words: &[&str]) -> Self {
        Self::start_at("127.0.0.1:0", words)
    }

    /// A relay that listens here.
    pub(crate) fn start_at(address: &str, words: &[&str]) -> Self {
        Self::run(Command::new(program()).args(["--listen", address]).args(words))
    }

    /// The same on a port of its own, with its system calls watched.
    #[cfg(target_os = "linux")]
    pub(crate) fn start_watched(words: &[&str], trace: &Trace) -> Self {
        let (watcher, before) = trace.watcher();
        let mut command = Command::new(watcher);
        command.args(before).arg(program()).args(["--listen", "127.0.0.1:0"]);
        Self::run(command.args(words))
    }

    fn run(command: &mut Command) -> Self {
        let mut child = command
            .env_clear()
            // What the program does not let through must not depend on this.
            .env("RUST_LOG", "trace")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut output = Output::of(&mut child);
        let line = output.up_to("listening on ").pop().unwrap();
        let url = line.trim_start_matches("listening on ").to_owned();
        Self { child, output, url }
    }

    /// Host and port.
    pub(crate) fn address(&self) -> String {
        self.url.split('/').nth(2).unwrap().to_owned()
    }

    /// The process.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// `kill -9`. The same address is then free again.
    pub(crate) fn kill(mut self) -> String {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        self.address()
    }

    /// Waits for the end, and gives all that was written.
    pub(crate) fn end(&mut self) -> (ExitStatus, String) {
        self.output.rest();
        let written = format!("{}\n{}", self.output.seen.join("\n"), self.output.errors());
        (self.child.wait().unwrap(), written)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Beside `anocm`, where `cargo build --workspace --bins` puts it. Cargo has no way to ask for
/// another package's program, so whoever tests this package alone has it built here, once.
fn program() -> &'static Path {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    PROGRAM.get_or_init(|| {
        let name = format!("anocm-server{}", std::env::consts::EXE_SUFFIX);
        let program = Path::new(env!("CARGO_BIN_EXE_anocm")).with_file_name(name);
        if !program.exists() {
            build(&program);
        }
        program
    })
}

fn build(program: &Path) {
    let folder = program.parent().unwrap();
    let profile = match folder.file_name().unwrap().to_str().unwrap() {
        "debug" => "dev",
        other => other,
    };
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR")).join("../server/Cargo.toml");
    let built = Command::new(env!("CARGO"))
        .args(["build", "--bin", "anocm-server", "--profile", profile, "--manifest-path"])
        .arg(manifest)
        .arg("--target-dir")
        .arg(folder.parent().unwrap())
        .status();
    assert!(
        built.is_ok_and(|status| status.success()) && program.exists(),
        "{} is missing: run `cargo build --workspace --bins` first",
        program.display()
    );
}
