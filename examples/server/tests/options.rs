//! The program's help, and its handling of invalid options.
#![cfg(unix)]

mod common;

use std::collections::BTreeSet;

use common::{Server, program, run};

#[test]
fn help_explains_the_options_in_groups_with_examples() {
    let output = run(&["--help"]);
    assert_eq!(output.status.code(), Some(0));
    let help = String::from_utf8(output.stdout).unwrap();
    for part in [
        "Usage: anocm-server",
        "Listening:",
        "What rooms may ask for:",
        "Limits:",
        "Timeouts:",
        "Logging:",
        "Examples:",
        "Exit codes:",
        "[env: ANOCM_LISTEN=]",
        "[default: 127.0.0.1:8080]",
    ] {
        assert!(help.contains(part), "{part} is missing:\n{help}");
    }
    assert_eq!(run(&["--version"]).status.code(), Some(0));
}

#[test]
fn the_manual_has_every_option_with_its_variable_and_default_and_no_other() {
    let help = String::from_utf8(run(&["--help"]).stdout).unwrap();
    let options: Vec<_> = options(&help).collect();
    assert!(options.len() > 30, "the help is not read as it is written:\n{help}");
    let manual = include_str!("../../../docs/operating-reference.md");
    let row = |name: &str| manual.lines().find(|line| line.starts_with(&format!("| `--{name}` |")));
    for Described { name, variable, default } in &options {
        let row =
            row(name).unwrap_or_else(|| panic!("--{name} is not in docs/operating-reference.md"));
        assert!(row.contains(&format!("| `{variable}` |")), "{variable} is not here: {row}");
        if let Some(default) = default {
            assert!(row.contains(&format!("| `{default}` |")), "{default} is not here: {row}");
        }
    }
    let known: BTreeSet<_> = options.iter().map(|option| option.name).collect();
    let described = manual.lines().filter_map(|line| line.strip_prefix("| `--")?.split_once('`'));
    for (name, _) in described {
        assert!(known.contains(name), "there is no --{name}");
    }
}

#[test]
fn wrong_options_end_with_two() {
    for wrong in [
        &["--no-such-option"][..],
        &["stray"],
        &["--listen", "nowhere"],
        &["--max-retention", "forever"],
        &["--max-retention", "31d"],
        &["--max-retention", "10ms"],
        &["--max-memory", "lots"],
        &["--max-connections", "0"],
        &["--ping-after", "0s"],
        &["--ping-after", "60s"],
        &["--ping-after", "10s", "--dead-after", "10s"],
        &["--log", "loud"],
        &["--tls-cert", "chain.pem"],
        &["--tls-key", "key.pem"],
    ] {
        // A foreign address: the program would exit even if it accepted the options.
        let output = program(wrong).env("ANOCM_LISTEN", "192.0.2.1:1").output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{wrong:?}");
        assert!(output.stdout.is_empty());
        assert!(!output.stderr.is_empty());
    }
}

/// The help text of an option.
struct Described<'a> {
    name: &'a str,
    variable: &'a str,
    default: Option<&'a str>,
}

/// Returns the options of a long help: those that have a variable.
fn options(help: &str) -> impl Iterator<Item = Described<'_>> {
    // Each begins on a line of its own.
    help.split("\n      --").skip(1).filter_map(|said| {
        let part = |begin: &str| Some(said.split_once(begin)?.1.split_once(']')?.0);
        Some(Described {
            name: said.split_whitespace().next()?,
            variable: part("[env: ")?.strip_suffix('=')?,
            default: part("[default: "),
        })
    })
}

#[test]
fn what_cannot_work_ends_with_one_and_one_line() {
    let taken = Server::start(&[]);
    let address = taken.address.to_string();
    for (arguments, says) in [
        (&["--listen", &address][..], "cannot listen on"),
        (
            &["--listen", "127.0.0.1:0", "--tls-cert", "/nowhere", "--tls-key", "/nowhere"],
            "cannot read the certificate",
        ),
        (
            &["--listen", "127.0.0.1:0", "--tls-cert", "/dev/null", "--tls-key", "/dev/null"],
            "there is no certificate in the file",
        ),
    ] {
        let output = run(arguments);
        let errors = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{errors}");
        assert!(errors.starts_with("anocm-server: ") && errors.contains(says), "{errors}");
        assert_eq!(errors.lines().count(), 1, "{errors}");
        assert!(output.stdout.is_empty());
    }
}

#[test]
fn options_may_come_from_the_environment() {
    let server = Server::start_by(program(&[]).env("ANOCM_LISTEN", "127.0.0.1:0"));
    assert_eq!(server.get("/health").1, "ok");
    let wrong = program(&[]).env("ANOCM_MAX_AGE", "soon").output().unwrap();
    assert_eq!(wrong.status.code(), Some(2));
}
