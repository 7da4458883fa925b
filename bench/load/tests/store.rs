//! Relays over a real Redis, at small scale. No timing is asserted: the tests check that the
//! numbers are plausible.
#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use common::{measure, number, run};
use serde_json::Value;

fn real(line: &Value, name: &str) -> f64 {
    line[name].as_f64().unwrap_or_else(|| panic!("no number {name} in {line}"))
}

fn named<'a>(lines: &'a [Value], column: &str) -> Vec<&'a str> {
    lines.iter().map(|line| line[column].as_str().unwrap()).collect()
}

#[test]
fn a_publication_is_set_beside_bare_commands() {
    let lines = measure(&["store", "publish", "--parallel=4", "--rounds=2", "--for=300ms"]);
    assert_eq!(named(&lines, "server"), ["relay", "bare", "SET", "PUBLISH"]);
    for line in &lines {
        assert!(real(line, "per_second_min") > 0.0, "{line}");
        assert!(real(line, "per_second_min") <= real(line, "per_second"), "{line}");
        assert!(real(line, "per_second") <= real(line, "per_second_max"), "{line}");
        assert!(real(line, "p50_ms") <= real(line, "p99_ms"), "{line}");
    }
    let [relay, bare, set, publish] = lines.as_slice() else { panic!("{lines:?}") };
    assert!(real(relay, "ratio") > 0.0 && number(relay, "messages") > 0, "{relay}");
    assert_eq!(number(relay, "lost"), 0, "{relay}");
    assert!(real(relay, "redis_cpu_us") > 0.0 && real(relay, "relay_cpu_us") > 0.0, "{relay}");
    // One key for each message, besides the index of each room, and one script, besides those of
    // the janitors.
    assert!((1.0..2.0).contains(&real(relay, "keys")), "{relay}");
    assert!(real(relay, "scripts") >= 1.0, "{relay}");
    assert!(real(relay, "commands_inside") > 2.0, "{relay}");
    // To the server, and back through pub/sub.
    assert!(real(relay, "bytes_in") > 1_000.0 && real(relay, "bytes_out") > 1_000.0, "{relay}");
    assert!(bare["keys"].is_null() && real(bare, "redis_cpu_us") > 0.0, "{bare}");
    let both = 1.0 / (1.0 / real(set, "per_second_max") + 1.0 / real(publish, "per_second_max"));
    assert!(real(bare, "per_second_min") <= both + 1.0, "{lines:?}");
}

#[test]
fn a_room_is_measured_over_two_relays_over_one_and_in_memory() {
    let load = ["--guests=5", "--in-flight=2", "--rate=50", "--rounds=1", "--for=200ms"];
    let lines = measure(&[["store", "fanout"].as_slice(), &load].concat());
    assert_eq!(named(&lines, "relays"), ["two", "one", "memory"].repeat(2));
    for line in &lines {
        assert!(number(line, "messages") > 0, "{line}");
        assert_eq!(number(line, "deliveries"), 5 * number(line, "messages"), "{line}");
        assert_eq!(number(line, "lost"), 0, "{line}");
        assert!(real(line, "relays_cpu_us") > 0.0 && real(line, "cpu_ratio") > 0.0, "{line}");
    }
    for open in lines.iter().filter(|line| !line["rate"].is_null()) {
        assert_eq!(number(open, "messages"), 10, "{open}");
    }
    for line in lines.iter().filter(|line| line["relays"] == "memory") {
        assert!((real(line, "rate_ratio") - 1.0).abs() < 1e-9, "{line}");
    }
}

#[test]
fn what_is_kept_takes_more_than_its_bytes_and_not_many_times_as_much() {
    let lines = measure(&["store", "memory", "--kept=1000", "--rooms=200"]);
    assert_eq!(named(&lines, "of"), ["message", "message", "room"]);
    let [one, many, rooms] = lines.as_slice() else { panic!("{lines:?}") };
    for line in [one, many] {
        assert_eq!(number(line, "count"), 1_000, "{line}");
        assert!((1_000.0..2_000.0).contains(&real(line, "bytes_each")), "{line}");
        assert!((1.0..1.1).contains(&real(line, "keys_each")), "{line}");
    }
    assert_eq!((number(one, "rooms"), number(many, "rooms")), (1, 10));
    assert_eq!((number(rooms, "count"), number(rooms, "rooms")), (200, 200));
    assert!((1_000.0..8_000.0).contains(&real(rooms, "bytes_each")), "{rooms}");
    // Besides, lists of rooms that share a slot.
    assert!((2.0..4.0).contains(&real(rooms, "keys_each")), "{rooms}");
}

#[test]
fn a_program_that_is_not_there_is_one_line() {
    for (option, package) in [("--redis", "redis-server"), ("--benchmark", "redis-tools")] {
        let option = format!("{option}=/no/such/program");
        let words = ["store", "publish", &option, "--rounds=1", "--for=100ms", "--parallel=1"];
        let output = run(&words);
        let errors = String::from_utf8(output.stderr).unwrap();
        assert_eq!((output.status.code(), errors.lines().count()), (Some(1), 1), "{errors}");
        assert!(errors.contains("/no/such/program") && errors.contains(package), "{errors}");
        assert!(output.stdout.is_empty());
    }
}

#[test]
fn wrong_arguments_are_told_apart_from_failures() {
    for word in ["everything", "--keep=live", "--parallel=0", "--kept=99", "--guests=1"] {
        assert_eq!(run(&["store", word]).status.code(), Some(2), "{word}");
    }
}
