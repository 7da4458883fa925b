//! Entries of valid outer form: kind, epoch, retention and size are valid, and the sealed bytes are
//! arbitrary.

use anocm_core::wire::{Entry, EntryKind};

use crate::{
    forge::{Forger, keys, who::random},
    trial::{
        By::Member,
        Row,
        Then::{self, AwaitsOwner, GoesOn},
        row,
    },
};

/// Why only the owner can take back a commit.
pub const OWNER_VOIDS: &str =
    "while the owner is away nothing can be said, clients say that the room is broken";

const KINDS: [(EntryKind, &str); 2] =
    [(EntryKind::Message, "a message"), (EntryKind::Commit, "a commit")];

/// The effect on the room of an entry of this kind that no member can open.
const fn then(kind: EntryKind) -> Then {
    match kind {
        EntryKind::Commit => AwaitsOwner(OWNER_VOIDS),
        EntryKind::Message | EntryKind::Join => GoesOn,
    }
}

/// Publishes an entry; a commit with the values that it needs.
pub async fn publish(mallory: &mut Forger, entry: Entry) {
    let next = entry.kind.begins_epoch().then(|| mallory.next_epoch());
    let answer = mallory.publishes(entry, next).await;
    assert!(matches!(answer, Some(Ok(_))), "{answer:?}");
}

/// Sources of an entry's nonce: every member sees the nonces of others.
const NONCES: [(&str, fn(&Forger) -> [u8; 24]); 5] = [
    ("that of Alice's message", |mallory| nonce(mallory, 0)),
    ("that of Bob's message", |mallory| nonce(mallory, 1)),
    ("that of Carol's message", |mallory| nonce(mallory, 2)),
    ("that of the last message", |mallory| nonce(mallory, usize::MAX)),
    ("zeros", |_| [0; 24]),
];

fn nonce(mallory: &Forger, which: usize) -> [u8; 24] {
    *message(mallory, which).sealed.first_chunk().unwrap()
}

/// The message at this index of the log, or the last one.
pub fn message(mallory: &Forger, which: usize) -> Entry {
    let seen = mallory.seen.iter().map(|item| item.entry.clone());
    let said: Vec<_> = seen.filter(|entry| entry.kind == EntryKind::Message).collect();
    said[which.min(said.len() - 1)].clone()
}

/// What an entry can contain under any nonce.
const CONTENTS: [(&str, fn(&mut Forger, EntryKind, [u8; 24]) -> Entry); 6] = [
    ("random bytes", |mallory, kind, nonce| {
        mallory.bare(kind, [nonce.as_slice(), &random::<976>()].concat())
    }),
    ("nothing in a valid seal", |mallory, kind, nonce| mallory.seals_with(kind, nonce, &[])),
    ("random bytes in a valid seal", |mallory, kind, nonce| {
        mallory.seals_with(kind, nonce, &random::<300>())
    }),
    ("false padding in a valid seal", |mallory, kind, nonce| {
        let place = mallory.place(kind, mallory.retention(kind));
        let sealed = keys::seal_padded(&mallory.envelope_key(), nonce, &place, vec![1; 960]);
        mallory.bare(kind, sealed.to_vec())
    }),
    ("a message of her own", |mallory, kind, nonce| {
        let message = mallory.envelope(mallory.counter, random(), 1, b"psst");
        mallory.counter += 1;
        mallory.seals_with(kind, nonce, &message)
    }),
    ("a commit of her own", |mallory, kind, nonce| {
        let commit = mallory.commit(crate::NO_NOTICE, |builder| builder);
        mallory.seals_with(kind, nonce, &commit.bytes)
    }),
];

/// Each content as each kind under each nonce.
fn under_any_nonce() -> Vec<Row> {
    let mut rows = Vec::new();
    for (kind, kind_name) in KINDS {
        for (what, content) in CONTENTS {
            for (whose, nonce) in NONCES {
                let valid = kind == EntryKind::Commit && what == "a commit of her own";
                let name = format!("{kind_name} of {what} under a nonce that is {whose}");
                let row = row!(Member, name, |attack| {
                    let mallory = attack.mallory();
                    let nonce = nonce(mallory);
                    if valid {
                        let commit = mallory.commit(crate::NO_NOTICE, |builder| builder);
                        let entry = mallory.seals_with(kind, nonce, &commit.bytes);
                        mallory.publishes(entry, Some(commit.next)).await.unwrap().unwrap();
                    } else {
                        let entry = content(mallory, kind, nonce);
                        publish(mallory, entry).await;
                    }
                });
                rows.push(if valid { row } else { row.then(then(kind)) });
            }
        }
    }
    rows
}

/// Entries of the log sent again: unchanged, or as another kind.
fn repeats() -> Vec<Row> {
    let mut rows = Vec::new();
    for (kind, kind_name) in KINDS {
        for (whose, which) in [("Alice's message", 0), ("the last message", usize::MAX)] {
            let bare = row!(Member, format!("{kind_name} with every byte of {whose}"), |attack| {
                let mallory = attack.mallory();
                let entry = mallory.bare(kind, message(mallory, which).sealed.to_vec());
                publish(mallory, entry).await;
            });
            let sealed =
                row!(Member, format!("{kind_name} that is {whose} sealed again"), |attack| {
                    let mallory = attack.mallory();
                    let said = message(mallory, which);
                    let bytes =
                        mallory.unseals(&said).unwrap_or_else(|| said.sealed[..900].to_vec());
                    let entry = mallory.seals(kind, &bytes);
                    publish(mallory, entry).await;
                });
            rows.extend([bare, sealed].map(|row| row.then(then(kind))));
        }
    }
    rows
}

/// A valid commit with one bit changed, so that its signature, its tag or its path fails.
fn damaged() -> Vec<Row> {
    let places = [0, 4, 30, 60, 120, 300].map(|at| (false, at));
    let from_the_end = [1, 20, 33, 40, 70, 100, 150].map(|at| (true, at));
    let places = places.into_iter().chain(from_the_end);
    places
        .map(|(end, at)| {
            let from = if end { "end" } else { "beginning" };
            let name = format!("a commit with a bit changed {at} bytes from its {from}");
            row!(Member, name, |attack| {
                let mallory = attack.mallory();
                let mut commit = mallory.commit(crate::NO_NOTICE, |builder| builder);
                let at = if end { commit.bytes.len() - at } else { at };
                commit.bytes[at] ^= 1;
                let entry = mallory.seals(EntryKind::Commit, &commit.bytes);
                mallory.publishes(entry, Some(commit.next)).await.unwrap().unwrap();
            })
            .then(AwaitsOwner(OWNER_VOIDS))
        })
        .collect()
}

pub fn rows() -> Vec<Row> {
    [under_any_nonce(), repeats(), damaged()].into_iter().flatten().collect()
}
