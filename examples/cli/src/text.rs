//! Events as text, for lines and for the screen.

use anocm_core::{
    Epoch, RoomEvent,
    room::{
        Confirmation, Connection, Departure, Ended, Member, Message, Role, RoomView, SafetyCode,
        Trouble,
    },
    wire::{CloseReason, Posture},
};

use crate::{
    duration::countdown,
    members::{label, label_of, one_line, role},
};

/// An event as text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct EventText {
    /// The kind of event: stable, so that scripts can look for it.
    pub(crate) word: &'static str,
    /// The rest of the sentence, on one line.
    pub(crate) text: String,
    /// Whether the event needs the guest's attention.
    pub(crate) bad: bool,
}

impl EventText {
    pub(crate) fn new(word: &'static str, text: impl Into<String>) -> Self {
        Self { word, text: text.into(), bad: false }
    }

    pub(crate) fn bad(word: &'static str, text: impl Into<String>) -> Self {
        Self { bad: true, ..Self::new(word, text) }
    }
}

/// Converts an event to text; `None` for messages, for events that a front end shows in its own
/// way, and for those that later versions of the library may add.
pub(crate) fn event(event: &RoomEvent, view: &RoomView) -> Option<EventText> {
    Some(match event {
        RoomEvent::Connection(connection) => {
            EventText::new("connection", self::connection(*connection))
        }
        RoomEvent::Entered => {
            EventText::new("entered", view.me.map_or_else(String::new, |me| label_of(view, me)))
        }
        RoomEvent::Heard { by } => EventText::new(
            "heard",
            format!("{}; the room is confirmed when its owner is heard", label(by)),
        ),
        RoomEvent::Confirmed { by } => EventText::new("confirmed", by_whom(by)),
        RoomEvent::Custom { from, kind, .. } => {
            EventText::new("custom", format!("{} sent content of kind {kind}", label(from)))
        }
        RoomEvent::NotSent { why, .. } => EventText::bad("not sent", why.to_string()),
        RoomEvent::Joined { member, again } => {
            let again = if *again { ", again" } else { "" };
            EventText::new("joined", format!("{}{again}", label(member)))
        }
        RoomEvent::Departed { member, how } => match how {
            Departure::Removed { by } => {
                EventText::new("removed", format!("{} by {}", label(member), label_of(view, *by)))
            }
            _ => EventText::new("left", label(member)),
        },
        RoomEvent::Renamed { member, before } => EventText::new(
            "renamed",
            format!("{} is now {}", one_line(before.as_str()), label(member)),
        ),
        RoomEvent::SettingsChanged { by } => {
            EventText::new("settings", format!("{}, changed by {}", keeps(view), label(by)))
        }
        RoomEvent::InviteReplaced { by } => EventText::new(
            "newlink",
            format!("the old link no longer works; replaced by {}", label(by)),
        ),
        RoomEvent::Presence { member, here } => {
            EventText::new(if *here { "here" } else { "away" }, label_of(view, *member))
        }
        RoomEvent::Trouble(trouble) => EventText::bad("trouble", self::trouble(trouble, view)),
        RoomEvent::Delayed { why, retry_in } => {
            EventText::new("delayed", format!("trying again in {}: {why}", countdown(*retry_in)))
        }
        RoomEvent::Recovered => EventText::new("recovered", "what was broken works again"),
        RoomEvent::Posture(posture) => EventText {
            bad: *posture == Posture::Broken,
            ..EventText::new("relay", self::posture(*posture))
        },
        RoomEvent::Ended(ended) => EventText::new("ended", self::ended(ended, Some(view))),
        _ => return None,
    })
}

fn by_whom(by: &Member) -> String {
    format!("by {}, {}", label(by), role(by.role))
}

/// Says in a few words whether this is the room that the link names, and whether that needs the
/// guest's attention.
pub(crate) fn confirmation_label(view: &RoomView) -> (bool, String) {
    match &view.confirmation {
        Confirmation::Opened => (false, "your room".to_owned()),
        Confirmation::Confirmed { by, epoch } => {
            let by = if by.role == Role::Owner { "" } else { " by a moderator" };
            let when = match changes_since(view, *epoch) {
                0 => String::new(),
                1 => ", 1 change ago".to_owned(),
                changes => format!(", {changes} changes ago"),
            };
            (false, format!("confirmed{by}{when}"))
        }
        Confirmation::Heard { .. } => (true, "not confirmed: owner not heard yet".to_owned()),
        _ => (true, "not confirmed: no member heard yet".to_owned()),
    }
}

/// Says what is known of it, in whole sentences.
pub(crate) fn confirmation(view: &RoomView) -> String {
    match &view.confirmation {
        Confirmation::Opened => "You opened this room.".to_owned(),
        Confirmation::Confirmed { by, epoch } => {
            let when = match changes_since(view, *epoch) {
                0 => "as the room is now".to_owned(),
                1 => "as it was before its last change".to_owned(),
                changes => format!("as it was {changes} changes ago"),
            };
            format!("The room is the one of the link: confirmed {}, {when}.", by_whom(by))
        }
        Confirmation::Heard { by } => format!(
            "Not confirmed: {} answered, which proves nothing yet. A relay that has the link could \
             have made this room and its members up. Say nothing secret until the owner is heard, \
             or compare the words by voice.",
            label(by)
        ),
        _ => {
            "Not confirmed: no member has answered. You may be alone, or be shown a room that the \
              relay made up, or one of the past. Say nothing secret yet."
                .to_owned()
        }
    }
}

fn changes_since(view: &RoomView, epoch: Epoch) -> u64 {
    view.epoch.value().saturating_sub(epoch.value())
}

/// Describes the room's retention rules.
pub(crate) fn keeps(view: &RoomView) -> String {
    let room = view.retention;
    format!("keeps {} ({} to {})", room.default_retention(), room.min(), room.max())
}

pub(crate) fn connection(connection: Connection) -> String {
    match connection {
        Connection::Connecting => "connecting".to_owned(),
        Connection::CatchingUp => "catching up".to_owned(),
        Connection::Online => "online".to_owned(),
        Connection::Waiting { retry_in, why } => {
            format!("trying again in {}: {why}", countdown(retry_in))
        }
        _ => "unknown".to_owned(),
    }
}

/// Describes the posture that the relay reports: a claim, not a proof.
pub(crate) const fn posture(posture: Posture) -> &'static str {
    match posture {
        Posture::Kept => "says it keeps everything in memory only",
        Posture::Unknown => "cannot say whether it keeps everything in memory only",
        Posture::Broken => "says its memory-only promise is broken",
    }
}

fn trouble(trouble: &Trouble, view: &RoomView) -> String {
    match trouble {
        Trouble::Gap { from, count } => format!(
            "{count} of the messages of {} are missing: the relay withheld them, or {0} skipped them",
            label_of(view, *from)
        ),
        Trouble::Missed { count } => {
            format!("{count} entries were live, or had expired, before you could see them")
        }
        Trouble::Unreadable { .. } => "something came that cannot be opened".to_owned(),
        Trouble::Repeated { by } => {
            format!("{} said something under a number used before", label_of(view, *by))
        }
        Trouble::Broken { by } => format!(
            "the room is broken by {}; nothing can be said until that is taken back",
            by.map_or_else(|| "somebody".to_owned(), |by| label_of(view, by))
        ),
        Trouble::CannotCommit => {
            "a change that is made for all cannot be made: keys stay as they are".to_owned()
        }
        Trouble::DishonestRelay => "the relay contradicts itself or the members".to_owned(),
        Trouble::ReadOnly => {
            "the relay takes nothing new: its memory-only promise is broken".to_owned()
        }
        Trouble::Rejoined => {
            "you were away too long and came in again; what was said meanwhile is gone, and the room \
             is not confirmed any more"
                .to_owned()
        }
        Trouble::LessThanAsked { policy } => format!(
            "the relay allows less than was asked for: messages are kept for {} at most, the room \
             ends after {}, and {} after its last connection",
            policy.max_retention,
            countdown(policy.max_age()),
            countdown(policy.linger()),
        ),
        _ => "of a kind this program does not know".to_owned(),
    }
}

/// Describes why the room ended; without names when there is no view to take them from.
pub(crate) fn ended(ended: &Ended, view: Option<&RoomView>) -> String {
    match ended {
        Ended::Left => "you left".to_owned(),
        Ended::Removed { by } => match view {
            Some(view) => format!("you were removed by {}", label_of(view, *by)),
            None => "you were removed".to_owned(),
        },
        Ended::Closed(CloseReason::Owner) => "its owner closed the room".to_owned(),
        Ended::Closed(CloseReason::Age) => "the room reached its largest age".to_owned(),
        Ended::Closed(_) => "the room is gone".to_owned(),
        Ended::NotLetIn(why) => format!("not let in: {why}"),
        Ended::DishonestRelay => "the relay is dishonest; it is not safe to go on".to_owned(),
        Ended::Wiped => "everything here is wiped".to_owned(),
        Ended::NewerProgram => "the room now needs a newer version of this program".to_owned(),
        _ => "for a reason this program does not know".to_owned(),
    }
}

/// Returns `(whisper to Bob #M3XD) `, or nothing.
pub(crate) fn whispered(message: &Message) -> String {
    match &message.whispered_to {
        Some(to) if message.own => format!("(whisper to {}) ", label(to)),
        Some(_) => "(whisper) ".to_owned(),
        None => String::new(),
    }
}

/// Formats the safety code, which members compare, in one line.
pub(crate) fn safety(code: &SafetyCode, ascii: bool) -> String {
    let words = code.words().join(" ");
    if ascii { words } else { format!("{} / {words}", code.emoji().join(" ")) }
}

#[cfg(test)]
mod tests {
    use anocm_core::testing::sample;

    use super::*;

    #[test]
    fn a_gap_accuses_neither_the_relay_nor_the_sender_alone() {
        let bob = sample::member("Bob".parse().unwrap(), 2, Role::Member);
        let view = sample::view(std::slice::from_ref(&bob));
        let told = trouble(&Trouble::Gap { from: bob.id, count: 2 }, &view);
        assert!(told.contains("the relay withheld them, or "), "{told}");
        assert!(told.ends_with(" skipped them") && told.contains("Bob"), "{told}");
    }

    #[test]
    fn each_state_of_confirmation_is_told_from_the_others() {
        let of = |name: &str, number, role| sample::member(name.parse().unwrap(), number, role);
        let (alice, bob) = (of("Alice", 1, Role::Owner), of("Bob", 2, Role::Member));
        let moderator = of("Carol", 3, Role::Moderator);
        let mut view = sample::view(&[alice.clone(), bob.clone()]);
        view.epoch = Epoch::new(9);
        let by = |by: &Member, epoch| {
            let (by, epoch) = (by.clone(), Epoch::new(epoch));
            Confirmation::Confirmed { by, epoch }
        };
        let cases = [
            (Confirmation::Opened, false, "your room", "You opened this room."),
            (by(&alice, 9), false, "confirmed", "owner, as the room is now."),
            (by(&alice, 8), false, "confirmed, 1 change ago", "before its last change."),
            (by(&moderator, 2), false, "confirmed by a moderator, 7 changes ago", "7 changes ago."),
            (by(&alice, 99), false, "confirmed", "as the room is now."),
            (Confirmation::Heard { by: bob }, true, "not confirmed: owner not heard yet", "voice."),
            (Confirmation::Unheard, true, "not confirmed: no member heard yet", "secret yet."),
        ];
        for (state, bad, label, end) in cases {
            view.confirmation = state;
            assert_eq!(confirmation_label(&view), (bad, label.to_owned()));
            let told = confirmation(&view);
            assert!(told.ends_with(end), "{told}");
        }
        let later = ended(&Ended::NewerProgram, None);
        assert_eq!(later, "the room now needs a newer version of this program");
    }

    #[test]
    fn events_are_told_with_names_and_tags() {
        let alice = sample::member("Alice".parse().unwrap(), 1, Role::Owner);
        let bob = sample::member("Bob".parse().unwrap(), 2, Role::Member);
        let view = sample::view(std::slice::from_ref(&alice));
        let joined = RoomEvent::Joined { member: bob.clone(), again: false };
        let told = event(&joined, &view).unwrap();
        assert_eq!((told.word, told.text), ("joined", format!("Bob #{}", bob.tag)));
        let removed =
            RoomEvent::Departed { member: bob.clone(), how: Departure::Removed { by: alice.id } };
        assert_eq!(
            event(&removed, &view).unwrap().text,
            format!("Bob #{} by Alice #{}", bob.tag, alice.tag)
        );
        let gone = RoomEvent::Trouble(Trouble::Repeated { by: bob.id });
        let told = event(&gone, &view).unwrap();
        assert!(told.bad && told.text.starts_with("somebody who is gone"));
    }
}
