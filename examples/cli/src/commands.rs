//! The input of a guest: text, or a command after a slash. The same in every mode.

use anocm_core::{Retention, RetentionError};
use zeroize::Zeroizing;

/// A parsed line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Typed {
    /// An empty line.
    Nothing,
    /// A message to all members.
    Say(Zeroizing<String>),
    /// A message to one member: recipient and text, not split yet because only the roster
    /// determines where a name ends.
    Whisper(Zeroizing<String>),
    /// How long this guest's messages are kept; `None` restores the room's default.
    Keep(Option<Retention>),
    /// The longest time that anything is kept here; `None` is no cap.
    Cap(Option<Retention>),
    /// Change the nickname.
    Nick(String),
    /// List the members.
    Members,
    /// Remove a member.
    Kick(String),
    /// Make a member a moderator, or revoke that.
    Mod {
        /// The member.
        who: String,
        /// Whether the member becomes a moderator.
        on: bool,
    },
    /// Show the link.
    Link,
    /// Replace the link.
    NewLink,
    /// Show the safety code, which members compare.
    Safety,
    /// Commit fresh keys.
    Refresh,
    /// Leave the room.
    Leave,
    /// End the room for all members.
    Burn,
    /// Forget everything here and stop at once.
    Wipe,
    /// Show the commands.
    Help,
}

/// Why a typed line cannot be executed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum TypeError {
    #[error("there is no such command; /help lists them, //text sends a text with a slash")]
    Unknown,
    #[error("write it like this: {0}")]
    Usage(&'static str),
    #[error(transparent)]
    Time(#[from] RetentionError),
}

/// The commands, as `/help` shows them: syntax and effect.
pub(crate) const HELP: &[(&str, &str)] = &[
    ("/keep TIME", "how long what you send is kept: 30s 5m 1h 1d live, or room"),
    ("/live", "send without keeping anything, as /keep live"),
    ("/cap TIME|off", "the longest that anything is kept here"),
    ("/nick NAME", "be called something else"),
    ("/whisper NAME TEXT", "say something to one member (/w)"),
    ("/members", "who is here"),
    ("/safety", "what to compare with the others"),
    ("/refresh", "fresh keys now: who copied yours hears no more"),
    ("/link", "show the link for newcomers"),
    ("/newlink", "replace the link: the old one stops working"),
    ("/kick NAME", "remove a member and replace the link"),
    ("/mod NAME on|off", "let a member remove others, or no longer (new link)"),
    ("/leave", "leave the room"),
    ("/burn", "end the room for everyone; asks once"),
    ("/wipe", "forget everything here and stop at once"),
    ("//text", "send a text that begins with a slash"),
];

/// Parses a typed line. A line that begins with one slash is never sent as text.
pub(crate) fn parse(line: &str) -> Result<Typed, TypeError> {
    let line = line.trim();
    if line.is_empty() {
        return Ok(Typed::Nothing);
    }
    let Some(command) = line.strip_prefix('/') else {
        return Ok(Typed::Say(Zeroizing::new(line.to_owned())));
    };
    if command.starts_with('/') {
        return Ok(Typed::Say(Zeroizing::new(command.to_owned())));
    }
    let (word, rest) = command
        .split_once(char::is_whitespace)
        .map_or((command, ""), |(word, rest)| (word, rest.trim()));
    with_argument(&word.to_ascii_lowercase(), rest)
}

fn with_argument(word: &str, rest: &str) -> Result<Typed, TypeError> {
    let needed = |usage| match rest {
        "" => Err(TypeError::Usage(usage)),
        rest => Ok(rest),
    };
    Ok(match word {
        "keep" => match needed("/keep TIME, for example /keep 30s, or /keep room")? {
            "room" => Typed::Keep(None),
            time => Typed::Keep(Some(time.parse()?)),
        },
        "cap" => match needed("/cap TIME, for example /cap 1m, or /cap off")? {
            "off" => Typed::Cap(None),
            time => Typed::Cap(Some(time.parse()?)),
        },
        "nick" => Typed::Nick(needed("/nick NAME")?.to_owned()),
        "whisper" | "w" => Typed::Whisper(Zeroizing::new(needed("/whisper NAME TEXT")?.to_owned())),
        "kick" => Typed::Kick(needed("/kick NAME")?.to_owned()),
        "mod" => {
            let usage = TypeError::Usage("/mod NAME on, or /mod NAME off");
            let (who, on) = rest.rsplit_once(char::is_whitespace).ok_or(usage.clone())?;
            let on = match on {
                "on" => true,
                "off" => false,
                _ => return Err(usage),
            };
            Typed::Mod { who: who.trim().to_owned(), on }
        }
        // Reject extra words: the line may be a message that was typed by mistake after a slash.
        word if rest.is_empty() => plain_word(word)?,
        word => {
            plain_word(word)?;
            return Err(TypeError::Usage("the command alone, without anything after it"));
        }
    })
}

fn plain_word(word: &str) -> Result<Typed, TypeError> {
    Ok(match word {
        "live" => Typed::Keep(Some(Retention::Live)),
        "members" => Typed::Members,
        "link" => Typed::Link,
        "newlink" => Typed::NewLink,
        "safety" => Typed::Safety,
        "refresh" => Typed::Refresh,
        "leave" => Typed::Leave,
        "burn" => Typed::Burn,
        "wipe" => Typed::Wipe,
        "help" => Typed::Help,
        _ => return Err(TypeError::Unknown),
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn say(text: &str) -> Result<Typed, TypeError> {
        Ok(Typed::Say(Zeroizing::new(text.to_owned())))
    }

    #[test]
    fn text_is_said_and_two_slashes_are_one() {
        assert_eq!(parse("hello /leave"), say("hello /leave"));
        assert_eq!(parse("//leave"), say("/leave"));
        assert_eq!(parse("///x"), say("//x"));
        assert_eq!(parse(" \t "), Ok(Typed::Nothing));
    }

    #[test]
    fn times_are_read_for_keep_and_cap() {
        let minute = Some("1m".parse().unwrap());
        assert_eq!(parse("/keep 1m"), Ok(Typed::Keep(minute)));
        assert_eq!(parse("/KEEP 60"), Ok(Typed::Keep(minute)));
        assert_eq!(parse("/keep room"), Ok(Typed::Keep(None)));
        assert_eq!(parse("/keep 0"), parse("/live"));
        assert_eq!(parse("/cap 1m"), Ok(Typed::Cap(minute)));
        assert_eq!(parse("/cap off"), Ok(Typed::Cap(None)));
        assert!(matches!(parse("/keep"), Err(TypeError::Usage(_))));
        assert!(matches!(parse("/keep soon"), Err(TypeError::Time(_))));
    }

    #[test]
    fn names_keep_their_spaces() {
        assert_eq!(parse("/nick  Carol Ann "), Ok(Typed::Nick("Carol Ann".into())));
        assert_eq!(
            parse("/mod Carol Ann #7K2Q off"),
            Ok(Typed::Mod { who: "Carol Ann #7K2Q".into(), on: false })
        );
        assert!(matches!(parse("/mod Carol"), Err(TypeError::Usage(_))));
        assert!(matches!(parse("/mod Carol maybe"), Err(TypeError::Usage(_))));
        assert_eq!(parse("/w Bob hi"), Ok(Typed::Whisper(Zeroizing::new("Bob hi".to_owned()))));
    }

    #[test]
    fn what_is_no_command_is_an_error_and_not_a_message() {
        for line in ["/", "/quit", "/ leave", "/kee 30s", "/whispe Bob secret"] {
            assert_eq!(parse(line), Err(TypeError::Unknown), "{line}");
        }
        for line in ["/leave now", "/burn it", "/kick", "/whisper"] {
            assert!(matches!(parse(line), Err(TypeError::Usage(_))), "{line}");
        }
    }

    #[test]
    fn every_command_of_the_help_exists() {
        for (usage, _) in HELP {
            let word = usage.split_whitespace().next().unwrap();
            assert_ne!(parse(word), Err(TypeError::Unknown), "{word}");
        }
    }

    proptest! {
        #[test]
        fn no_line_makes_it_panic(line in "\\PC{0,40}") {
            let _ = parse(&line);
        }

        #[test]
        fn a_command_is_never_sent_as_text(line in "/[^/]\\PC{0,20}") {
            prop_assert!(!matches!(parse(&line), Ok(Typed::Say(_))));
        }
    }
}
