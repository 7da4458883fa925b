//! Joins that members reject, for which the link is enough, and valid joins that lead nowhere.

use std::time::Duration;

use anocm_core::{
    Payload,
    wire::{Entry, EntryKind, NextEpoch, Refusal, Reply, Request},
};

use crate::{
    forge::{
        join::{self, Psk, Shape},
        keys::{self, Door},
        looks,
        who::{Who, random},
    },
    trial::{
        Attack,
        By::{LinkHolder, Member},
        Row, row,
    },
};

/// Appends a join of this shape, with the values that a valid one would give the relay.
pub async fn join(attack: &mut Attack<'_>, shape: Shape) {
    let shown = looks(&mut attack.line, &attack.invite).await;
    let (entry, next) = join::make(&attack.invite, &shown, shape).sealed(&attack.invite, &shown);
    append(attack, entry, next).await;
}

/// Appends a join entry.
pub async fn append(attack: &mut Attack<'_>, entry: Entry, next: NextEpoch) {
    let answer = ask(attack, entry, next).await;
    assert!(matches!(answer, Ok(Reply::Accepted { .. })), "{answer:?}");
}

/// Sends the relay a join, with a proof of work if required.
pub async fn ask(attack: &mut Attack<'_>, entry: Entry, next: NextEpoch) -> Result<Reply, Refusal> {
    let address = *attack.invite.address();
    let door = keys::token(door(attack).token);
    let join = Request::Join { address, door, entry, next };
    match attack.line.ask(join.clone()).await.unwrap() {
        // Requests that take much memory cost a proof of work, which an attacker can provide.
        Err(Refusal::WorkNeeded(puzzle)) => {
            let solution = anocm_core::solve(puzzle, &address).unwrap();
            let worked = attack.line.ask(Request::Work { address, solution }).await.unwrap();
            assert_eq!(worked, Ok(Reply::Done));
            attack.line.ask(join).await.unwrap()
        }
        answer => answer,
    }
}

pub fn door(attack: &Attack<'_>) -> Door {
    Door::derive(attack.invite.address(), attack.invite.secret().expose())
}

/// Contents of invalid joins.
const JUNK: [(&str, fn() -> Vec<u8>); 4] = [
    ("nothing", Vec::new),
    ("random bytes", || random::<300>().to_vec()),
    ("bytes of no meaning as long as can be", || vec![0xff; 63_956]),
    ("the head of group information", || vec![0, 1, 0, 4, 0, 3]),
];

/// Appends a join with this content in a valid seal.
pub async fn junk(attack: &mut Attack<'_>, content: &[u8]) -> Result<Reply, Refusal> {
    let shown = looks(&mut attack.line, &attack.invite).await;
    let entry = join::entry(&door(attack), &shown, content);
    let next = nowhere(attack);
    ask(attack, entry, next).await
}

/// Values that the relay is given for an epoch that no member is in.
pub fn nowhere(attack: &Attack<'_>) -> NextEpoch {
    NextEpoch {
        member: keys::token(random()).hash(),
        door: keys::token(door(attack).token).hash(),
        group_info: Payload::from(random::<1_000>().to_vec()),
    }
}

fn nonsense() -> Vec<Row> {
    let mut rows = Vec::new();
    for by in [LinkHolder, Member] {
        for (what, content) in JUNK {
            rows.push(row!(by, format!("a join of {what} in a valid seal"), |attack| {
                junk(attack, &content()).await.unwrap();
            }));
        }
        rows.push(row!(by, "a join of random bytes in no seal", |attack| {
            let shown = looks(&mut attack.line, &attack.invite).await;
            let mut entry = join::entry(&door(attack), &shown, &[]);
            entry.sealed = Payload::from(random::<1_000>().to_vec());
            append(attack, entry, nowhere(attack)).await;
        }));
    }
    rows.push(row!(Member, "a join that is a member's commit", |attack| {
        let mallory = attack.mallory();
        let commit = mallory.commit(crate::NO_NOTICE, |builder| builder);
        let entry = mallory.seals(EntryKind::Join, &commit.bytes);
        append(attack, entry, commit.next).await;
    }));
    rows.push(row!(Member, "a join under the nonce of Alice's message", |attack| {
        let mallory = attack.mallory();
        let nonce = *super::entries::message(mallory, 0).sealed.first_chunk().unwrap();
        let entry = mallory.seals_with(EntryKind::Join, nonce, &random::<300>());
        append(attack, entry, nowhere(attack)).await;
    }));
    rows
}

fn psks() -> Vec<Row> {
    let cases: [(&str, fn(&Door) -> Vec<Psk>); 5] = [
        ("no PSK", |_| vec![]),
        ("a PSK of another id", |door| vec![(vec![7; 16], door.psk)]),
        ("the right id and another PSK", |door| vec![(door.psk_id.to_vec(), [7; 32])]),
        ("the door's PSK twice", |door| vec![(door.psk_id.to_vec(), door.psk); 2]),
        ("the door's PSK and another", |door| {
            vec![(door.psk_id.to_vec(), door.psk), (vec![7; 16], [7; 32])]
        }),
    ];
    cases
        .map(|(name, psks)| {
            row!(LinkHolder, format!("a join with {name}"), |attack| {
                let psks = Some(psks(&door(attack)));
                join(attack, Shape { psks, ..Shape::of(Who::random()) }).await;
            })
        })
        .into()
}

/// Joins under the id of a member, which every link-holder can read in the door.
fn identities() -> Vec<Row> {
    let mut rows = Vec::new();
    for (name, which) in [("Alice", 0), ("Bob", 1), ("Carol", 2)] {
        rows.push(row!(LinkHolder, format!("a join under the id of {name}"), |attack| {
            let id = attack.honest[which].id.as_bytes().to_vec();
            join(attack, Shape::of(Who { id, ..Who::random() })).await;
        }));
    }
    rows.push(row!(LinkHolder, "a join with authenticated data", |attack| {
        let shape = Shape { aad: vec![0, 1], ..Shape::of(Who::random()) };
        join(attack, shape).await;
    }));
    rows
}

/// A guest comes back in a way that is no return of the same member in another stay.
fn returns() -> Vec<Row> {
    let cases: [(&str, fn(&Who) -> Who); 2] = [
        ("in the stay of before", Who::clone),
        ("with another whisper key", |who| Who { whisper: random(), ..who.again() }),
    ];
    cases
        .map(|(name, change)| {
            row!(LinkHolder, format!("a join that comes back {name}"), |attack| {
                let who = Who::random();
                join(attack, Shape::of(who.clone())).await;
                tokio::time::sleep(Duration::from_secs(1)).await;
                join(attack, Shape::of(change(&who))).await;
            })
        })
        .into()
}

/// Valid joins.
fn valid() -> Vec<Row> {
    vec![
        row!(LinkHolder, "a valid join of one who never enters", |attack| {
            join(attack, Shape::of(Who::random())).await;
        }),
        row!(LinkHolder, "ten valid joins of ten who never enter", |attack| {
            for _ in 0..10 {
                join(attack, Shape::of(Who::random())).await;
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        }),
        row!(LinkHolder, "a valid join that comes back three times under its keys", |attack| {
            let mut who = Who::random();
            for _ in 0..3 {
                join(attack, Shape::of(who.clone())).await;
                who = who.again();
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        }),
    ]
}

/// As many as the door accepts within twenty seconds.
fn many() -> Vec<Row> {
    [LinkHolder, Member]
        .map(|by| {
            row!(by, "junk joins as fast as the door takes them for twenty seconds", |attack| {
                let until = tokio::time::Instant::now() + Duration::from_secs(20);
                while tokio::time::Instant::now() < until {
                    let address = *attack.invite.address();
                    let token = keys::token(door(attack).token);
                    let look = Request::Look { address, door: token };
                    if let Some(Ok(Reply::Door(shown))) = attack.line.ask(look).await {
                        let entry = join::entry(&door(attack), &shown, &random::<300>());
                        let _ = ask(attack, entry, nowhere(attack)).await;
                    }
                    tokio::time::sleep(Duration::from_millis(200)).await;
                }
            })
        })
        .into()
}

pub fn rows() -> Vec<Row> {
    [nonsense(), psks(), identities(), returns(), valid(), many()].into_iter().flatten().collect()
}
