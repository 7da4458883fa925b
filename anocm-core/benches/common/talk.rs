//! What happens in a room, with the parts that matter timed.

use std::{hint::black_box, time::Duration};

use super::{Room, timed};

/// Messages said before they are read: no more than a ratchet keeps keys for.
const IN_FLIGHT: u64 = 32;

/// Alice's room, and Bob, who came last.
pub struct Talk<R: Room> {
    room: R,
    bob: R::Member,
}

/// A part of what was timed, and what it is called.
pub type Part<T> = (&'static str, fn(&T) -> Duration);

/// Somebody comes and is removed again: how long each had to work for it.
#[derive(Clone, Copy, Default)]
pub struct Visit {
    /// The newcomer, to join.
    pub join: Duration,
    /// A member, to follow the join.
    pub follow_join: Duration,
    /// Whoever removes, from the wish to the next epoch.
    pub remove: Duration,
    /// A member, to follow the removal.
    pub follow_removal: Duration,
}

impl Visit {
    /// Its parts.
    pub const PARTS: [Part<Self>; 4] = [
        ("join, newcomer", |visit| visit.join),
        ("join, member", |visit| visit.follow_join),
        ("removal, remover", |visit| visit.remove),
        ("removal, member", |visit| visit.follow_removal),
    ];
}

impl<R: Room> Talk<R> {
    /// A room of `members`, all but Alice let in through the door one by one.
    pub fn of(members: usize) -> Self {
        let mut room = R::open();
        for _ in 2..members {
            let (_, join) = room.knock();
            room.admit(&join);
            room.replace_door(join);
        }
        let (bob, join) = room.knock();
        room.admit(&join);
        room.replace_door(join);
        let mut talk = Self { room, bob };
        // The first message of a sender sets ratchets up.
        talk.exchange(1, "hello");
        talk
    }

    /// Alice says `text` so many times and Bob reads it: how long each took altogether.
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

    /// Carol comes and is removed: the room is as large afterwards as it was before.
    pub fn visit(&mut self) -> Visit {
        let (join, (carol, joined)) = timed(|| self.room.knock());
        let (follow_join, ()) = timed(|| R::follow(&mut self.bob, &joined));
        self.room.admit(&joined);
        self.room.replace_door(joined);
        let (remove, removed) = timed(|| self.room.remove(&carol));
        let (follow_removal, ()) = timed(|| R::follow(&mut self.bob, &removed));
        self.room.replace_door(removed);
        Visit { join, follow_join, remove, follow_removal }
    }
}

/// A room grows from Alice alone to `members`: the work of every newcomer and of Alice.
pub fn growth<R: Room>(members: usize) -> Duration {
    let mut room = R::open();
    let mut took = Duration::ZERO;
    for _ in 1..members {
        let (joining, (_member, join)) = timed(|| room.knock());
        let (following, ()) = timed(|| room.admit(&join));
        room.replace_door(join);
        took += joining + following;
    }
    took
}
