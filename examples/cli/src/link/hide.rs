//! Removes a link from the process list.

use std::{
    ffi::{OsStr, OsString},
    io::{self, Read as _},
};

use zeroize::Zeroizing;

/// Re-executes this program in the same process, with the link in a pipe instead of among the
/// arguments, where every user of the machine can read it. Returns only if that fails.
///
/// Must be called before anything else: until then the link is visible.
#[cfg(unix)]
pub(crate) fn hide(link: &str) -> io::Error {
    match start_anew(link) {
        Ok(never) => match never {},
        Err(error) => error,
    }
}

#[cfg(unix)]
fn start_anew(link: &str) -> io::Result<std::convert::Infallible> {
    use std::{
        io::Write as _,
        os::{fd::AsRawFd as _, unix::process::CommandExt as _},
    };

    // Fits into a pipe without a reader on every system.
    const MOST: usize = 4096;
    if link.len() > MOST {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    let (inherited, writer) = rustix::pipe::pipe()?;
    let mut writer = std::fs::File::from(writer);
    writer.write_all(link.as_bytes())?;
    drop(writer);

    let mut words = std::env::args_os();
    let name = words.next().unwrap_or_else(|| "anocm".into());
    Err(std::process::Command::new(std::env::current_exe()?)
        .arg0(name)
        .args(without_link(words, link, inherited.as_raw_fd()))
        .exec())
}

#[cfg(not(unix))]
pub(crate) fn hide(_link: &str) -> io::Error {
    io::ErrorKind::Unsupported.into()
}

/// Returns the arguments after the program's name, with `--link-fd` in place of the link. The
/// subcommand always comes first.
fn without_link(
    words: impl Iterator<Item = OsString>,
    link: &str,
    fd: impl std::fmt::Display,
) -> Vec<OsString> {
    let mut words: Vec<_> = words.filter(|word| word != OsStr::new(link)).collect();
    words.insert(words.len().min(1), format!("--link-fd={fd}").into());
    words
}

/// Reads the link that [`hide`] left in a descriptor.
pub(super) fn read(fd: u16) -> io::Result<Zeroizing<String>> {
    // Opened by its path, since taking ownership of a descriptor by number requires a guarantee
    // that safe code cannot give. Reading empties the pipe; the descriptor that stays open holds
    // nothing.
    let folder = if cfg!(target_os = "linux") { "/proc/self/fd" } else { "/dev/fd" };
    let pipe = std::fs::File::open(format!("{folder}/{fd}"))?;
    let mut link = Zeroizing::new(String::with_capacity(8192));
    pipe.take(8192).read_to_string(&mut link)?;
    Ok(link)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_link_leaves_the_arguments_and_the_rest_stays() {
        let words = ["join", "--nick", "Bob", "--", "https://r.example/#s"].map(OsString::from);
        assert_eq!(
            without_link(words.into_iter(), "https://r.example/#s", 5),
            ["join", "--link-fd=5", "--nick", "Bob", "--"]
        );
    }

    #[cfg(unix)]
    #[test]
    fn a_link_is_read_from_a_pipe_once() {
        use std::{io::Write as _, os::fd::AsRawFd as _};

        let (reader, writer) = rustix::pipe::pipe().unwrap();
        std::fs::File::from(writer).write_all(b"https://r.example/#s").unwrap();
        let fd = u16::try_from(reader.as_raw_fd()).unwrap();
        assert_eq!(read(fd).unwrap().as_str(), "https://r.example/#s");
        assert_eq!(read(fd).unwrap().as_str(), "");
    }
}
