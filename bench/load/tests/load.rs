//! The real program against a real relay, at small scale. No timing is asserted: the tests check
//! that the numbers add up.
#![cfg(target_os = "linux")]

mod common;
mod relay;

use std::process::Command;

use common::{measure, number, run};
use relay::Server;
use serde_json::Value;

/// Asserts that every message was delivered to all guests.
fn adds_up(line: &Value) {
    let (messages, guests) = (number(line, "messages"), number(line, "guests"));
    assert!(messages > 0, "{line}");
    assert_eq!(number(line, "deliveries"), messages * guests, "{line}");
    assert_eq!(number(line, "lost"), 0, "{line}");
}

#[test]
fn an_open_loop_delivers_every_message_to_every_guest() {
    let lines =
        measure(&["fanout", "--rooms=3", "--guests=7", "--rate=100", "--for=500ms", "--keep=5m"]);
    let [line] = lines.as_slice() else { panic!("{lines:?}") };
    adds_up(line);
    assert_eq!(number(line, "messages"), 3 * 50);
    assert_eq!(line["keep"], "5m");
    assert!(line["p50_ms"].as_f64().unwrap() <= line["max_ms"].as_f64().unwrap());
    // Every guest is a connection of the server.
    assert!(number(line, "server_files") >= 21, "{line}");
}

#[test]
fn a_closed_loop_delivers_messages_of_every_size() {
    for size in ["--size=1000", "--size=4000", "--size=16000", "--size=64000"] {
        let lines = measure(&["fanout", "--guests=5", "--in-flight=16", size, "--for=200ms"]);
        lines.iter().for_each(adds_up);
        assert_eq!(lines.len(), 1);
    }
}

#[test]
fn a_rival_gets_what_the_relay_gets() {
    let mut baselines = vec!["loop"];
    // Optional: it may not be installed.
    let path = std::env::var("PATH").unwrap() + ":/usr/sbin";
    if Command::new("mosquitto").arg("-h").env("PATH", path).output().is_ok() {
        baselines.push("mosquitto");
    }
    for baseline in baselines {
        let load = ["--guests=4,9", "--in-flight=2", "--rate=50", "--rounds=2", "--for=200ms"];
        let lines = measure(&[["baseline", baseline].as_slice(), &load].concat());
        lines.iter().for_each(adds_up);
        let servers: Vec<_> = lines.iter().map(|line| line["server"].as_str().unwrap()).collect();
        assert_eq!(servers, ["relay", baseline].repeat(4));
        let open = lines.iter().filter(|line| !line["rate"].is_null());
        assert!(
            open.clone().count() == 4 && open.clone().all(|line| number(line, "messages") == 20)
        );
    }
}

#[test]
fn silent_guests_are_all_connected() {
    let lines = measure(&["idle", "--connections=95", "--guests=10"]);
    let [line] = lines.as_slice() else { panic!("{lines:?}") };
    assert_eq!((number(line, "connections"), number(line, "rooms")), (100, 10));
    assert!(number(line, "server_files") >= 100, "{line}");
    let (before, after) =
        (number(line, "server_anon_kib_before"), number(line, "server_anon_kib_with_all"));
    assert!(before < after, "{line}");
}

#[test]
fn everybody_is_shown_what_is_said() {
    let lines = measure(&["talk", "--rooms=2", "--guests=3", "--rate=10", "--for=500ms"]);
    let [line] = lines.as_slice() else { panic!("{lines:?}") };
    adds_up(line);
    assert_eq!(number(line, "messages"), 2 * 5);
    assert!(!line["join_p50_ms"].is_null() && !line["server_cpu_us_per_delivery"].is_null());
}

#[test]
fn a_link_holder_gets_in() {
    for words in [["--then=stay"].as_slice(), &["--at-once", "--then=go"]] {
        let lines = measure(&[["join", "--guests=6"].as_slice(), words].concat());
        let [line] = lines.as_slice() else { panic!("{lines:?}") };
        assert_eq!((number(line, "entered"), number(line, "failed")), (6, 0));
        assert_eq!(number(line, "seen_by_creator"), 6);
    }
}

#[test]
fn who_does_not_get_in_is_told() {
    let output = run(&["join", "--guests=2", "--relay=http://127.0.0.1:1/", "--within=300ms"]);
    let errors = String::from_utf8(output.stderr).unwrap();
    assert_eq!((output.status.code(), errors.lines().count()), (Some(1), 1), "{errors}");
    assert!(errors.contains("not entered in time"), "{errors}");
}

#[test]
fn nothing_is_left_of_guests_who_came_and_went() {
    let lines = measure(&["soak", "--rooms=2", "--guests=4", "--for=1s", "--every=500ms"]);
    let (base, end) = (lines.first().unwrap(), lines.last().unwrap());
    assert_eq!((base["phase"].as_str(), end["phase"].as_str()), (Some("base"), Some("end")));
    let rooms = number(end, "rooms");
    assert!(rooms >= 2, "{end}");
    // One guest of each fate in each room: a guest that was cut off reconnects and sends another
    // message.
    assert_eq!(number(end, "joins"), 4 * rooms);
    assert_eq!(number(end, "expired"), 5 * rooms);
    assert_eq!((number(end, "cuts"), number(end, "left")), (rooms, 2 * rooms));
    assert!(number(end, "vanished") >= rooms, "{end}");
    assert_eq!(number(end, "errors"), 0);
    assert_eq!(number(end, "server_files"), number(base, "server_files"));
}

#[test]
fn a_relay_that_runs_already_is_watched_by_its_number() {
    let server = Server::start(&[]);
    let (relay, pid) = (format!("--relay={}", server.url), format!("--pid={}", server.pid()));
    let lines = measure(&["fanout", &relay, &pid, "--guests=3", "--rate=20", "--for=200ms"]);
    lines.iter().for_each(adds_up);
    assert!(number(&lines[0], "server_files") >= 3);
    // Without `--pid` the server's usage is reported as unknown.
    let lines = measure(&["fanout", &relay, "--guests=3", "--rate=20", "--for=200ms"]);
    lines.iter().for_each(adds_up);
    assert!(lines[0]["server_cpu_us_per_delivery"].is_null() && lines[0]["server_files"].is_null());
    let idle = run(&["idle", &relay, "--connections=1"]);
    assert_eq!(idle.status.code(), Some(1));
    assert!(String::from_utf8(idle.stderr).unwrap().contains("--pid"));
}

#[test]
fn a_limit_that_binds_is_told() {
    let server = Server::start(&["--requests-per-second=100"]);
    let relay = format!("--relay={}", server.url);
    let output = run(&["fanout", &relay, "--guests=2", "--rate=1000", "--for=1s", "--json"]);
    let errors = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(errors.contains("messages behind"), "{errors}");
    // The results are printed in any case: late, but nothing lost.
    adds_up(&serde_json::from_slice(&output.stdout).unwrap());

    let server = Server::start(&["--max-connections=3"]);
    let output = run(&["fanout", &format!("--relay={}", server.url), "--guests=8"]);
    assert_eq!((output.status.code(), output.stdout.is_empty()), (Some(1), true));
}

#[test]
fn without_json_there_is_a_table() {
    let output = run(&["fanout", "--guests=2", "--rate=10", "--for=100ms"]);
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(0));
    assert!(
        text.lines().any(|line| line.starts_with("deliveries ") && line.ends_with("  2")),
        "{text}"
    );
}

#[test]
fn wrong_arguments_are_told_apart_from_failures() {
    for words in [
        ["fanout", "--size=999"].as_slice(),
        &["fanout", "--rate=1", "--in-flight=1"],
        &["baseline"],
        &["baseline", "nobody"],
        &["fanout", "--for=0s"],
        &["no-such-thing"],
        &[],
    ] {
        assert_eq!(run(words).status.code(), Some(2), "{words:?}");
    }
    assert_eq!(run(&["--help"]).status.code(), Some(0));
}

#[test]
fn a_relay_that_is_not_there_is_one_line() {
    // A port without a listener.
    let relay = "--relay=http://127.0.0.1:1/";
    for words in [["fanout", relay].as_slice(), &["fanout", relay, "--rate=5"]] {
        let output = run(words);
        let errors = String::from_utf8(output.stderr).unwrap();
        assert_eq!((output.status.code(), errors.lines().count()), (Some(1), 1), "{errors}");
        assert!(errors.starts_with("anocm-load: the server cannot be reached"), "{errors}");
        assert!(output.stdout.is_empty());
    }
    let missing = run(&["fanout", "--server=/no/such/program"]);
    assert_eq!(missing.status.code(), Some(1));
    assert!(String::from_utf8(missing.stderr).unwrap().contains("cargo build"));
}
