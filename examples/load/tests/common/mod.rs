//! The real program, run to its end.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::{
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    sync::OnceLock,
};

use serde_json::Value;

/// Runs the program to its end.
pub(crate) fn run(arguments: &[&str]) -> Output {
    server();
    Command::new(env!("CARGO_BIN_EXE_anocm-load")).args(arguments).output().unwrap()
}

/// What it printed as JSON, line by line, after it did well.
pub(crate) fn measure(arguments: &[&str]) -> Vec<Value> {
    let output = run(&[arguments, &["--json"]].concat());
    let errors = String::from_utf8(output.stderr).unwrap();
    assert_eq!((output.status.code(), errors.as_str()), (Some(0), ""));
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// A whole number of a line.
pub(crate) fn number(line: &Value, name: &str) -> u64 {
    line[name].as_u64().unwrap_or_else(|| panic!("no number {name} in {line}"))
}

/// A relay that runs already. Ended with the test that started it.
pub(crate) struct Server {
    child: Child,
    pub(crate) url: String,
}

impl Server {
    pub(crate) fn start(arguments: &[&str]) -> Self {
        let mut command = Command::new(server());
        command.arg("--listen=127.0.0.1:0").args(arguments).env_clear();
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
        let url = line.strip_prefix("listening on ").unwrap().trim_end().to_owned();
        Self { child, url }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Beside the program, where `cargo build --workspace --bins` puts it. Cargo has no way to ask for
/// another package's program, so whoever tests this package alone has it built here, once.
fn server() -> &'static Path {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    PROGRAM.get_or_init(|| {
        let name = format!("anocm-server{}", std::env::consts::EXE_SUFFIX);
        let program = Path::new(env!("CARGO_BIN_EXE_anocm-load")).with_file_name(name);
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
