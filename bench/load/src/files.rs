//! The limit of open files: every connection needs one, here and in the server.

/// Files that a process has open besides its connections.
const OTHERS: u64 = 64;

/// The limit of open files is too low.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{needed} files must be open at a time and the limit is {limit}: raise it (ulimit -Hn), or ask \
     for fewer connections"
)]
pub(crate) struct FilesError {
    needed: u64,
    limit: u64,
}

/// Raises the limit for this process, and for the children it starts from then on, to so many
/// connections.
#[cfg(unix)]
pub(crate) fn raise(connections: u32) -> Result<(), FilesError> {
    use rustix::process::{Resource, getrlimit, setrlimit};
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    // If it cannot be raised, the present limit applies.
    let _ = setrlimit(Resource::Nofile, limit);
    enough(connections, getrlimit(Resource::Nofile).current)
}

#[cfg(not(unix))]
pub(crate) fn raise(connections: u32) -> Result<(), FilesError> {
    enough(connections, None)
}

/// Returns how many connections a process can have with the limit raised to its maximum.
#[cfg(unix)]
pub(crate) fn most_connections() -> u32 {
    use rustix::process::{Resource, getrlimit};
    let most = getrlimit(Resource::Nofile).maximum.unwrap_or(u64::MAX);
    u32::try_from(most.saturating_sub(OTHERS)).unwrap_or(u32::MAX)
}

#[cfg(not(unix))]
pub(crate) fn most_connections() -> u32 {
    u32::MAX
}

fn enough(connections: u32, limit: Option<u64>) -> Result<(), FilesError> {
    let needed = OTHERS.saturating_add(connections.into());
    match limit {
        Some(limit) if limit < needed => Err(FilesError { needed, limit }),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_that_is_too_low_is_told_with_its_number() {
        assert_eq!(enough(9_000, None), Ok(()));
        assert_eq!(enough(9_000, Some(9_064)), Ok(()));
        let error = enough(9_000, Some(1_024)).unwrap_err().to_string();
        assert!(error.contains("9064") && error.contains("1024"), "{error}");
    }
}
