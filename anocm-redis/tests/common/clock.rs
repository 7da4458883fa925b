//! A server's wall clock that a test can set.

use std::{fs, path::PathBuf, process::Command};

/// Overrides the clock of programs that are started with its environment.
pub(crate) struct WallClock {
    folder: tempfile::TempDir,
}

impl WallClock {
    /// Returns `None`, and prints a line, if there is no C compiler.
    pub(crate) fn new() -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let clock = Self { folder };
        clock.set(0);
        let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/common/clock.c");
        let built = Command::new("cc")
            .args(["-shared", "-fPIC", "-O1", "-o"])
            .args([clock.file("clock.so").as_os_str(), source.as_ref(), "-ldl".as_ref()])
            .status();
        match built {
            Ok(status) => {
                assert!(status.success(), "the clock cannot be compiled");
                Some(clock)
            }
            Err(error) => {
                println!("skipped: no cc, which this test compiles a clock with: {error}");
                None
            }
        }
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Sets the clock this many seconds ahead of or behind the true time.
    pub(crate) fn set(&self, seconds: i64) {
        let bytes = (seconds * 1_000_000).to_ne_bytes();
        // Written in place, since the file is memory-mapped.
        let mut file = fs::OpenOptions::new();
        let file = file.create(true).truncate(false).write(true).open(self.file("added"));
        std::io::Write::write_all(&mut file.unwrap(), &bytes).unwrap();
    }

    /// Returns the environment for a program with this clock.
    pub(crate) fn environment(&self) -> Vec<(String, String)> {
        let text = |name: &str| self.file(name).to_str().unwrap().to_owned();
        let variables = [("LD_PRELOAD", "clock.so"), ("TEST_CLOCK", "added")];
        variables.map(|(variable, name)| (variable.to_owned(), text(name))).into()
    }
}
