//! Reading the memory of another process.

use std::{
    collections::HashMap,
    fs::{File, read_to_string},
    io,
    os::unix::fs::FileExt,
};

/// As much of a marker as is looked up; the rest is compared.
const HEAD: usize = 8;

/// What the kernel hands out at once, or not at all.
const PAGE: usize = 4096;

/// Where any of the markers stands in what the process can read of its memory, as the name of the
/// mapping and the place in it.
///
/// # Errors
/// When the memory cannot be read.
pub fn occurrences(pid: u32, markers: &[Vec<u8>]) -> io::Result<Vec<(String, usize)>> {
    let heads = Heads::of(markers);
    let mut found = Vec::new();
    memory(pid, |map, start, bytes| {
        let places = bytes.windows(HEAD).enumerate().filter(|(_, head)| heads.may_begin(head));
        for (place, head) in places {
            let here = bytes.get(place..).unwrap_or_default();
            let begun = heads.longer.get(head).into_iter().flatten();
            found.extend(
                begun
                    .filter(|marker| here.starts_with(marker))
                    .map(|_| (map.to_owned(), start + place)),
            );
        }
    })?;
    Ok(found)
}

/// Shows everything that the process can read, in pieces without a hole: the line of
/// `/proc/PID/maps`, the place in that mapping, and what stands there.
///
/// # Errors
/// When the memory cannot be read.
pub fn memory(pid: u32, mut show: impl FnMut(&str, usize, &[u8])) -> io::Result<()> {
    let memory = File::open(format!("/proc/{pid}/mem"))?;
    let mut read = 0;
    for map in read_to_string(format!("/proc/{pid}/maps"))?.lines() {
        let Some((from, to)) = readable(map) else { continue };
        let mut bytes = vec![0; usize::try_from(to - from).unwrap_or_default()];
        let mut start = 0;
        while start < bytes.len() {
            let rest = bytes.get_mut(start..).unwrap_or_default();
            let whole = fill(&memory, from + start as u64, rest);
            show(map, start, rest.get(..whole).unwrap_or_default());
            read += whole;
            // What lies there belongs to the kernel (vvar, vsyscall), or was unmapped meanwhile.
            start += whole + PAGE;
        }
    }
    // A process that is ending has mappings of nothing.
    if read == 0 { Err(io::ErrorKind::NotFound.into()) } else { Ok(()) }
}

/// Reads as far as it can be read; gives how far that is.
fn fill(memory: &File, from: u64, bytes: &mut [u8]) -> usize {
    let mut filled = 0;
    while let Some(rest) = bytes.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        match memory.read_at(rest, from + filled as u64) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(_) => break,
        }
    }
    filled
}

/// Markers by how they begin.
struct Heads<'a> {
    /// A bit for each first three bytes, which is quick even when there are very many markers.
    first: Vec<u8>,
    longer: HashMap<&'a [u8], Vec<&'a Vec<u8>>>,
}

impl<'a> Heads<'a> {
    fn of(markers: &'a [Vec<u8>]) -> Self {
        let mut heads = Self { first: vec![0; 1 << 21], longer: HashMap::new() };
        for marker in markers {
            assert!(marker.len() >= 16, "a shorter marker could occur by chance");
            let head = marker.get(..HEAD).unwrap_or_default();
            let (place, bit) = Self::bit(head);
            if let Some(bits) = heads.first.get_mut(place) {
                *bits |= bit;
            }
            heads.longer.entry(head).or_default().push(marker);
        }
        heads
    }

    fn may_begin(&self, head: &[u8]) -> bool {
        let (place, bit) = Self::bit(head);
        self.first.get(place).is_some_and(|bits| bits & bit != 0)
    }

    fn bit(head: &[u8]) -> (usize, u8) {
        let &[a, b, c] = head.first_chunk().unwrap_or(&[0; 3]);
        (usize::from(a) << 13 | usize::from(b) << 5 | usize::from(c >> 3), 1 << (c & 7))
    }
}

/// The range of a line of `/proc/PID/maps` that a process can read.
fn readable(map: &str) -> Option<(u64, u64)> {
    let mut columns = map.split_whitespace();
    let (range, rights) = (columns.next()?, columns.next()?);
    if !rights.starts_with('r') {
        return None;
    }
    let (from, to) = range.split_once('-')?;
    let number = |hex| u64::from_str_radix(hex, 16).ok();
    number(from).zip(number(to))
}
