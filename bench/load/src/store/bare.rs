//! Bare commands, sent by the benchmark program that comes with the server.

use std::{path::Path, process::Stdio};

use tokio::process::Command;

use super::{StoreError, redis::Redis};

/// Throughput and latency of one command. Times in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Speed {
    /// Commands per second.
    pub(super) rate: f64,
    pub(super) p50: f64,
    pub(super) p99: f64,
}

/// The result of a round.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bare {
    pub(super) set: Speed,
    pub(super) publish: Speed,
    /// Processor time of the server for one of each, in microseconds.
    pub(super) server_cpu: f64,
}

/// The parameters of a round.
#[derive(Clone, Copy, Debug)]
pub(super) struct Plan {
    pub(super) connections: u32,
    /// Of each command.
    pub(super) commands: u64,
    pub(super) size: usize,
    /// Milliseconds until a value expires.
    pub(super) keep: u32,
}

impl Bare {
    /// Uses as many keys as the relay does, of the same length, and channels like a room's.
    pub(super) async fn measure(
        program: &Path,
        redis: &mut Redis,
        plan: Plan,
    ) -> Result<Self, StoreError> {
        let (value, keep) = ("x".repeat(plan.size), plan.keep.to_string());
        let before = redis.state().await?;
        let set = ["SET", "anocm:{a7}abcdefghijklmno:__rand_int__", &value, "PX", &keep];
        let set = run(program, redis.port, plan, &set).await?;
        let publish = ["PUBLISH", "anocm:{a7}IGlzIGFuIGFkZHJlc3Mu", &value];
        let publish = run(program, redis.port, plan, &publish).await?;
        let after = redis.state().await?.since(before);
        let pairs = u32::try_from(plan.commands).unwrap_or(u32::MAX).max(1);
        let server_cpu = after.cpu.as_secs_f64() * 1e6 / f64::from(pairs);
        Ok(Self { set, publish, server_cpu })
    }

    /// Returns the speed of both in sequence: the rate at which both can be done.
    pub(super) fn pair(&self) -> Speed {
        let Self { set, publish, .. } = self;
        Speed {
            rate: 1.0 / (1.0 / set.rate + 1.0 / publish.rate),
            p50: set.p50 + publish.p50,
            p99: set.p99 + publish.p99,
        }
    }
}

async fn run(program: &Path, port: u16, plan: Plan, command: &[&str]) -> Result<Speed, StoreError> {
    let output = Command::new(program)
        .args(["-p", &port.to_string(), "--csv"])
        .args(["-c", &plan.connections.to_string(), "-n", &plan.commands.to_string()])
        // Keys that are nearly all different.
        .args(["-r", "1000000000"])
        .args(command)
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output()
        .await;
    let output = output.map_err(|error| StoreError::NoBenchmark(program.to_owned(), error))?;
    let text = String::from_utf8_lossy(&output.stdout);
    speed(&text).ok_or_else(|| StoreError::NoSpeed(program.to_owned()))
}

/// Parses the last line: the command, which may contain anything, and seven numbers.
fn speed(csv: &str) -> Option<Speed> {
    let line = csv.lines().rev().find(|line| !line.trim().is_empty())?;
    let line = line.trim().strip_suffix('"')?;
    let mut fields = line.rsplitn(8, "\",\"");
    let mut next = || fields.next()?.parse::<f64>().ok().filter(|number| number.is_finite());
    let (_max, p99, _p95, p50) = (next()?, next()?, next()?, next()?);
    let (_min, _average, rate) = (next()?, next()?, next()?);
    (rate > 0.0).then_some(Speed { rate, p50, p99 })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NAMES: &str = "\"test\",\"rps\",\"avg_latency_ms\",\"min_latency_ms\",\
        \"p50_latency_ms\",\"p95_latency_ms\",\"p99_latency_ms\",\"max_latency_ms\"\n";

    #[test]
    fn a_speed_is_read_from_the_last_line() {
        let line = "\"SET key:__rand_int__ x\",\"92165.90\",\"0.367\",\"0.072\",\"0.271\",\
            \"0.703\",\"2.215\",\"4.215\"\n";
        let read = Speed { rate: 92_165.9, p50: 0.271, p99: 2.215 };
        assert_eq!(speed(&format!("{NAMES}{line}")), Some(read));
        // A command may contain what looks like further columns.
        let odd = line.replace("key", "\",\"1\",\"");
        assert_eq!(speed(&format!("{NAMES}{odd}\n")), Some(read));
    }

    #[test]
    fn anything_else_is_none() {
        let few = "\"SET\",\"92165.90\",\"0.367\"\n";
        let never = "\"SET\",\"0.00\",\"0\",\"0\",\"0\",\"0\",\"0\",\"0\"\n";
        for text in ["", "\n", NAMES, few, never, "Could not connect to Redis\n"] {
            assert_eq!(speed(text), None, "{text}");
        }
    }

    #[test]
    fn a_pair_takes_as_long_as_both() {
        let set = Speed { rate: 100.0, p50: 1.0, p99: 3.0 };
        let publish = Speed { rate: 300.0, p50: 0.5, p99: 1.0 };
        let pair = Bare { set, publish, server_cpu: 0.0 }.pair();
        assert!((pair.rate - 75.0).abs() < 1e-9);
        assert!((pair.p50 - 1.5).abs() < 1e-9 && (pair.p99 - 4.0).abs() < 1e-9);
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "[\",.0-9a\n]{0,80}") {
            let _ = speed(&text);
        }
    }
}
