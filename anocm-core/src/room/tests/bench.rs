//! Guests whose machines are driven by hand. The test has the clock, and for each guest it may
//! answer instead of the relay, change or hold back answers, and leave out what is told.

use std::{
    ops::{Index, IndexMut},
    time::Duration,
};

use super::{
    guest::{Guest, is_enter, once},
    relay::Relay,
};
use crate::{
    id::{MessageId, Seq},
    invite::RelayUrl,
    retention::Retention,
    room::{Command, Machine, MachineConfig, NewRoom, Ticket},
    secret::Secret,
    time::Timestamp,
    wire::{Event, Posture, Refusal, Request},
};

/// Requests and deadlines between two steps of the clock that only a loop comes to.
const LOOP: usize = 500;

/// The guests, by the order in which they came.
pub(super) const ALICE: usize = 0;
pub(super) const BOB: usize = 1;
pub(super) const CAROL: usize = 2;
const NAMES: [&str; 3] = ["Alice", "Bob", "Carol"];

/// A few guests, their relay and the time.
pub(super) struct Bench {
    pub(super) now: Timestamp,
    pub(super) relay: Relay,
    guests: Vec<Guest>,
    /// The last place that was told.
    told: Seq,
}

impl Bench {
    /// Alice's room with so many guests, none of whom has anything left to do.
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

    /// Somebody who is not connected yet, and will come through the door.
    pub(super) fn newcomer(&mut self) -> usize {
        let who = self.guests.len();
        let nickname = NAMES[who].parse().unwrap();
        let seed = Secret::new([u8::try_from(who).unwrap() + 1; 32]);
        let config = MachineConfig::default();
        let machine = if let Some(first) = self.guests.first() {
            let invite = first.machine.view().invite.unwrap();
            Machine::join(&invite, nickname, config, seed)
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

    /// The connection is gone, and with it what was on its way.
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

    /// Says something that is kept for so many seconds.
    pub(super) fn says(&mut self, who: usize, text: &str, seconds: u64) -> MessageId {
        let retention = Some(keep(seconds));
        self.does(who, Command::Send { text: text.to_owned(), retention }).unwrap()
    }

    /// The relay tells a guest something.
    pub(super) fn tell(&mut self, who: usize, event: Event) {
        let now = self.now;
        self[who].machine.handle_event(now, event);
        self.run();
    }

    /// The relay says that it left something out.
    pub(super) fn lags(&mut self, who: usize) {
        let (address, after) = (*self[who].machine.address(), self.relay.head());
        self.tell(who, Event::Lagging { address, after });
    }

    /// The guest has to prove the epoch again.
    pub(super) fn lapses(&mut self, who: usize) {
        let address = *self[who].machine.address();
        self[who].watches = false;
        self.tell(who, Event::Lapsed { address });
    }

    /// The guest is not admitted any more, and has to go through the door again.
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

    /// The first answer that was held back arrives.
    pub(super) fn late_answer_arrives(&mut self, who: usize) {
        let (now, (ticket, answer)) = (self.now, self[who].late.remove(0));
        self[who].machine.handle_reply(now, ticket, answer);
        self.run();
    }

    /// The relay loses what was appended after `seq`, and says so to nobody.
    pub(super) fn forgets_after(&mut self, seq: Seq) {
        self.relay.forget_after(seq);
        self.told = self.relay.head();
    }

    /// So many seconds pass.
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

    /// Has everything asked answered and everything appended told.
    fn run(&mut self) {
        for _ in 0..LOOP {
            if !self.step() {
                return;
            }
        }
        panic!("requests without end");
    }

    /// One request of somebody's; false when there is none.
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

    fn tell_all(&mut self) {
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
