//! Messages.

use anocm_core::{MessageId, Timestamp, name::clean_text, room};
use data_encoding::HEXLOWER;

use crate::{Member, Retention};

/// A message in a room.
#[derive(Clone, PartialEq, Eq, uniffi::Record)]
#[uniffi::export(Debug, Display)]
pub struct Message {
    /// The id that was returned to the sender when the message was queued: 32 hexadecimal digits.
    pub id: String,
    /// Its sequence number in the room's log.
    pub seq: u64,
    /// The sender, with the nickname of that time.
    pub sender: Member,
    /// The recipient of a whisper; absent for a message to all members.
    pub whispered_to: Option<Member>,
    /// Whether this guest sent it.
    pub own: bool,
    /// The text, safe to display: characters that could mislead a reader (control characters,
    /// bidirectional formatting, invisible characters) are replaced by U+FFFD.
    pub text: String,
    /// The retention: the sender's choice, limited to this guest's cap.
    pub retention: Retention,
    /// Milliseconds until it is wiped and an expiry event is sent; absent for a live message, which
    /// the program may show for as long as it likes.
    pub expires_in_millis: Option<u64>,
}

shown_as_name!(Message);

impl Message {
    pub(crate) fn new(message: &room::Message, now: Timestamp) -> Self {
        Self {
            id: id_text(&message.id),
            seq: message.seq.value(),
            sender: (&message.from).into(),
            whispered_to: message.whispered_to.as_ref().map(Into::into),
            own: message.own,
            text: clean_text(message.text.as_str()).into_owned(),
            retention: message.retention.into(),
            expires_in_millis: message.expires.map(|at| millis(at.saturating_duration_since(now))),
        }
    }
}

/// Converts an id for the host language.
pub(crate) fn id_text(id: &MessageId) -> String {
    HEXLOWER.encode(id.as_bytes())
}

/// Converts a time span for the host language.
pub(crate) fn millis(duration: std::time::Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use anocm_core::{room::Role, testing::sample};

    use super::*;

    #[test]
    fn what_steers_a_screen_is_made_visible() {
        let alice = sample::member("Alice".parse().unwrap(), 1, Role::Member);
        let said = |text| {
            let kept = anocm_core::Retention::Live;
            Message::new(&sample::message(&alice, 7, text, kept, None), Timestamp::from_millis(0))
        };
        assert_eq!(said("two\nlines").text, "two\nlines");
        assert_eq!(said("\u{202e}olleH").text, "\u{fffd}olleH");
        assert_eq!(said("x").id, "07".repeat(16));
        assert_eq!(said("x").expires_in_millis, None);
    }

    #[test]
    fn the_time_left_is_told_and_never_below_zero() {
        let alice = sample::member("Alice".parse().unwrap(), 1, Role::Member);
        let kept = anocm_core::Retention::keep(std::time::Duration::from_secs(5)).unwrap();
        let start = Timestamp::from_millis(0);
        let expires = Some(start.saturating_add(std::time::Duration::from_secs(5)));
        let message = sample::message(&alice, 7, "x", kept, expires);
        let left = |seconds| {
            let now = start.saturating_add(std::time::Duration::from_secs(seconds));
            Message::new(&message, now).expires_in_millis
        };
        assert_eq!([left(0), left(3), left(6)], [Some(5_000), Some(2_000), Some(0)]);
    }
}
