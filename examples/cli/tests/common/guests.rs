//! Guests of one room who all say numbered words, which each of them must see.

use super::Anocm;

const NAMES: [&str; 4] = ["Alice", "Bob", "Carol", "Dave"];

/// Four guests. With two relays, the first and the third are at one, the others at the other.
pub(crate) struct Guests {
    all: Vec<Guest>,
    pub(crate) link: String,
    /// Who is in the room, and what members compare.
    view: Vec<String>,
}

/// One of them.
pub(crate) struct Guest {
    pub(crate) name: &'static str,
    pub(crate) anocm: Anocm,
    /// How many words this guest has said.
    said: usize,
    /// How many lines this guest had seen when everybody had met.
    met: usize,
}

impl Guests {
    /// Guests in a new room at these relays, once each has heard of each.
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
        // The last one first: whoever came before owes an answer, and this is it. Other signs of
        // life come a minute later at the earliest, if nothing is said until then.
        for number in (0..NAMES.len()).rev() {
            guests.get(number).say(1, "");
            guests.see_the_last_words();
        }
        guests.view = guests.views().swap_remove(0);
        guests.assert_same_view();
        guests.each(|guest| guest.met = guest.anocm.seen().len());
        guests
    }

    /// Everybody says so many words more, without waiting for anything.
    pub(crate) fn say(&mut self, count: usize) {
        self.say_long(count, "");
    }

    /// The same with something at the end of each.
    pub(crate) fn say_long(&mut self, count: usize, end: &str) {
        self.each(|guest| guest.say(count, end));
    }

    /// Everybody sees a line with this in it.
    pub(crate) fn wait(&mut self, part: &str) {
        self.each(|guest| drop(guest.anocm.wait(part)));
    }

    /// One after the other.
    pub(crate) fn each(&mut self, does: impl FnMut(&mut Guest)) {
        self.all.iter_mut().for_each(does);
    }

    /// Something of each.
    pub(crate) fn map<T>(&self, of: impl Fn(&Guest) -> T) -> Vec<T> {
        self.all.iter().map(of).collect()
    }

    pub(crate) fn get(&mut self, number: usize) -> &mut Guest {
        self.all.get_mut(number).unwrap()
    }

    /// Waits until everybody has seen the last word of everybody.
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

    /// Everybody leaves, with this exit code.
    pub(crate) fn leave(&mut self, code: i32) {
        self.each(|guest| guest.anocm.close());
        self.each(|guest| {
            let status = guest.anocm.end();
            assert_eq!(status.code(), Some(code), "{} has seen:\n{}", guest.name, guest.log());
        });
    }

    /// Each has seen the same words of each, in the order in which they were said and none twice,
    /// and of every other one its guest was told that it was not sent. Gives how many those are.
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

    /// Since all have met, nobody was told anything but words and how the connection is; nor
    /// before that of any trouble, except that what is never kept went by while they came in.
    pub(crate) fn assert_undisturbed(&self) {
        for guest in &self.all {
            let (before, since) = guest.anocm.seen().split_at(guest.met);
            let troubles = before.iter().filter(|line| line.starts_with("trouble: "));
            let is_usual = |line: &&String| {
                let words = ["<", "connection: ", "relay: "];
                // The view is only told when it is asked for, or another.
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

    /// Everybody sees the same members, and what they compare is the same for all, as when they
    /// had met.
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

    /// Says so many words more, without waiting for anything.
    fn say(&mut self, count: usize, end: &str) {
        for _ in 0..count {
            self.said += 1;
            self.anocm.say(&format!("{}{end}", word(self.name, self.said)));
        }
    }

    /// How many lines were seen that begin like this, since all have met.
    pub(crate) fn lines<'a>(&'a self, begin: &'a str) -> impl Iterator<Item = &'a String> {
        self.since_met().filter(move |line| line.starts_with(begin))
    }

    fn since_met(&self) -> impl Iterator<Item = &String> {
        self.anocm.seen().iter().skip(self.met)
    }

    /// The numbers of a guest's words, as they were seen here.
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
