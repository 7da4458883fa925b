//! The state of the screen and its expiry times. Independent of terminal and clock.

use std::{collections::VecDeque, time::Duration};

use anocm_core::{
    MemberId, MessageId, RoomEvent, Timestamp,
    room::{Message, RoomView},
};

use super::{input::Input, look::Look};
use crate::{
    act::Page,
    text::{self, EventText},
};

/// How long a live message stays on the screen.
pub(super) const LIVE_SHOWN: Duration = Duration::from_secs(60);

/// How long a notice about an event stays: it contains names, so it is short-lived, too.
pub(super) const NOTICE_SHOWN: Duration = Duration::from_secs(120);

/// How long a member is shown as typing after the last notification.
const TYPING_SHOWN: Duration = Duration::from_secs(5);

/// The maximum number of items on the screen, however much is kept; the oldest go first.
const MOST: usize = 10_000;

/// An item on the screen, until it expires.
#[derive(Debug)]
pub(super) struct Item {
    pub(super) what: What,
    /// When the item vanishes.
    pub(super) until: Timestamp,
}

#[derive(Debug)]
pub(super) enum What {
    Said(Message),
    Notice(EventText),
}

impl Item {
    fn id(&self) -> Option<MessageId> {
        match &self.what {
            What::Said(message) => Some(message.id),
            What::Notice(_) => None,
        }
    }

    /// Whether the remaining time of the item is shown.
    pub(super) const fn counts_down(&self) -> bool {
        matches!(&self.what, What::Said(message) if message.expires.is_some())
    }
}

/// The state of the screen beside the room's view.
#[derive(Debug)]
pub(super) struct State {
    pub(super) items: VecDeque<Item>,
    pub(super) input: Input,
    /// The page shown instead of the conversation, until Escape or Enter.
    pub(super) page: Option<Page>,
    /// The page shown after that one.
    pub(super) next_page: Option<Page>,
    /// Rows of the page above the visible part.
    pub(super) page_top: usize,
    /// The value of `page_top` when the end of the page is visible.
    pub(super) page_last: usize,
    /// Rows between the newest row and the bottom of the visible part.
    pub(super) scroll: usize,
    /// The number of rows last shown, by which PageUp and PageDown scroll.
    pub(super) height: usize,
    pub(super) qr: bool,
    pub(super) look: Look,
    typing: Vec<(MemberId, Timestamp)>,
    /// Something that was shown must no longer be visible.
    forgot: bool,
}

impl State {
    pub(super) fn new(look: Look, qr: bool) -> Self {
        Self {
            items: VecDeque::new(),
            input: Input::new(),
            page: None,
            next_page: None,
            page_top: 0,
            page_last: 0,
            scroll: 0,
            height: 1,
            qr,
            look,
            typing: Vec::new(),
            forgot: false,
        }
    }

    /// Applies an event. `view` is the state after it.
    pub(super) fn apply(&mut self, event: &RoomEvent, view: &RoomView, now: Timestamp) {
        match event {
            RoomEvent::Message(message) => {
                self.typing.retain(|(member, _)| *member != message.from.id);
                let until =
                    message.expires.unwrap_or_else(|| now.saturating_add(shown(LIVE_SHOWN, view)));
                self.push(What::Said(message.clone()), until);
            }
            RoomEvent::Expired { id } => {
                self.items.retain(|item| item.id() != Some(*id));
                self.forgot = true;
            }
            RoomEvent::Typing { member } => {
                self.typing.retain(|(other, _)| other != member);
                self.typing.push((*member, now.saturating_add(TYPING_SHOWN)));
            }
            // The panel shows presence.
            RoomEvent::Presence { .. } => {}
            other => {
                if let Some(notice) = text::event(other, view) {
                    self.push_event(notice, view, now);
                }
            }
        }
    }

    /// Shows a notice about an event, no longer than the guest's cap allows.
    pub(super) fn push_event(&mut self, notice: EventText, view: &RoomView, now: Timestamp) {
        self.push(What::Notice(notice), now.saturating_add(shown(NOTICE_SHOWN, view)));
    }

    fn push(&mut self, what: What, until: Timestamp) {
        if self.items.len() >= MOST {
            self.items.pop_front();
            self.forgot = true;
        }
        self.items.push_back(Item { what, until });
    }

    /// Applies the kept history after a change of the guest's cap.
    pub(super) fn follow(&mut self, history: &[Message], view: &RoomView, now: Timestamp) {
        for item in &mut self.items {
            match &mut item.what {
                What::Said(said) if said.expires.is_some() => {
                    match history.iter().find(|kept| kept.id == said.id) {
                        Some(kept) => {
                            item.until = kept.expires.unwrap_or(item.until);
                            *said = kept.clone();
                        }
                        None => item.until = Timestamp::ZERO,
                    }
                }
                What::Said(_) => {
                    item.until = item.until.min(now.saturating_add(shown(LIVE_SHOWN, view)))
                }
                What::Notice(_) => {
                    item.until = item.until.min(now.saturating_add(shown(NOTICE_SHOWN, view)))
                }
            }
        }
    }

    /// Removes expired items. Returns whether anything was removed.
    pub(super) fn expire(&mut self, now: Timestamp) -> bool {
        let before = self.items.len() + self.typing.len();
        self.items.retain(|item| item.until > now);
        self.typing.retain(|(_, until)| *until > now);
        let forgot = before != self.items.len() + self.typing.len();
        self.forgot |= forgot;
        forgot
    }

    /// Returns whether anything was forgotten since the last call.
    pub(super) fn take_forgot(&mut self) -> bool {
        std::mem::take(&mut self.forgot)
    }

    /// Returns when the screen changes by itself: an item vanishes, or the countdowns advance, once
    /// a second for all of them together.
    pub(super) fn next_change(&self, now: Timestamp) -> Option<Timestamp> {
        let vanish = self.items.iter().map(|item| item.until);
        let typing = self.typing.iter().map(|(_, until)| *until);
        let second = Timestamp::from_millis((now.as_millis() / 1_000 + 1) * 1_000);
        let counts = self.items.iter().any(Item::counts_down).then_some(second);
        vanish.chain(typing).chain(counts).min()
    }

    /// Opens the page after this one, or the conversation.
    pub(super) fn turn_page(&mut self) {
        self.page = self.next_page.take();
        self.page_top = 0;
    }

    /// Returns to the conversation.
    pub(super) fn close_page(&mut self) {
        self.next_page = None;
        self.turn_page();
    }

    /// Returns the members of the room that are typing.
    pub(super) fn typing<'a>(&self, view: &'a RoomView) -> Vec<&'a anocm_core::room::Member> {
        view.members
            .iter()
            .filter(|member| Some(member.id) != view.me)
            .filter(|member| self.typing.iter().any(|(id, _)| *id == member.id))
            .collect()
    }

    /// Forgets everything at once.
    pub(super) fn wipe(&mut self) {
        self.items = VecDeque::new();
        self.typing = Vec::new();
        self.input.clear();
        self.page = None;
    }
}

/// Returns how long something that is not kept is shown: `most`, or the guest's cap if that is
/// shorter. With a cap of live there must still be time to read.
fn shown(most: Duration, view: &RoomView) -> Duration {
    match view.guest_retention.cap {
        Some(cap) if cap.is_live() => LIVE_SHOWN,
        Some(cap) => cap.lifetime().min(most),
        None => most,
    }
}

#[cfg(test)]
mod tests {
    use anocm_core::{
        Retention,
        room::{Member, Role},
        testing::sample,
    };

    use super::*;

    fn bob() -> Member {
        sample::member("Bob".parse().unwrap(), 2, Role::Member)
    }

    fn view() -> RoomView {
        sample::view(&[sample::member("Alice".parse().unwrap(), 1, Role::Owner), bob()])
    }

    fn at(millis: u64) -> Timestamp {
        Timestamp::from_millis(millis)
    }

    fn state() -> State {
        State::new(Look::plain(true), false)
    }

    fn kept(number: u8, expires: u64) -> Message {
        let retention = Retention::keep(Duration::from_secs(300)).unwrap();
        sample::message(&bob(), number, "hi", retention, Some(at(expires)))
    }

    #[test]
    fn a_message_vanishes_at_its_time_without_an_event() {
        let mut state = state();
        state.apply(&RoomEvent::Message(kept(1, 5_500)), &view(), at(0));
        assert_eq!(state.next_change(at(300)), Some(at(1_000)));
        assert_eq!(state.next_change(at(5_000)), Some(at(5_500)));
        assert!(!state.expire(at(5_499)));
        assert!(state.expire(at(5_500)));
        assert_eq!(state.next_change(at(5_500)), None);
    }

    #[test]
    fn a_message_vanishes_when_told() {
        let mut state = state();
        let message = kept(1, 5_500);
        state.apply(&RoomEvent::Message(message.clone()), &view(), at(0));
        state.apply(&RoomEvent::Expired { id: message.id }, &view(), at(1));
        assert!(state.items.is_empty());
    }

    #[test]
    fn live_messages_and_tidings_vanish_without_counting() {
        let mut state = state();
        let live = sample::message(&bob(), 1, "hi", Retention::Live, None);
        state.apply(&RoomEvent::Message(live), &view(), at(0));
        state.apply(&RoomEvent::Confirmed { by: bob() }, &view(), at(0));
        assert_eq!(state.next_change(at(0)), Some(Timestamp::ZERO.saturating_add(LIVE_SHOWN)));
        state.expire(Timestamp::ZERO.saturating_add(LIVE_SHOWN));
        assert_eq!(state.next_change(at(0)), Some(Timestamp::ZERO.saturating_add(NOTICE_SHOWN)));
        state.expire(Timestamp::ZERO.saturating_add(NOTICE_SHOWN));
        assert_eq!(state.next_change(at(0)), None);
    }

    #[test]
    fn a_cap_holds_for_what_is_not_kept() {
        let mut capped = view();
        let live = |number| {
            RoomEvent::Message(sample::message(&bob(), number, "hi", Retention::Live, None))
        };
        let mut state = state();
        state.apply(&live(1), &capped, at(0));
        state.apply(&RoomEvent::Confirmed { by: bob() }, &capped, at(0));
        capped.guest_retention.cap = Retention::keep(Duration::from_secs(5)).ok();
        state.follow(&[], &capped, at(1_000));
        state.apply(&live(2), &capped, at(1_000));
        state.apply(&RoomEvent::Recovered, &capped, at(1_000));
        assert!(!state.expire(at(5_999)));
        assert!(state.expire(at(6_000)));
        assert!(state.items.is_empty());
        // Never kept, but shown long enough to be read.
        capped.guest_retention.cap = Some(Retention::Live);
        state.apply(&live(3), &capped, at(7_000));
        assert_eq!(state.next_change(at(7_000)), Some(at(67_000)));
    }

    #[test]
    fn typing_ends_with_the_message_or_by_itself() {
        let mut state = state();
        let typing = RoomEvent::Typing { member: bob().id };
        state.apply(&typing, &view(), at(0));
        assert_eq!(state.typing(&view()).len(), 1);
        state.apply(&RoomEvent::Message(kept(1, 90_000)), &view(), at(10));
        assert!(state.typing(&view()).is_empty());
        state.apply(&typing, &view(), at(20));
        assert!(state.expire(Timestamp::from_millis(20).saturating_add(TYPING_SHOWN)));
    }

    #[test]
    fn a_new_cap_holds_for_what_is_on_the_screen() {
        let mut state = state();
        for number in [1, 2] {
            state.apply(&RoomEvent::Message(kept(number, 90_000)), &view(), at(0));
        }
        state.follow(&[kept(1, 10_000)], &view(), at(0));
        state.expire(at(1));
        assert_eq!(state.items.len(), 1);
        assert_eq!(state.next_change(at(9_999)), Some(at(10_000)));
    }
}
