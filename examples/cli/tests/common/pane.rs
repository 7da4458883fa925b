//! `anocm` on a pseudo-terminal that is read only when a test asks for it, and can be closed at any
//! moment.

use std::{
    fs::read_to_string,
    io::{Read as _, Write as _},
    os::fd::OwnedFd,
    process::{Child, ExitStatus},
};

use pty_process::{
    Size,
    blocking::{Command, Pty},
};
use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    process::{Pid, PidfdFlags, pidfd_open},
};

use vt100::{Parser, Screen};

use super::PATIENCE;

/// A running `anocm`, perhaps under a shell. Ended with the test that started it.
pub(crate) struct Pane {
    child: Child,
    /// `None` once closed.
    pty: Option<Pty>,
    in_shell: bool,
    /// The output that has been read.
    picture: Parser,
}

impl Pane {
    /// Starts it as the leader of the terminal's session.
    pub(crate) fn start(words: &[&str]) -> Self {
        Self::run(Command::new(env!("CARGO_BIN_EXE_anocm")).args(words), false)
    }

    /// Starts it under a shell that leads the session, as in
    /// `tmux new-session "anocm join; sleep 1000"`.
    pub(crate) fn start_in_shell(words: &[&str]) -> Self {
        let script = r#""$0" "$@"; sleep 1000"#;
        let shell = Command::new("sh").args(["-c", script, env!("CARGO_BIN_EXE_anocm")]);
        Self::run(shell.args(words), true)
    }

    fn run(command: Command, in_shell: bool) -> Self {
        let (pty, pts) = pty_process::blocking::open().unwrap();
        pty.resize(Size::new(24, 80)).unwrap();
        let child = command.env_clear().env("TERM", "xterm-256color").spawn(pts).unwrap();
        Self { child, pty: Some(pty), in_shell, picture: Parser::default() }
    }

    /// Returns the process id of `anocm`, which has written something already.
    pub(crate) fn pid(&self) -> u32 {
        let child = self.child.id();
        if !self.in_shell {
            return child;
        }
        let children = read_to_string(format!("/proc/{child}/task/{child}/children")).unwrap();
        children.trim().parse().unwrap()
    }

    /// Reads until this text is on the screen.
    pub(crate) fn see(&mut self, text: &str) {
        self.read_until(text, |screen| screen.contents().contains(text));
    }

    /// Reads until the prompt for the link is shown and accepts a paste.
    pub(crate) fn see_prompt(&mut self) {
        self.read_until("the prompt", Screen::bracketed_paste);
    }

    /// Reads until the terminal is restored.
    pub(crate) fn see_end(&mut self) {
        self.read_until("the end", |screen| !screen.alternate_screen());
    }

    fn read_until(&mut self, what: &str, holds: impl Fn(&Screen) -> bool) {
        let mut chunk = [0; 4096];
        while !holds(self.picture.screen()) {
            let mut pty = self.pty.as_ref().unwrap();
            let seen = self.picture.screen().contents();
            assert!(is_ready(pty), "waited for {what} in vain before:\n{seen}");
            let count = pty.read(&mut chunk).unwrap();
            self.picture.process(chunk.get(..count).unwrap());
        }
    }

    /// Presses keys.
    pub(crate) fn keys(&mut self, keys: &str) {
        self.pty.as_ref().unwrap().write_all(keys.as_bytes()).unwrap();
    }

    /// Pastes the link at the prompt.
    pub(crate) fn enter(&mut self, link: &str) {
        self.see_prompt();
        self.keys(&format!("\x1b[200~{link}\x1b[201~\r"));
    }

    /// Returns how many bytes were written and not read, as far as a terminal reports: 4 KiB at
    /// most.
    pub(crate) fn waits(&self) -> u64 {
        rustix::io::ioctl_fionread(self.pty.as_ref().unwrap()).unwrap()
    }

    /// Closes the terminal's other end.
    pub(crate) fn close(&mut self) {
        drop(self.pty.take());
    }

    /// Kills the leader of the session, while the terminal's other end stays open.
    pub(crate) fn kill_leader(&mut self) {
        self.child.kill().unwrap();
    }

    /// Waits for the end of the leader of the session.
    pub(crate) fn end(&mut self) -> ExitStatus {
        self.child.wait().unwrap()
    }
}

impl Drop for Pane {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A process whose end can be waited for.
pub(crate) struct Ending(OwnedFd);

impl Ending {
    pub(crate) fn of(pid: u32) -> Self {
        let pid = Pid::from_raw(pid.try_into().unwrap()).unwrap();
        Self(pidfd_open(pid, PidfdFlags::empty()).unwrap())
    }

    pub(crate) fn wait(&self) {
        assert!(is_ready(&self.0), "the process lives on");
    }
}

/// Waits until the descriptor is readable, or at its end.
fn is_ready(descriptor: &impl std::os::fd::AsFd) -> bool {
    let wait = Timespec { tv_sec: PATIENCE.as_secs().try_into().unwrap(), tv_nsec: 0 };
    let mut descriptors = [PollFd::new(descriptor, PollFlags::IN)];
    loop {
        match poll(&mut descriptors, Some(&wait)) {
            Err(rustix::io::Errno::INTR) => {}
            found => return found.unwrap() > 0,
        }
    }
}
