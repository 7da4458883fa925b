//! System call traces of a program: whether it opens anything for writing.

use std::{
    io::{BufRead as _, BufReader},
    path::PathBuf,
    sync::atomic::{AtomicU32, Ordering},
    thread::JoinHandle,
};

use rustix::fs::{CWD, FileType, Mode, mknodat};

/// System calls that create or change something that outlives a process, or could, whatever their
/// arguments. io_uring is included because its operations do not show up in a trace.
#[rustfmt::skip]
const MAKING: [&str; 46] = [
    "bpf", "chmod", "chown", "copy_file_range", "creat", "fallocate", "fchmod", "fchmodat",
    "fchmodat2", "fchown", "fchownat", "fsetxattr", "ftruncate", "io_setup", "io_uring_setup",
    "lchown", "link", "linkat", "lsetxattr", "memfd_create", "memfd_secret", "mkdir", "mkdirat",
    "mknod", "mknodat", "mount", "mq_open", "open_by_handle_at", "process_vm_writev", "rename",
    "renameat", "renameat2", "rmdir", "sendfile", "setxattr", "setxattrat", "shmget", "splice",
    "swapon", "symlink", "symlinkat", "tee", "truncate", "unlink", "unlinkat", "vmsplice",
];

const OPENING: [&str; 3] = ["open", "openat", "openat2"];

const WRITING: [&str; 5] = ["write", "writev", "pwrite64", "pwritev", "pwritev2"];

/// Flags of an open for writing.
const TO_CHANGE: [&str; 6] = ["O_WRONLY", "O_RDWR", "O_CREAT", "O_TRUNC", "O_APPEND", "O_TMPFILE"];

/// Targets that store nothing: terminals, sockets, pipes, counters.
const KEEPS_NOTHING: [&str; 7] =
    ["/dev/null", "/dev/pts/", "/dev/ptmx", "/dev/tty", "anon_inode:", "pipe:[", "socket:["];

/// Traces the system calls of one program, its threads and its children.
#[derive(Debug)]
pub struct Trace {
    fifo: PathBuf,
    reader: JoinHandle<Vec<String>>,
}

impl Trace {
    /// Starts to read the trace of the program that is started by its [`watcher`](Self::watcher).
    #[must_use]
    pub fn start() -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("anocm-trace-{}-{number}", std::process::id());
        let fifo = std::env::temp_dir().join(name);
        if let Err(error) = mknodat(CWD, &fifo, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0) {
            panic!("no pipe for the trace: {error}");
        }
        let from = fifo.clone();
        let reader = std::thread::spawn(move || match std::fs::File::open(from) {
            Ok(fifo) => BufReader::new(fifo).lines().map_while(Result::ok).collect(),
            Err(error) => panic!("the trace cannot be read: {error}"),
        });
        Self { fifo, reader }
    }

    /// Returns the program to start instead, and the arguments to put before the watched program
    /// and its own arguments. The watched program is then the child, and the tracer a grandchild.
    #[must_use]
    pub fn watcher(&self) -> (PathBuf, Vec<String>) {
        let fifo = self.fifo.display().to_string();
        let words = ["-D", "-f", "-y", "-s", "0", "-o", &fifo, "--"];
        (strace(), words.map(str::to_owned).to_vec())
    }

    /// Waits for the end of the program and returns every system call that it made.
    #[must_use]
    pub fn calls(self) -> Vec<String> {
        let calls = self.reader.join();
        // Removes the name of the FIFO; the pipe itself is closed.
        let _ = std::fs::remove_file(self.fifo);
        calls.unwrap_or_else(|_| panic!("the trace was not read to its end"))
    }
}

/// The absolute path of `strace`, since a program without an environment would not find it.
fn strace() -> PathBuf {
    let folders = std::env::var_os("PATH").unwrap_or_default();
    let mut places = std::env::split_paths(&folders).map(|folder| folder.join("strace"));
    places.find(|place| place.exists()).unwrap_or_else(|| {
        panic!("strace is missing, with which system calls are watched: apt-get install strace")
    })
}

/// Returns the calls that create or change what could outlive the process, successful or not.
#[must_use]
pub fn lasting(calls: &[String]) -> Vec<&str> {
    calls.iter().map(String::as_str).filter(|line| is_lasting(line)).collect()
}

fn is_lasting(line: &str) -> bool {
    // The line starts with the thread id. A call interrupted by another thread already shows its
    // arguments.
    let call = line.trim_start_matches(|c: char| c.is_ascii_digit()).trim_start();
    let Some((name, rest)) = call.split_once('(') else {
        return false;
    };
    let changes = TO_CHANGE.iter().any(|flag| rest.contains(flag));
    // For an open, the path; otherwise the target of the descriptor: `1</dev/pts/0>`.
    let before = if OPENING.contains(&name) { '"' } else { '<' };
    let what = rest.split_once(before).map(|(_, what)| what).unwrap_or_default();
    let into_nothing = KEEPS_NOTHING.iter().any(|place| what.starts_with(place));
    match name {
        making if MAKING.contains(&making) => true,
        opening if OPENING.contains(&opening) => changes && !into_nothing,
        writing if WRITING.contains(&writing) => !into_nothing,
        "mmap" => rest.contains("MAP_SHARED") && rest.contains("PROT_WRITE") && rest.contains('<'),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(lines: &[&str]) -> usize {
        let lines: Vec<_> = lines.iter().map(|line| format!("4711  {line}")).collect();
        lasting(&lines).len()
    }

    #[test]
    fn whatever_could_outlive_the_process_is_found() {
        let lines = [
            "openat(AT_FDCWD</root>, \"/root/.history\", O_WRONLY|O_CREAT|O_APPEND, 0666) = 3</r>",
            "openat(AT_FDCWD</root>, \"log\", O_RDWR <unfinished ...>",
            "openat(AT_FDCWD</tmp>, \"/tmp\", O_RDWR|O_EXCL|O_TMPFILE, 0600) = -1 EACCES (...)",
            "memfd_create(\"x\", MFD_CLOEXEC)     = 5</memfd:x (deleted)>",
            "mkdir(\"/run/anocm\", 0700)        = 0",
            "write(2</var/log/anocm.log>, \"\"..., 70) = 70",
            "pwrite64(7</root/x> <unfinished ...>",
            "mmap(NULL, 4096, PROT_READ|PROT_WRITE, MAP_SHARED, 3</root/x>, 0) = 0x7f25245d3000",
            "io_uring_setup(8, {flags=0}) = 5<anon_inode:[io_uring]>",
            "renameat2(AT_FDCWD</>, \"a\", AT_FDCWD</>, \"b\", 0) = 0",
        ];
        for line in lines {
            assert_eq!(found(&[line]), 1, "{line}");
        }
    }

    #[test]
    fn reading_talking_and_drawing_is_not() {
        let lines = [
            "execve(\"/usr/bin/anocm\", [\"anocm\"], 0x7fff453c35a8 /* 3 vars */) = 0",
            "openat(AT_FDCWD</root>, \"/proc/swaps\", O_RDONLY|O_CLOEXEC) = 3</proc/swaps>",
            "openat(AT_FDCWD</root>, \"/dev/tty\", O_RDWR|O_CLOEXEC) = 3</dev/tty>",
            "write(1</dev/pts/3>, \"\"..., 70) = 70",
            "write(1<pipe:[4711]>, \"\"..., 70 <unfinished ...>",
            "<... write resumed>) = 70",
            "writev(9<socket:[4711]>, [{iov_base=\"\"..., iov_len=70}], 1) = 70",
            "write(4<anon_inode:[eventfd]>, \"\"..., 8) = 8",
            "mmap(NULL, 4096, PROT_READ|PROT_WRITE, MAP_PRIVATE, 3</lib/libc.so.6>, 0) = 0x7f2524",
            "mmap(NULL, 4096, PROT_READ|PROT_WRITE, MAP_SHARED|MAP_ANONYMOUS, -1, 0) = 0x7f25245",
            "--- SIGTERM {si_signo=SIGTERM, si_code=SI_USER} ---",
            "+++ exited with 0 +++",
        ];
        assert_eq!(found(&lines), 0);
    }
}
