//! Looking for what should be gone, in the memory of a running process. For tests.

#![expect(clippy::panic, clippy::missing_panics_doc, reason = "a test fails by panicking")]

use std::{
    collections::HashMap,
    fs::{File, read_to_string},
    io,
    os::unix::fs::FileExt,
    process::Command,
};

/// As much of a marker as is looked up; the rest is compared.
const HEAD: usize = 8;

/// Marks the second run of a test.
const AGAIN: &str = "ANOCM_TEST_AGAIN";

/// Reading the memory of a process that is not dumpable takes root's rights, at least in a
/// namespace of one's own. A test that needs that begins with this, under its own name: true when
/// it was run again with those rights, and went well.
#[must_use]
pub fn was_run_as_root(test: &str) -> bool {
    let status = read_to_string("/proc/self/status").unwrap_or_default();
    let is_root = status.lines().any(|line| line.starts_with("Uid:\t0\t"));
    if is_root || std::env::var_os(AGAIN).is_some() {
        return false;
    }
    let again = std::env::current_exe().and_then(|program| {
        let mut unshare = Command::new("unshare");
        unshare.args(["--user", "--map-root-user", "--"]).arg(program);
        unshare.args(["--exact", test, "--nocapture"]).env(AGAIN, "1").status()
    });
    match again {
        Ok(status) if status.success() => true,
        Ok(status) => panic!("run as root in a namespace of its own, the test failed: {status}"),
        Err(error) => panic!("neither root nor able to be (unshare): {error}"),
    }
}

/// Where any of the markers stands in what the process can write of its memory, as the name of the
/// mapping and the place in it.
///
/// # Errors
/// When the memory cannot be read.
pub fn occurrences(pid: u32, markers: &[Vec<u8>]) -> io::Result<Vec<(String, usize)>> {
    let memory = File::open(format!("/proc/{pid}/mem"))?;
    let heads = by_head(markers);
    let mut found = Vec::new();
    for map in read_to_string(format!("/proc/{pid}/maps"))?.lines() {
        let Some((from, to)) = writable(map) else { continue };
        let mut bytes = vec![0; usize::try_from(to - from).unwrap_or_default()];
        // What was unmapped meanwhile is gone.
        if memory.read_exact_at(&mut bytes, from).is_err() {
            continue;
        }
        for (place, head) in bytes.windows(HEAD).enumerate() {
            // Most of a memory is zeros.
            let candidates = if head == [0; HEAD] { None } else { heads.get(head) };
            let here = bytes.get(place..).unwrap_or_default();
            for marker in candidates.into_iter().flatten() {
                if here.starts_with(marker) {
                    found.push((map.to_owned(), place));
                }
            }
        }
    }
    Ok(found)
}

fn by_head(markers: &[Vec<u8>]) -> HashMap<&[u8], Vec<&Vec<u8>>> {
    let mut heads: HashMap<&[u8], Vec<&Vec<u8>>> = HashMap::new();
    for marker in markers {
        assert!(marker.len() >= 24, "a shorter marker could occur by chance");
        heads.entry(marker.get(..HEAD).unwrap_or_default()).or_default().push(marker);
    }
    heads
}

/// The range of a line of `/proc/PID/maps` in which a process can leave anything.
fn writable(map: &str) -> Option<(u64, u64)> {
    let mut columns = map.split_whitespace();
    let (range, rights) = (columns.next()?, columns.next()?);
    if !rights.starts_with("rw") {
        return None;
    }
    let (from, to) = range.split_once('-')?;
    let number = |hex| u64::from_str_radix(hex, 16).ok();
    number(from).zip(number(to))
}
