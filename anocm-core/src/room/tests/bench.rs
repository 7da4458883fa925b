//! Guests whose machines are driven by hand. The test controls the clock. For each guest it may
//! reply in place of the relay, change or hold back replies, and leave out events.

use std::{
    ops::{Index, IndexMut},
    time::Duration,
};

use super::{
    guest::{Guest, is_enter, once, sent_to_the_door},
    relay::Relay,
};
use crate::{
    id::{MessageId, Seq},
    invite::{Invite, RelayUrl},
    retention::Retention,
    room::{Command, Machine, MachineConfig, NewRoom, Ticket},
    secret::Secret,
    time::Timestamp,
    wire::{Event, Posture, Refusal, Request},
};

/// Most steps without the clock advancing; only an endless loop reaches it.
const LOOP: usize = 500;

/// The guests, in the order in which they joined.
pub(super) const ALICE: usize = 0;
pub(super) const BOB: usize = 1;
pub(super) const CAROL: usize = 2;
pub(super) const DAVE: usize = 3;
const NAMES: [&str; 4] = ["Alice", "Bob", "Carol", "Dave"];

/// A few guests, their relay and the clock.
pub(super) struct Bench {
    pub(super) now: Timestamp,
    pub(super) relay: Relay,
    guests: Vec<Guest>,
    /// The last sequence number that was delivered.
    told: Seq,
}

impl Bench {
    /// Creates Alice's room with so many guests, all of them idle.
    pub(super) fn with(guests: usize) -> Self {
        let (now, relay) = (Timestamp::from_millis(1_000_000), Relay::default());
        let mut bench = Self { now, relay, guests: Vec::new(), told: Seq::START };
        for _ in 0..guests {
            let who = bench.newcomer();
            bench.connects(who);
            bench.pass(5);
        }
        for guest in &mut bench.guests {
            assert_eq!(guest.members(), guests);
            guest.forget();
        }
        bench
    }

    /// Adds a guest that is not connected yet, and will join through the door.
    pub(super) fn newcomer(&mut self) -> usize {
        let first = self.guests.first().and_then(|first| first.machine.view().invite);
        self.guest_by(first.as_ref())
    }

    /// The same by that link; without one the guest opens the room.
    pub(super) fn guest_by(&mut self, link: Option<&Invite>) -> usize {
        let who = self.guests.len();
        let nickname = NAMES[who].parse().unwrap();
        let seed = Secret::new([u8::try_from(who).unwrap() + 1; 32]);
        let config = MachineConfig::default();
        let machine = if let Some(invite) = link {
            Machine::join(invite, nickname, config, seed)
        } else {
            let url = RelayUrl::parse("http://localhost/").unwrap();
            let new = NewRoom { nickname, ..NewRoom::default() };
            Machine::create(url, &new, config, seed).unwrap()
        };
        self.guests.push(Guest::new(machine));
        who
    }

    pub(super) fn connects(&mut self, who: usize) {
        let now = self.now;
        self[who].connected = true;
        self[who].machine.connected(now, Posture::Kept);
        self.run();
    }

    /// Cuts the connection; requests and replies in flight are lost.
    pub(super) fn cut(&mut self, who: usize) {
        let now = self.now;
        let guest = &mut self[who];
        (guest.connected, guest.watches, guest.proven) = (false, false, None);
        guest.late.clear();
        guest.machine.disconnected(now);
        self.run();
    }

    pub(super) fn does(&mut self, who: usize, command: Command) -> Option<MessageId> {
        let now = self.now;
        let id = self[who].machine.command(now, command).unwrap();
        self.run();
        id
    }

    /// Sends a message that is kept for so many seconds.
    pub(super) fn says(&mut self, who: usize, text: &str, seconds: u64) -> MessageId {
        let retention = Some(keep(seconds));
        self.does(who, Command::Send { text: text.to_owned(), retention }).unwrap()
    }

    /// Delivers an event to a guest.
    pub(super) fn tell(&mut self, who: usize, event: Event) {
        let now = self.now;
        self[who].machine.handle_event(now, event);
        self.run();
    }

    /// Delivers `Lagging`: the relay left out entries.
    pub(super) fn lags(&mut self, who: usize) {
        let (address, after) = (*self[who].machine.address(), self.relay.head());
        self.tell(who, Event::Lagging { address, after });
    }

    /// Delivers `Lapsed`: the guest has to prove the epoch again.
    pub(super) fn lapses(&mut self, who: usize) {
        let address = *self[who].machine.address();
        self[who].watches = false;
        self.tell(who, Event::Lapsed { address });
    }

    /// Has the relay refuse the guest, which then has to rejoin through the door.
    pub(super) fn sends_back(&mut self, who: usize) {
        let before = self[who].instead.take();
        self[who].instead(once(is_enter, Err(Refusal::NotAdmitted)));
        self[who].watches = false;
        let (now, address) = (self.now, *self[who].machine.address());
        self[who].machine.handle_event(now, Event::Lapsed { address });
        self.step();
        self[who].instead = before;
        self.run();
    }

    /// Connects a guest that the relay sends to the door.
    pub(super) fn comes_back(&mut self, who: usize) {
        self[who].instead(sent_to_the_door());
        self.connects(who);
        self.pass(2);
        self[who].honest();
    }

    /// Delivers the first reply that was held back.
    pub(super) fn late_answer_arrives(&mut self, who: usize) {
        let (now, (ticket, answer)) = (self.now, self[who].late.remove(0));
        self[who].machine.handle_reply(now, ticket, answer);
        self.run();
    }

    /// Has the relay lose the entries after `seq` without an event.
    pub(super) fn forgets_after(&mut self, seq: Seq) {
        self.relay.forget_after(seq);
        self.told = self.relay.head();
    }

    /// Advances the clock by so many seconds.
    pub(super) fn pass(&mut self, seconds: u64) {
        let until = self.now.saturating_add(Duration::from_secs(seconds));
        self.run();
        let mut same = 0;
        while let Some(next) = self.deadline().filter(|next| *next <= until) {
            same = if next <= self.now { same + 1 } else { 0 };
            assert!(same < LOOP, "the time stands still");
            self.now = next.max(self.now);
            let now = self.now;
            for guest in &mut self.guests {
                if guest.machine.poll_timeout().is_some_and(|deadline| deadline <= now) {
                    guest.machine.handle_timeout(now);
                }
            }
            self.run();
        }
        self.now = until;
    }

    fn deadline(&self) -> Option<Timestamp> {
        self.guests.iter().filter_map(|guest| guest.machine.poll_timeout()).min()
    }

    /// Runs until every request has its reply and every entry is delivered.
    fn run(&mut self) {
        for _ in 0..LOOP {
            if !self.step() {
                return;
            }
        }
        panic!("requests without end");
    }

    /// Handles one request of one guest; returns false when there is none.
    fn step(&mut self) -> bool {
        for who in 0..self.guests.len() {
            let guest = &mut self.guests[who];
            guest.fetch();
            if let Some((ticket, request)) = guest.machine.poll_request() {
                guest.asked.push((self.now, request.clone()));
                self.answer(who, ticket, request);
                return true;
            }
        }
        false
    }

    fn answer(&mut self, who: usize, ticket: Ticket, request: Request) {
        let guest = &mut self.guests[who];
        if !guest.connected {
            return;
        }
        let instead = guest.instead.as_mut().and_then(|instead| instead(&request));
        let answer = instead.unwrap_or_else(|| {
            let mut answer = self.relay.answer(self.now, guest.proven, request.clone());
            guest.proves(&request, &answer);
            let arrives = guest.answers.as_mut().is_none_or(|see| see(&request, &mut answer));
            if !arrives {
                guest.late.push((ticket, answer.clone()));
            }
            answer
        });
        if guest.late.last().is_none_or(|(late, _)| *late != ticket) {
            guest.machine.handle_reply(self.now, ticket, answer);
        }
        self.tell_all();
    }

    pub(super) fn tell_all(&mut self) {
        while self.told < self.relay.head() {
            self.told = self.told.next();
            for guest in self.guests.iter_mut().filter(|guest| guest.watches) {
                let mut item = self.relay.item(self.now, self.told);
                if guest.tells.as_mut().is_none_or(|tells| tells(&mut item)) {
                    let address = *guest.machine.address();
                    guest.machine.handle_event(self.now, Event::Entry { address, item });
                }
            }
        }
        self.told = self.relay.head();
    }
}

impl Index<usize> for Bench {
    type Output = Guest;

    fn index(&self, who: usize) -> &Guest {
        &self.guests[who]
    }
}

impl IndexMut<usize> for Bench {
    fn index_mut(&mut self, who: usize) -> &mut Guest {
        &mut self.guests[who]
    }
}

pub(super) fn keep(seconds: u64) -> Retention {
    Retention::keep(Duration::from_secs(seconds)).unwrap()
}
