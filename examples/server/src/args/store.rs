//! Where rooms are kept.

use std::{fs, io, path::PathBuf};

use anocm_redis::{ConnectError, RedisOptions};
use clap::Args;

/// The environment variable with the password. It is no option, since the arguments of a program
/// are visible to other users.
const PASSWORD: &str = "ANOCM_STORE_PASSWORD";

#[derive(Args, Debug)]
#[command(next_help_heading = "Store")]
pub(crate) struct Store {
    /// Keep rooms in Redis or Valkey, for several relays to share: redis://HOST:PORT,
    /// rediss://HOST:PORT with TLS, unix:///PATH, or some nodes of a cluster. Without it rooms are
    /// kept in this process and end with it
    #[arg(long, env = "ANOCM_STORE", value_name = "URL,…", value_delimiter = ',')]
    pub(crate) store: Vec<String>,

    /// Who this relay is there. The password comes from the variable ANOCM_STORE_PASSWORD or from
    /// a file, never from an argument
    #[arg(long, env = "ANOCM_STORE_USER", value_name = "NAME", requires = "store")]
    store_user: Option<String>,

    /// File with the password
    #[arg(long, env = "ANOCM_STORE_PASSWORD_FILE", value_name = "FILE", requires = "store")]
    store_password_file: Option<PathBuf>,

    /// The authority that has certified the servers, in PEM, if it is none of the public ones
    #[arg(long, env = "ANOCM_STORE_CA", value_name = "FILE", requires = "store")]
    store_ca: Option<PathBuf>,

    /// Go on although the servers do not say whether they write to a disk, as many that others
    /// manage. Guests are told that it is unknown
    #[arg(long, env = "ANOCM_ALLOW_UNKNOWN_STORE", requires = "store")]
    allow_unknown_store: bool,
}

/// Why rooms cannot be kept in the store.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StoreFailure {
    #[error(
        "a password in --store is seen by others on this machine: put it into {PASSWORD} or --store-password-file"
    )]
    Password,
    #[error("--store-user needs a password: put it into {PASSWORD} or --store-password-file")]
    NoPassword,
    #[error("cannot read {file}")]
    Read { file: PathBuf, source: io::Error },
    #[error(transparent)]
    Connect(#[from] ConnectError),
}

impl Store {
    /// Returns how to reach the servers; `None` when rooms are kept in this process. The command
    /// line is checked for a password, which must not be there.
    pub(crate) fn redis(
        &self,
        max_rooms: usize,
        command_line: impl Iterator<Item = String>,
    ) -> Result<Option<RedisOptions>, StoreFailure> {
        if self.store.is_empty() {
            return Ok(None);
        }
        let mut options = RedisOptions::new(self.store.iter().map(String::as_str))?;
        let mut command_line = command_line;
        let is_seen =
            command_line.any(|argument| self.store.iter().any(|url| argument.contains(url)));
        if is_seen && options.has_password_in_url() {
            return Err(StoreFailure::Password);
        }
        let read = |file: &PathBuf| {
            fs::read(file).map_err(|source| StoreFailure::Read { file: file.clone(), source })
        };
        let of_file = self.store_password_file.as_ref().map(read).transpose()?;
        let of_file = of_file.map(|bytes| String::from_utf8_lossy(&bytes).trim_end().to_owned());
        match (of_file.or_else(|| std::env::var(PASSWORD).ok()), &self.store_user) {
            (Some(password), user) => options.set_credentials(user.as_deref(), &password),
            (None, Some(user)) if options.has_password_in_url() => options.set_user(user),
            (None, Some(_)) => return Err(StoreFailure::NoPassword),
            (None, None) => {}
        }
        if let Some(file) = &self.store_ca {
            options.set_root_certificate(&read(file)?)?;
        }
        options.allow_unknown_posture = self.allow_unknown_store;
        options.max_rooms = max_rooms;
        Ok(Some(options))
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Given {
        #[command(flatten)]
        store: Store,
    }

    fn redis(arguments: &[&str]) -> Result<Option<RedisOptions>, StoreFailure> {
        let given = Given::parse_from(["anocm-server"].iter().chain(arguments));
        given.store.redis(7, arguments.iter().map(|&argument| argument.to_owned()))
    }

    #[test]
    fn rooms_are_kept_here_unless_it_is_said_where() {
        assert!(redis(&[]).unwrap().is_none());
        let options = redis(&["--store", "redis://a:1,redis://b:2", "--allow-unknown-store"]);
        let options = options.unwrap().unwrap();
        assert!(options.allow_unknown_posture && options.max_rooms == 7);
    }

    #[test]
    fn a_password_that_others_can_see_is_refused() {
        for arguments in
            [&["--store=redis://me:secret@a:1"][..], &["--store", "redis://b,redis://:secret@a:1"]]
        {
            assert!(matches!(redis(arguments), Err(StoreFailure::Password)));
        }
        // A password from the environment is accepted: it is not visible to other users.
        let given = Given::parse_from(["anocm-server", "--store=redis://me:secret@a:1"]);
        assert!(given.store.redis(7, std::iter::empty()).is_ok());
    }

    #[test]
    fn a_user_is_not_forgotten_for_want_of_a_password() {
        let refused = redis(&["--store", "redis://a:1", "--store-user", "me"]);
        assert!(matches!(refused, Err(StoreFailure::NoPassword)));
    }

    #[test]
    fn what_is_no_server_is_refused() {
        for url in ["http://a", "a:1", "redis://a:b"] {
            let refused = redis(&["--store", url]);
            assert!(matches!(refused, Err(StoreFailure::Connect(ConnectError::Url))), "{url}");
        }
    }
}
