//! Obtains the link of a room without leaving it where others can read it.

mod ask;
mod hide;

use std::io::IsTerminal as _;

use anocm_core::{Invite, InviteError};
use zeroize::Zeroizing;

pub(crate) use hide::hide;

use crate::{
    args::Join,
    lines::{Line, Lines},
};

/// Why there is no usable link.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LinkError {
    #[error("no link was given")]
    None,
    #[error("the terminal is gone")]
    HungUp,
    #[error(transparent)]
    Invite(#[from] InviteError),
    #[error("the link cannot be read: {0}")]
    Read(#[from] std::io::Error),
}

/// Returns the link: from the argument, from the descriptor it was hidden in, from a prompt on the
/// terminal, or from the first line of standard input, of which `lines` then yields the rest.
pub(crate) async fn invite(join: &Join, lines: &mut Option<Lines>) -> Result<Invite, LinkError> {
    let given = match (&join.link, join.link_fd) {
        (Some(link), _) if link.as_str() != "-" => link.clone(),
        (_, Some(fd)) => hide::read(fd)?,
        // With a dash or without: on a terminal the link must not be echoed, and only the screen
        // may read keys later.
        _ if std::io::stdin().is_terminal() => ask::ask().await?,
        _ => first_line(lines).await?,
    };
    Ok(Invite::parse(given.trim())?)
}

async fn first_line(lines: &mut Option<Lines>) -> Result<Zeroizing<String>, LinkError> {
    let lines = match lines {
        Some(lines) => lines,
        None => lines.insert(Lines::of_stdin()?),
    };
    match lines.next().await {
        Some(Line::Text(text)) => Ok(text),
        Some(Line::Unfit) => Err(InviteError::Malformed.into()),
        None => Err(LinkError::None),
    }
}
