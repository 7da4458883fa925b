//! Rooms in Redis: how the program connects, and when it refuses to.
#![cfg(unix)]
#![expect(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test, helpers included, that writes what the program is to read"
)]

mod common;

use std::{
    io::{BufRead as _, BufReader},
    process::{Command, Stdio},
};

use common::{
    Server, program,
    redis::{self, configuration},
    run,
};

/// Sends a command to the Redis server.
fn ask(store: &redis::Server, words: &[&str]) {
    let port = store.port.to_string();
    let asked = Command::new("redis-cli").args(["-p", &port]).args(words).output().unwrap();
    let answer = String::from_utf8(asked.stdout).unwrap();
    assert!(asked.status.success() && !answer.starts_with("ERR"), "{words:?}: {answer}");
}

/// Returns the error output of a program that exits at once.
fn refused(arguments: &[&str]) -> String {
    let output = run(&[&["--listen", "127.0.0.1:0"], arguments].concat());
    let errors = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{errors}");
    assert!(output.stdout.is_empty());
    errors
}

#[test]
fn a_server_that_writes_to_a_disk_is_refused_with_a_line_for_each_cure() {
    let store = redis::Server::start_careless(&["--save", "3600 1", "--appendonly", "yes"]);
    let errors = refused(&["--store", &store.url()]);
    let first = errors.lines().next().unwrap();
    assert!(first.ends_with("the servers keep more than memory:"), "{errors}");
    for cure in ["CONFIG SET save \"\"", "CONFIG SET appendonly no"] {
        assert!(errors.lines().any(|line| line.ends_with(cure)), "{errors}");
    }
}

#[test]
fn a_server_that_does_not_say_is_refused() {
    let store = redis::Server::start(&[]);
    let url = store.url();
    ask(&store, &["ACL", "SETUSER", "default", "-config|get"]);
    let errors = refused(&["--store", &url]);
    assert!(errors.contains("do not say whether they keep anything on a disk"), "{errors}");
    drop(Server::start(&["--store", &url, "--allow-unknown-store"]));
}

#[test]
fn a_server_that_starts_later_is_waited_for_and_that_is_said_once() {
    let mut store = redis::Server::start(&[]);
    let url = store.url();
    store.kill();
    let mut relay = program(&["--listen", "127.0.0.1:0", "--store", &url])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut errors = BufReader::new(relay.stderr.take().unwrap()).lines().map(Result::unwrap);
    let mut says = |what: &str| errors.find(|line| line.contains(what)).unwrap();
    let line = says("waiting for the store");
    assert!(line.contains("no server can be reached"), "{line}");
    assert!(relay.try_wait().unwrap().is_none());
    let _store = store.restart();
    // The very next line.
    assert!(says("").contains("the store can be used"));
    let mut line = String::new();
    BufReader::new(relay.stdout.take().unwrap()).read_line(&mut line).unwrap();
    assert!(line.starts_with("listening on "), "{line}");
    relay.kill().unwrap();
    relay.wait().unwrap();
}

#[test]
fn a_user_goes_with_the_password_of_the_url_and_never_without_one() {
    let store = redis::Server::start(&[]);
    let url = store.url();
    let errors = refused(&["--store", &url, "--store-user", "anocm"]);
    assert!(errors.contains("--store-user needs a password"), "{errors}");
    // Two users with the same password: the one named by the option is used, not the URL's.
    ask(&store, &["ACL", "SETUSER", "other", "on", "~*", "+@all", ">secret"]);
    let mut server = program(&["--listen", "127.0.0.1:0", "--store-user", "anocm"]);
    let url = url.replace("redis://", "redis://other:secret@");
    let output = server.env("ANOCM_STORE", &url).output().unwrap();
    let errors = String::from_utf8(output.stderr).unwrap();
    assert!(errors.contains("the server refuses"), "{errors}");
}

#[test]
fn a_password_comes_from_a_file_or_a_variable_and_never_from_an_argument() {
    let store = redis::Server::start(&[]);
    let rules = std::fs::read_to_string(configuration().with_file_name("redis-user.conf")).unwrap();
    let rule = rules.lines().find_map(|line| line.strip_prefix("user anocm ")).unwrap();
    let words: Vec<_> = rule.split_whitespace().collect();
    ask(&store, &[&["ACL", "SETUSER", "anocm", ">secret"], &words[..]].concat());
    ask(&store, &["ACL", "SETUSER", "default", "off"]);
    let url = store.url();
    let as_anocm = ["--store", &url, "--store-user", "anocm"];
    assert!(refused(&["--store", &url]).contains("the server refuses"));

    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("password");
    std::fs::write(&file, "secret\n").unwrap();
    let file = ["--store-password-file", file.to_str().unwrap()];
    drop(Server::start(&[&as_anocm[..], &file].concat()));
    drop(Server::start_by(
        program(&as_anocm).args(["--listen", "127.0.0.1:0"]).env("ANOCM_STORE_PASSWORD", "secret"),
    ));

    let url = url.replace("redis://", "redis://anocm:secret@");
    let errors = refused(&["--store", &url]);
    assert!(errors.contains("is seen by others") && !errors.contains("secret"), "{errors}");
    drop(Server::start_by(program(&["--listen", "127.0.0.1:0"]).env("ANOCM_STORE", &url)));
}

#[test]
fn a_server_with_tls_is_trusted_by_its_authority() {
    let folder = tempfile::tempdir().unwrap();
    let names = vec!["localhost".to_owned()];
    let made = rcgen::generate_simple_self_signed(names).unwrap();
    let file = |name: &str, pem: &str| {
        let file = folder.path().join(name);
        std::fs::write(&file, pem).unwrap();
        file.to_str().unwrap().to_owned()
    };
    let certificate = file("certificate.pem", &made.cert.pem());
    let key = file("key.pem", &made.signing_key.serialize_pem());
    let files = [
        ["--tls-cert-file", &certificate],
        ["--tls-key-file", &key],
        ["--tls-ca-cert-file", &certificate],
        ["--tls-auth-clients", "no"],
    ];
    let store = redis::Server::start(&files.concat());
    let url = format!("rediss://localhost:{}", store.port);
    assert!(refused(&["--store", &url]).contains("certificate is not accepted"));
    drop(Server::start(&["--store", &url, "--store-ca", &certificate]));
    assert!(refused(&["--store", &url, "--store-ca", &key]).contains("not a certificate"));
}
