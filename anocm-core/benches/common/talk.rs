//! The operations of a room, with the relevant parts timed.

use std::{hint::black_box, time::Duration};

use super::{Room, timed};

/// Messages sent before they are read: no more than a ratchet keeps keys for.
const IN_FLIGHT: u64 = 32;

/// Alice's room, and Bob, who joined last.
pub struct Talk<R: Room> {
    room: R,
    bob: R::Member,
}

/// A timed part, and its name.
pub type Part<T> = (&'static str, fn(&T) -> Duration);

/// The CPU time of each part of a guest's join and removal.
#[derive(Clone, Copy, Default)]
pub struct Visit {
    /// The newcomer's, to join.
    pub join: Duration,
    /// A member's, to follow the join.
    pub follow_join: Duration,
    /// The removing member's, from the command to the next epoch.
    pub remove: Duration,
    /// A member's, to follow the removal.
    pub follow_removal: Duration,
}

impl Visit {
    /// The parts with their names.
    pub const PARTS: [Part<Self>; 4] = [
        ("join, newcomer", |visit| visit.join),
        ("join, member", |visit| visit.follow_join),
        ("removal, remover", |visit| visit.remove),
        ("removal, member", |visit| visit.follow_removal),
    ];
}

impl<R: Room> Talk<R> {
    /// A room of `members`, in which all but Alice joined through the door one by one.
    pub fn of(members: usize) -> Self {
        let mut room = R::open();
        for _ in 2..members {
            let (_, join) = room.join();
            room.admit(&join);
            room.replace_door(join);
        }
        let (bob, join) = room.join();
        room.admit(&join);
        room.replace_door(join);
        let mut talk = Self { room, bob };
        // The first message of a sender initialises ratchets.
        talk.exchange(1, "hello");
        talk
    }

    /// Alice sends `text` `messages` times and Bob reads it. Returns the total time of each.
    pub fn exchange(&mut self, messages: u64, text: &str) -> (Duration, Duration) {
        let (mut sealing, mut opening) = (Duration::ZERO, Duration::ZERO);
        let mut left = messages;
        while left > 0 {
            let count = left.min(IN_FLIGHT);
            left -= count;
            let (took, said) =
                timed(|| (0..count).map(|_| self.room.say(black_box(text))).collect::<Vec<_>>());
            sealing += took;
            let (took, ()) = timed(|| said.iter().for_each(|said| R::hear(&mut self.bob, said)));
            opening += took;
        }
        (sealing, opening)
    }

    /// Carol joins and is removed, so that the size of the room does not change.
    pub fn visit(&mut self) -> Visit {
        let (join, (carol, joined)) = timed(|| self.room.join());
        let (follow_join, ()) = timed(|| R::follow(&mut self.bob, &joined));
        self.room.admit(&joined);
        self.room.replace_door(joined);
        let (remove, removed) = timed(|| self.room.remove(&carol));
        let (follow_removal, ()) = timed(|| R::follow(&mut self.bob, &removed));
        self.room.replace_door(removed);
        Visit { join, follow_join, remove, follow_removal }
    }
}

/// Grows a room from Alice alone to `members`; returns the CPU time of all newcomers and of Alice.
pub fn growth<R: Room>(members: usize) -> Duration {
    let mut room = R::open();
    let mut took = Duration::ZERO;
    for _ in 1..members {
        let (joining, (_member, join)) = timed(|| room.join());
        let (following, ()) = timed(|| room.admit(&join));
        room.replace_door(join);
        took += joining + following;
    }
    took
}
