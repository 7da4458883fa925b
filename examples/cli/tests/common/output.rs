//! The output of a process.

use std::{
    io::{BufRead as _, BufReader, Read},
    process::Child,
    sync::{
        Arc, Mutex,
        mpsc::{Receiver, channel},
    },
    thread::JoinHandle,
};

use super::PATIENCE;

/// The lines of standard output as they arrive, and all of standard error.
pub(super) struct Output {
    lines: Receiver<String>,
    pub(super) seen: Vec<String>,
    errors: Arc<Mutex<String>>,
    reader: Option<JoinHandle<()>>,
}

impl Output {
    /// Starts to read both, so that the process never waits for a full pipe.
    pub(super) fn of(child: &mut Child) -> Self {
        let output = BufReader::new(child.stdout.take().unwrap());
        let (to, lines) = channel();
        std::thread::spawn(move || {
            output.lines().map_while(Result::ok).try_for_each(|line| to.send(line).ok())
        });
        let errors = Arc::new(Mutex::new(String::new()));
        let stderr = child.stderr.take().unwrap();
        let reader = std::thread::spawn({
            let errors = errors.clone();
            move || gather(stderr, &errors)
        });
        Self { lines, seen: Vec::new(), errors, reader: Some(reader) }
    }

    /// Returns all lines up to the next one that contains `part`, which is the last.
    pub(super) fn up_to(&mut self, part: &str) -> Vec<String> {
        let mut passed = Vec::new();
        loop {
            let line = self.lines.recv_timeout(PATIENCE).unwrap_or_else(|_| {
                panic!(
                    "waited for {part:?} in vain after:\n{}\nand on standard error:\n{}",
                    self.seen.join("\n"),
                    self.errors.lock().unwrap()
                )
            });
            self.seen.push(line.clone());
            passed.push(line);
            if passed.last().is_some_and(|line| line.contains(part)) {
                return passed;
            }
        }
    }

    /// Reads to the end.
    pub(super) fn rest(&mut self) {
        while let Ok(line) = self.lines.recv_timeout(PATIENCE) {
            self.seen.push(line);
        }
        if let Some(reader) = self.reader.take() {
            reader.join().unwrap();
        }
    }

    /// Returns all of standard error so far.
    pub(super) fn errors(&self) -> String {
        self.errors.lock().unwrap().clone()
    }
}

fn gather(mut from: impl Read, into: &Mutex<String>) {
    let mut chunk = [0; 4096];
    while let Ok(count @ 1..) = from.read(&mut chunk) {
        let text = String::from_utf8_lossy(chunk.get(..count).unwrap_or_default());
        into.lock().unwrap().push_str(&text);
    }
}
