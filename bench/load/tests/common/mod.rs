//! Runs the real program to its end.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::{
    path::{Path, PathBuf},
    process::{Command, Output},
    sync::OnceLock,
};

use serde_json::Value;

/// Runs the program to its end.
pub(crate) fn run(arguments: &[&str]) -> Output {
    server();
    Command::new(env!("CARGO_BIN_EXE_anocm-load")).args(arguments).output().unwrap()
}

/// Returns its JSON output, line by line, after asserting success.
pub(crate) fn measure(arguments: &[&str]) -> Vec<Value> {
    let output = run(&[arguments, &["--json"]].concat());
    let errors = String::from_utf8(output.stderr).unwrap();
    assert_eq!((output.status.code(), errors.as_str()), (Some(0), ""));
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// Returns an integer from a line.
pub(crate) fn number(line: &Value, name: &str) -> u64 {
    line[name].as_u64().unwrap_or_else(|| panic!("no number {name} in {line}"))
}

/// Returns the server program, which `cargo build --workspace --bins` puts beside this one. Cargo
/// cannot request another package's program, so when this package is tested alone, it is built
/// here, once.
pub(crate) fn server() -> &'static Path {
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
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/server/Cargo.toml");
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
