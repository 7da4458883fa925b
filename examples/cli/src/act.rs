//! Executes what was typed.

use anocm_core::{
    Command, GuestRetention, MessageId, NicknameError,
    room::{CommandError, Member, Role},
};

use crate::{
    commands::{TypeError, Typed},
    members::{self, WhoError},
    room::Room,
};

/// The result of a typed line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Done {
    /// Nothing to show; the room's events report the outcome.
    Quietly,
    /// A message was queued under this id.
    Queued(MessageId),
    /// A note of one line for the guest.
    Note(String),
    /// A page to show.
    Show(Page),
    /// The guest leaves in good order.
    Leaving,
    /// The guest wipes everything at once.
    Wiping,
}

/// The pages that a guest can open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Page {
    Help,
    Link,
    /// The link as a QR code alone, when link and code do not fit together.
    Code,
    Members,
    Safety,
}

/// Why a typed line had no effect.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ActError {
    #[error(transparent)]
    Typed(#[from] TypeError),
    #[error(transparent)]
    Who(#[from] WhoError),
    #[error(transparent)]
    Name(#[from] NicknameError),
    #[error(transparent)]
    Room(#[from] CommandError),
}

/// Executes typed lines; remembers that `/burn` was typed once, since it must be repeated.
#[derive(Debug, Default)]
pub(crate) struct Actor {
    burn_asked: bool,
}

impl Actor {
    /// Executes one line.
    pub(crate) fn act<R: Room>(&mut self, room: &R, typed: Typed) -> Result<Done, ActError> {
        let asked_before = std::mem::take(&mut self.burn_asked);
        match typed {
            Typed::Nothing => Ok(Done::Quietly),
            Typed::Say(text) => {
                queue(room, Command::Send { text: text.to_string(), retention: None })
            }
            Typed::Whisper(line) => whisper(room, &line),
            Typed::Keep(_) | Typed::Cap(_) => retain(room, &typed),
            Typed::Nick(name) => send(room, Command::Rename(name.parse()?)),
            Typed::Kick(who) => {
                let id = meant(room, &who)?.id;
                send(room, Command::Remove(id))
            }
            Typed::Mod { who, on } => {
                let id = meant(room, &who)?.id;
                let role = if on { Role::Moderator } else { Role::Member };
                send(room, Command::SetRole(id, role))
            }
            Typed::NewLink => send(room, Command::ReplaceInvite),
            Typed::Refresh => send(room, Command::RefreshKeys),
            Typed::Burn if asked_before => send(room, Command::Close),
            Typed::Burn => {
                self.burn_asked = true;
                Ok(Done::Note("this ends the room for everyone; /burn again to do it".to_owned()))
            }
            Typed::Members => Ok(Done::Show(Page::Members)),
            Typed::Link => Ok(Done::Show(Page::Link)),
            Typed::Safety => Ok(Done::Show(Page::Safety)),
            Typed::Help => Ok(Done::Show(Page::Help)),
            Typed::Leave => Ok(Done::Leaving),
            Typed::Wipe => Ok(Done::Wiping),
        }
    }
}

fn meant<R: Room>(room: &R, who: &str) -> Result<Member, ActError> {
    Ok(members::who(&room.view().members, who)?.clone())
}

fn send<R: Room>(room: &R, command: Command) -> Result<Done, ActError> {
    room.command(command)?;
    Ok(Done::Quietly)
}

fn queue<R: Room>(room: &R, command: Command) -> Result<Done, ActError> {
    let id = room.command(command)?;
    Ok(id.map_or(Done::Quietly, Done::Queued))
}

fn whisper<R: Room>(room: &R, line: &str) -> Result<Done, ActError> {
    let members = room.view().members;
    let (member, text) = members::split_who(&members, line)?;
    if text.is_empty() {
        return Err(TypeError::Usage("/whisper NAME TEXT").into());
    }
    queue(room, Command::Whisper { to: member.id, text: text.to_owned(), retention: None })
}

/// Sets the guest's default or cap and reports the resulting retention, since the strictest rule
/// wins.
fn retain<R: Room>(room: &R, typed: &Typed) -> Result<Done, ActError> {
    let view = room.view();
    let guest = match *typed {
        Typed::Keep(default) => GuestRetention { default, ..view.guest_retention },
        Typed::Cap(cap) => GuestRetention { cap, ..view.guest_retention },
        _ => view.guest_retention,
    };
    room.command(Command::SetGuestRetention(guest))?;
    let kept = view.retention.choose(None, guest);
    let cap = guest
        .cap
        .map_or_else(String::new, |cap| format!("; nothing is kept here longer than {cap}"));
    Ok(Done::Note(if kept.is_live() {
        format!("what you send is live, never kept{cap}")
    } else {
        format!("what you send is kept {kept}{cap}")
    }))
}

#[cfg(test)]
mod tests {
    use anocm_core::{room::Role, testing::sample};

    use super::*;
    use crate::{commands::parse, room::script::Scripted};

    fn room() -> Scripted {
        let members = [("Alice", 1), ("Bob", 2)]
            .map(|(name, n)| sample::member(name.parse().unwrap(), n, Role::Member));
        Scripted::new(sample::view(&members))
    }

    fn type_lines(room: &Scripted, lines: &[&str]) -> Vec<Result<Done, ActError>> {
        let mut actor = Actor::default();
        let mut all = Vec::new();
        for line in lines {
            all.push(match parse(line) {
                Ok(typed) => actor.act(room, typed),
                Err(error) => Err(error.into()),
            });
        }
        all
    }

    #[test]
    fn a_room_is_burnt_only_when_asked_twice_in_a_row() {
        let room = room();
        let done = type_lines(&room, &["/burn", "hello", "/burn"]);
        assert!(matches!(done[2], Ok(Done::Note(_))));
        assert!(matches!(room.asked().as_slice(), [Command::Send { .. }]));
        let done = type_lines(&room, &["/burn", "/burn"]);
        assert_eq!(done[1], Ok(Done::Quietly));
        assert!(matches!(room.asked().last(), Some(Command::Close)));
    }

    #[test]
    fn keys_are_refreshed_when_that_alone_is_typed() {
        let room = room();
        let done = type_lines(&room, &["/refresh", "/refresh now"]);
        assert_eq!(done[0], Ok(Done::Quietly));
        assert!(matches!(done[1], Err(ActError::Typed(TypeError::Usage(_)))));
        assert!(matches!(room.asked().as_slice(), [Command::RefreshKeys]));
    }

    #[test]
    fn a_whisper_goes_to_whom_it_names_or_nowhere() {
        let room = room();
        let done = type_lines(&room, &["/w Bob psst", "/w Dave psst", "/w Bob"]);
        assert!(matches!(done[0], Ok(Done::Queued(_))));
        assert_eq!(done[1], Err(WhoError::Nobody.into()));
        assert!(matches!(done[2], Err(ActError::Typed(TypeError::Usage(_)))));
        let asked = room.asked();
        let [Command::Whisper { to, text, .. }] = asked.as_slice() else { panic!("one whisper") };
        assert_eq!((*to, text.as_str()), (room.view().members[1].id, "psst"));
    }

    #[test]
    fn what_is_kept_is_said_with_the_strictest_rule() {
        let done = type_lines(&room(), &["/keep 30s", "/live", "/keep 2d", "/cap 1m"]);
        let notes: Vec<_> = done
            .into_iter()
            .map(|done| match done {
                Ok(Done::Note(note)) => note,
                other => panic!("{other:?}"),
            })
            .collect();
        assert_eq!(notes[0], "what you send is kept 30s");
        assert_eq!(notes[1], "what you send is live, never kept");
        assert_eq!(notes[2], "what you send is kept 1d");
        assert_eq!(notes[3], "what you send is kept 1m; nothing is kept here longer than 1m");
    }
}
