//! The message history, and when each message is wiped.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use super::Message;
use crate::{
    id::{MessageId, Seq},
    retention::{GuestRetention, RoomRetention},
    time::Timestamp,
};

/// Messages that are still kept, by sequence number. Whenever a message is removed, its id is
/// returned, so that it can be removed from every screen.
#[derive(Debug, Default)]
pub(super) struct History {
    messages: BTreeMap<Seq, Message>,
    /// Their ids, which senders choose: two messages with one id would expire together.
    ids: HashSet<MessageId>,
    deadlines: BTreeSet<(Timestamp, Seq)>,
}

impl History {
    /// Whether a message with this id is kept.
    pub(super) fn has(&self, id: MessageId) -> bool {
        self.ids.contains(&id)
    }

    /// Keeps a message until it expires; does not keep one without an expiry (a live one). At most
    /// `limit` are kept. Returns the id of a message that was evicted: the oldest at the limit, or
    /// another one at the same sequence number, which only a dishonest relay uses twice.
    #[must_use]
    pub(super) fn keep(&mut self, message: &Message, limit: usize) -> Option<MessageId> {
        let expires = message.expires?;
        self.deadlines.insert((expires, message.seq));
        self.ids.insert(message.id);
        if let Some(other) = self.messages.insert(message.seq, message.clone()) {
            if other.expires != message.expires {
                self.forget_deadline(&other);
            }
            if other.id != message.id {
                self.ids.remove(&other.id);
            }
            return Some(other.id);
        }
        if self.messages.len() <= limit {
            return None;
        }
        let (_, oldest) = self.messages.pop_first()?;
        self.forget_deadline(&oldest);
        self.ids.remove(&oldest.id);
        Some(oldest.id)
    }

    /// Wipes messages that are due, and returns their ids.
    pub(super) fn expire(&mut self, now: Timestamp) -> Vec<MessageId> {
        let mut expired = Vec::new();
        while let Some(&(deadline, seq)) = self.deadlines.first() {
            if deadline > now {
                break;
            }
            self.deadlines.pop_first();
            expired.extend(self.messages.remove(&seq).map(|message| message.id));
        }
        for id in &expired {
            self.ids.remove(id);
        }
        expired
    }

    /// Cuts the retention of every message to what the guest and the room now allow.
    pub(super) fn cut(&mut self, room: &RoomRetention, guest: GuestRetention) {
        for (seq, message) in &mut self.messages {
            let Some(expires) = message.expires else {
                continue;
            };
            let kept = room.keep(message.retention, guest);
            if kept < message.retention {
                let accepted = expires.saturating_sub(message.retention.lifetime());
                let sooner = accepted.saturating_add(kept.lifetime());
                self.deadlines.remove(&(expires, *seq));
                self.deadlines.insert((sooner, *seq));
                message.retention = kept;
                message.expires = Some(sooner);
            }
        }
    }

    /// Returns when the next message is due.
    pub(super) fn deadline(&self) -> Option<Timestamp> {
        self.deadlines.first().map(|&(deadline, _)| deadline)
    }

    /// Returns the kept messages, in order.
    pub(super) fn messages(&self) -> impl Iterator<Item = &Message> {
        self.messages.values()
    }

    fn forget_deadline(&mut self, message: &Message) {
        if let Some(expires) = message.expires {
            self.deadlines.remove(&(expires, message.seq));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::{
        id::MessageId, retention::Retention, room::MessageText, session::Role, testing::sample,
    };

    const MANY: usize = 100;

    fn at(seconds: u64) -> Timestamp {
        Timestamp::from_millis(seconds * 1_000)
    }

    /// A message sent at second zero and kept for `seconds`.
    fn message(number: u8, seconds: u64) -> Message {
        let from = sample::member("Alice".parse().unwrap(), 1, Role::Owner);
        let retention = Retention::keep(Duration::from_secs(seconds)).unwrap();
        sample::message(&from, number, "hello", retention, Some(at(seconds)))
    }

    const fn id(number: u8) -> MessageId {
        MessageId::new([number; 16])
    }

    #[test]
    fn a_message_leaves_at_its_deadline_and_not_before() {
        let mut history = History::default();
        assert_eq!(history.keep(&message(1, 10), MANY), None);
        assert_eq!(history.keep(&message(2, 5), MANY), None);
        assert_eq!(history.deadline(), Some(at(5)));
        assert_eq!(history.expire(Timestamp::from_millis(4_999)), []);
        assert_eq!(history.expire(at(5)), [id(2)]);
        assert_eq!(history.expire(at(60)), [id(1)]);
        assert_eq!(history.deadline(), None);
    }

    #[test]
    fn a_live_message_is_never_kept() {
        let mut history = History::default();
        let live = Message { expires: None, ..message(1, 5) };
        assert_eq!(history.keep(&live, MANY), None);
        assert_eq!(history.messages().count(), 0);
    }

    #[test]
    fn the_oldest_goes_when_there_are_too_many() {
        let mut history = History::default();
        assert_eq!(history.keep(&message(1, 10), 1), None);
        assert_eq!(history.keep(&message(2, 10), 1), Some(id(1)));
        assert_eq!(history.expire(at(10)), [id(2)]);
    }

    #[test]
    fn a_stricter_cap_cuts_what_is_kept_and_a_looser_one_gives_nothing_back() {
        let mut history = History::default();
        let _ = history.keep(&message(1, 60), MANY);
        let room = RoomRetention::default();
        let cap = |seconds| GuestRetention {
            cap: Retention::keep(Duration::from_secs(seconds)).ok(),
            ..GuestRetention::default()
        };
        history.cut(&room, cap(20));
        assert_eq!(history.deadline(), Some(at(20)));
        history.cut(&room, cap(40));
        assert_eq!(history.deadline(), Some(at(20)));
        history.cut(&room, cap(0));
        assert_eq!(history.expire(at(0)), [id(1)]);
    }

    #[test]
    fn the_text_is_gone_with_its_message() {
        let mut history = History::default();
        let text = MessageText::new("hello".to_owned());
        let said = Message { text: text.clone(), ..message(1, 5) };
        let _ = history.keep(&said, MANY);
        drop(said);
        assert!(!text.is_last());
        history.expire(at(5));
        assert!(text.is_last());
    }
}
