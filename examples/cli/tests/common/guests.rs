//! Guests of one room that all send numbered messages, which each of them must receive.

use super::Anocm;

const NAMES: [&str; 4] = ["Alice", "Bob", "Carol", "Dave"];

/// Four guests. With two relays, the first and the third are at one, the others at the other.
pub(crate) struct Guests {
    all: Vec<Guest>,
    pub(crate) link: String,
    /// The roster and the safety code.
    view: Vec<String>,
}

/// One of the guests.
pub(crate) struct Guest {
    pub(crate) name: &'static str,
    pub(crate) anocm: Anocm,
    /// How many messages this guest has sent.
    said: usize,
    /// How many lines this guest had seen when all had met.
    met: usize,
}

impl Guests {
    /// Opens a new room at these relays; returns once each guest has received something from each.
    pub(crate) fn meet(relays: &str) -> Self {
        let (alice, link) = Anocm::open(&["--relay", relays]);
        let mut all = vec![Guest::new(NAMES[0], alice)];
        for name in &NAMES[1..] {
            let newcomer = Anocm::join(&link, &["--nick", name]);
            for guest in &mut all {
                guest.anocm.wait(&format!("joined: {name} #"));
            }
            all.push(Guest::new(name, newcomer));
        }
        let mut guests = Self { all, link, view: Vec::new() };
        // The last one first: a guest that was there before owes a response to each newcomer, and
        // this is it. Other presence updates come a minute later at the earliest, if nothing is
        // sent until then.
        for number in (0..NAMES.len()).rev() {
            guests.get(number).say(1, "");
            guests.see_the_last_words();
        }
        guests.view = guests.views().swap_remove(0);
        guests.assert_same_view();
        guests.each(|guest| guest.met = guest.anocm.seen().len());
        guests
    }

    /// Each guest sends `count` more messages, without waiting for anything.
    pub(crate) fn say(&mut self, count: usize) {
        self.say_long(count, "");
    }

    /// The same with `end` appended to each message.
    pub(crate) fn say_long(&mut self, count: usize, end: &str) {
        self.each(|guest| guest.say(count, end));
    }

    /// Waits until each guest has seen a line with this in it.
    pub(crate) fn wait(&mut self, part: &str) {
        self.each(|guest| drop(guest.anocm.wait(part)));
    }

    /// Calls `does` for one guest after the other.
    pub(crate) fn each(&mut self, does: impl FnMut(&mut Guest)) {
        self.all.iter_mut().for_each(does);
    }

    /// Calls `of` for each guest and returns the results.
    pub(crate) fn map<T>(&self, of: impl Fn(&Guest) -> T) -> Vec<T> {
        self.all.iter().map(of).collect()
    }

    pub(crate) fn get(&mut self, number: usize) -> &mut Guest {
        self.all.get_mut(number).unwrap()
    }

    /// Waits until each guest has received the last message of each.
    pub(crate) fn see_the_last_words(&mut self) {
        let last: Vec<_> = self.all.iter().map(|guest| (guest.name, guest.said)).collect();
        for guest in &mut self.all {
            for (name, said) in last.iter().filter(|(_, said)| *said > 0) {
                if !guest.words_of(name).contains(said) {
                    guest.anocm.wait(&word(name, *said));
                }
            }
        }
    }

    /// Each guest leaves, with this exit code.
    pub(crate) fn leave(&mut self, code: i32) {
        self.each(|guest| guest.anocm.close());
        self.each(|guest| {
            let status = guest.anocm.end();
            assert_eq!(status.code(), Some(code), "{} has seen:\n{}", guest.name, guest.log());
        });
    }

    /// Asserts that each guest has received the same messages of each, in the order in which they
    /// were sent and none twice, and that every other message was reported as not sent to its
    /// sender. Returns how many those are.
    pub(crate) fn assert_nothing_is_lost_or_doubled(&self) -> usize {
        let mut refused = 0;
        for guest in &self.all {
            let sent = guest.words_of(guest.name);
            assert!(sent.is_sorted_by(|one, next| one < next), "{}: {sent:?}", guest.name);
            for other in &self.all {
                let name = other.name;
                assert_eq!(other.words_of(guest.name), sent, "{name} has seen:\n{}", other.log());
            }
            let not_sent = guest.lines("not sent: ").count();
            assert_eq!(sent.len() + not_sent, guest.said, "has seen:\n{}", guest.log());
            refused += not_sent;
        }
        refused
    }

    /// Asserts that since all met, each guest has seen only messages and the state of the
    /// connection, and no trouble before that, except live entries that it missed while joining.
    pub(crate) fn assert_undisturbed(&self) {
        for guest in &self.all {
            let (before, since) = guest.anocm.seen().split_at(guest.met);
            let troubles = before.iter().filter(|line| line.starts_with("trouble: "));
            let is_usual = |line: &&String| {
                // The view is only printed on request, or if it changes; with the safety code comes
                // a sentence on whether the room is confirmed.
                let words =
                    ["<", "connection: ", "relay: ", "note: You opened", "note: The room is"];
                words.iter().any(|word| line.starts_with(word)) || self.view.contains(line)
            };
            let others = since.iter().filter(|line| !is_usual(line));
            let bad: Vec<_> = troubles
                .filter(|line| !line.contains(" entries were live"))
                .chain(others)
                .collect();
            assert!(bad.is_empty(), "{bad:?}: {} has seen:\n{}", guest.name, guest.log());
        }
    }

    /// Asserts that all guests see the same members and the same safety code, as when they had met.
    pub(crate) fn assert_same_view(&mut self) {
        for view in self.views() {
            assert_eq!(view, self.view);
        }
    }

    fn views(&mut self) -> Vec<Vec<String>> {
        self.all
            .iter_mut()
            .map(|guest| {
                guest.anocm.say("/members");
                guest.anocm.say("/safety");
                let mut lines = guest.anocm.up_to("safety: ");
                lines.retain(|line| line.starts_with("member: ") || line.starts_with("safety: "));
                lines
            })
            .collect()
    }
}

impl Guest {
    const fn new(name: &'static str, anocm: Anocm) -> Self {
        Self { name, anocm, said: 0, met: 0 }
    }

    /// Sends `count` more messages, without waiting for anything.
    fn say(&mut self, count: usize, end: &str) {
        for _ in 0..count {
            self.said += 1;
            self.anocm.say(&format!("{}{end}", word(self.name, self.said)));
        }
    }

    /// Returns the lines that begin like this, since all met.
    pub(crate) fn lines<'a>(&'a self, begin: &'a str) -> impl Iterator<Item = &'a String> {
        self.since_met().filter(move |line| line.starts_with(begin))
    }

    fn since_met(&self) -> impl Iterator<Item = &String> {
        self.anocm.seen().iter().skip(self.met)
    }

    /// Returns the numbers of a guest's messages, as they were received here.
    fn words_of(&self, name: &str) -> Vec<usize> {
        let said = format!("> {name} says ");
        let number = |line: &String| {
            let (_, rest) = line.split_once(&said).filter(|_| line.starts_with('<'))?;
            rest.split_once('.')?.0.parse().ok()
        };
        self.anocm.seen().iter().filter_map(number).collect()
    }

    fn log(&self) -> String {
        self.anocm.seen().join("\n")
    }
}

fn word(name: &str, number: usize) -> String {
    format!("{name} says {number}.")
}
