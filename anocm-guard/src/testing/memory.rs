//! Reads the memory of another process.

use std::{
    collections::HashMap,
    fs::{File, read_to_string},
    io,
    os::unix::fs::FileExt,
};

/// Length of the prefix of a marker that is looked up; the rest is compared.
const HEAD: usize = 8;

/// Page size: the kernel returns a page as a whole or not at all.
const PAGE: usize = 4096;

/// Returns where any of the markers occurs in the readable memory of the process: the name of the
/// mapping and the offset in it.
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

/// Passes all readable memory of the process to `show`, in contiguous pieces: the line of
/// `/proc/PID/maps`, the offset in that mapping, and the bytes there.
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
            // The next page belongs to the kernel (vvar, vsyscall), or was unmapped meanwhile.
            start += whole + PAGE;
        }
    }
    // The mappings of a process that is ending are empty.
    if read == 0 { Err(io::ErrorKind::NotFound.into()) } else { Ok(()) }
}

/// Reads up to the first unreadable byte; returns the number of bytes read.
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

/// Markers by their prefixes.
struct Heads<'a> {
    /// A bit for each value of the first three bytes: fast even with very many markers.
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

/// Returns the address range of a line of `/proc/PID/maps` if the process can read it.
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
