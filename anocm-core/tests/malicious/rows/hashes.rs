//! The values that a valid commit or join gives the relay for the epoch that it begins: the hashes
//! of the tokens, and the group information.

use std::time::Duration;

use anocm_core::{
    Epoch, NewRoom, Payload, Seq, TokenHash,
    wire::{self, Entry, EntryKind, NextEpoch, Refusal, Reply, Request},
};

use super::{joins, messages::SMALL};
use crate::{
    common::Stage,
    forge::{
        Forger,
        join::{self, Shape},
        keys::{self, SIZES},
        looks,
        who::{Who, random},
    },
    trial::{
        Attack,
        By::{LinkHolder, Member},
        Row,
        Then::AwaitsOwner,
        row,
    },
};

/// Members who are not admitted rejoin through the door, with a wait between two attempts.
const BACK_WITHIN: Duration = Duration::from_secs(200);
const TAKEN_BACK: &str =
    "a member can take back the joins of those who came back, and with them what they said";
const OWNER_PUTS_RIGHT: &str =
    "While the owner is away, a member can end the room for everybody in this way";

fn hash(bytes: [u8; 32]) -> TokenHash {
    keys::token(bytes).hash()
}

/// Hashes of other tokens than they should be of. Some are of tokens that the forger holds.
const HASHES: [(&str, fn(&Forger) -> TokenHash); 6] = [
    ("zeros", |_| TokenHash::new([0; 32])),
    ("random bytes", |_| TokenHash::new(random())),
    ("the hash of the old epoch's token", |mallory| hash(mallory.member_token())),
    ("the hash of the door's token", |mallory| hash(mallory.door.token)),
    ("the token itself", |mallory| TokenHash::new(mallory.member_token())),
    ("the hash of a token of her own", |_| hash([7; 32])),
];

/// Publishes a valid refresh with false hashes and group information.
async fn tells(mallory: &mut Forger, lie: impl FnOnce(&mut Forger, &mut NextEpoch)) {
    let (entry, mut next) = mallory.refresh();
    lie(mallory, &mut next);
    mallory.publishes(entry, Some(next)).await.unwrap().unwrap();
}

fn hashes() -> Vec<Row> {
    let mut rows = Vec::new();
    for (what, lie) in HASHES {
        rows.push(row!(
            Member,
            format!("a commit that gives {what} as the member hash"),
            |attack| {
                tells(attack.mallory(), |mallory, next| next.member = lie(mallory)).await;
            }
        ));
        rows.push(row!(Member, format!("a commit that gives {what} as the door hash"), |attack| {
            tells(attack.mallory(), |mallory, next| next.door = lie(mallory)).await;
        }));
        let both = format!("a commit that gives {what} as both hashes");
        let row = row!(Member, both, |attack| {
            tells(attack.mallory(), |mallory, next| {
                (next.member, next.door) = (lie(mallory), lie(mallory));
            })
            .await;
        });
        let opens = what == "the hash of the door's token";
        rows.push(if opens { row } else { row.then(AwaitsOwner(OWNER_PUTS_RIGHT)) });
    }
    rows.push(
        row!(Member, "a commit with the two hashes exchanged", |attack| {
            tells(attack.mallory(), |_, next| std::mem::swap(&mut next.member, &mut next.door))
                .await;
        })
        .then(AwaitsOwner(OWNER_PUTS_RIGHT)),
    );
    rows
}

type Info = fn(&mut Forger, Vec<u8>) -> Payload;

/// Group information that lets no guest join, given the valid one.
fn infos() -> Vec<(String, Info)> {
    vec![
        ("zeros".to_owned(), |_, _| Payload::from(vec![0; 4_000])),
        ("nothing in a valid seal".to_owned(), |mallory, _| sealed(mallory, &[])),
        ("random bytes in a valid seal".to_owned(), |mallory, _| sealed(mallory, &random::<300>())),
        ("the old epoch's".to_owned(), |mallory, _| {
            let info = mallory.group_info();
            mallory.seals_info(mallory.epoch(), &info)
        }),
        ("the old epoch's sealed for the new".to_owned(), |mallory, _| {
            let info = mallory.group_info();
            sealed(mallory, &info)
        }),
        ("the right one sealed for an epoch that never comes".to_owned(), |mallory, info| {
            mallory.seals_info(Epoch::new(u64::MAX), &info)
        }),
        ("the right one cut off".to_owned(), |mallory, info| {
            sealed(mallory, &info[..info.len() - 9])
        }),
        ("the right one with bytes left over".to_owned(), |mallory, mut info| {
            info.extend([0; 9]);
            sealed(mallory, &info)
        }),
        ("one whose signature fails".to_owned(), |mallory, mut info| {
            *info.last_mut().unwrap() ^= 1;
            sealed(mallory, &info)
        }),
        ("one whose tree was changed".to_owned(), |mallory, mut info| {
            let middle = info.len() / 2;
            info[middle] ^= 1;
            sealed(mallory, &info)
        }),
    ]
}

fn sealed(mallory: &Forger, info: &[u8]) -> Payload {
    mallory.seals_info(mallory.epoch().next(), info)
}

fn doors() -> Vec<Row> {
    let mut rows: Vec<_> = infos()
        .into_iter()
        .map(|(what, lie)| {
            row!(Member, format!("a commit whose group information is {what}"), |attack| {
                tells(attack.mallory(), |mallory, next| {
                    let info = mallory.opens_info(next);
                    next.group_info = lie(mallory, info);
                })
                .await;
            })
        })
        .collect();
    for size in SIZES {
        let name = format!("a commit whose group information is {size} random bytes");
        rows.push(row!(Member, name, |attack| {
            tells(attack.mallory(), |_, next| {
                let mut bytes = vec![0x66; size];
                bytes[..32].copy_from_slice(&random::<32>());
                next.group_info = Payload::from(bytes);
            })
            .await;
        }));
    }
    for (n, key) in SMALL.into_iter().enumerate() {
        let name =
            format!("a commit whose group information has an external key of small order ({n})");
        rows.push(row!(Member, name, |attack| {
            tells(attack.mallory(), |mallory, next| {
                let info = mallory.opens_info(next);
                let info = mallory.signs_info(with_external_key(info, key));
                next.group_info = sealed(mallory, &info);
            })
            .await;
        }));
    }
    rows.push(row!(Member, "a commit whose group information is of another room", |attack| {
        let stage = Stage::new();
        let other = stage.open_with("Alice", NewRoom::default()).await;
        let relay = stage.reach();
        let elsewhere = Forger::joins(&*relay, &other.invite()).await;
        let info = elsewhere.group_info();
        tells(attack.mallory(), |mallory, next| next.group_info = sealed(mallory, &info)).await;
    }));
    rows
}

/// Replaces the external public key: an extension of type 4 with a key of 32 bytes.
fn with_external_key(mut info: Vec<u8>, key: [u8; 32]) -> Vec<u8> {
    let head = [0, 4, 33, 32];
    let at = info.windows(4).rposition(|window| window == head).unwrap();
    info[at + 4..at + 36].copy_from_slice(&key);
    info
}

/// The same by a join that is otherwise valid.
fn by_join() -> Vec<Row> {
    type Lie = fn(&mut NextEpoch);
    let lies: [(&str, Lie); 5] = [
        ("zeros as the member hash", |next| next.member = TokenHash::new([0; 32])),
        ("the door hash as the member hash", |next| next.member = next.door),
        ("random group information", |next| {
            next.group_info = Payload::from(random::<4_000>().to_vec());
        }),
        ("the hash of a token of her own and random group information", of_her_own),
        ("random group information and a random member hash", |next| {
            next.member = TokenHash::new(random());
            next.group_info = Payload::from(random::<4_000>().to_vec());
        }),
    ];
    let told = lies.map(|(what, lie)| {
        row!(LinkHolder, format!("a valid join that tells the relay {what}"), |attack| {
            let shown = looks(&mut attack.line, &attack.invite).await;
            let made = join::make(&attack.invite, &shown, Shape::of(Who::random()));
            let (entry, mut next) = made.sealed(&attack.invite, &shown);
            lie(&mut next);
            joins::append(attack, entry, next).await;
        })
    });
    told.into_iter().chain(stays()).collect()
}

const HER_OWN: [u8; 32] = [7; 32];

/// With these values the relay admits only her, and no guest can join through the door.
fn of_her_own(next: &mut NextEpoch) {
    next.member = hash(HER_OWN);
    next.group_info = Payload::from(random::<4_000>().to_vec());
}

/// Joins with these values, and enters by her own token over the member's connection, or over that
/// of the join.
async fn shuts_out(attack: &mut Attack<'_>, by_member: bool) -> Forger {
    let shape = Shape::of(Who::random());
    let mut eve = Forger::joins_telling(attack.relay, &attack.invite, shape, of_her_own).await;
    let (address, epoch) = (eve.address(), eve.epoch());
    let line = if by_member { &mut attack.mallory.as_mut().unwrap().line } else { &mut eve.line };
    let enter = Request::Enter { address, epoch, member: keys::token(HER_OWN) };
    let entered = line.ask(enter).await;
    assert!(matches!(entered, Some(Ok(Reply::Entered(_)))), "{entered:?}");
    eve
}

/// Attackers who continue in the epoch to which only they are admitted, unless the owner was
/// faster.
fn stays() -> Vec<Row> {
    vec![
        row!(LinkHolder, "a valid join that only she is admitted to, and words in it", |attack| {
            let mut eve = shuts_out(attack, false).await;
            for _ in 0..3 {
                let entry = eve.says(0, b"\x05Hello");
                let _ = eve.publishes(entry, None).await;
            }
            attack.lines.push(eve.line);
        }),
        row!(LinkHolder, "a valid join that only she is admitted to, and a commit", |attack| {
            let mut eve = shuts_out(attack, false).await;
            let (entry, mut next) = eve.refresh();
            of_her_own(&mut next);
            let _ = eve.publishes(entry, Some(next)).await;
            attack.lines.push(eve.line);
        }),
        row!(LinkHolder, "a valid join that only she is admitted to, and another", |attack| {
            let eve = shuts_out(attack, false).await;
            joins_again(attack, &eve).await;
            attack.lines.push(eve.line);
        }),
        row!(LinkHolder, "a valid join that only she is admitted to, and 1,100 epochs", |attack| {
            let mut eve = shuts_out(attack, false).await;
            begins_many(&mut eve, 1_100).await;
            attack.lines.push(eve.line);
        }),
        row!(Member, "a valid join that only one is admitted to, kept by a member", |attack| {
            let eve = shuts_out(attack, true).await;
            attack.lines.push(eve.line);
        })
        .then(AwaitsOwner(OWNER_PUTS_RIGHT)),
        row!(Member, "a valid join that a member keeps, and another", |attack| {
            let eve = shuts_out(attack, true).await;
            joins_again(attack, &eve).await;
            attack.lines.push(eve.line);
        })
        .then(AwaitsOwner(OWNER_PUTS_RIGHT)),
        row!(Member, "a commit with a false member hash and at once such a join", |attack| {
            attack.mallory().advances_telling("Malice", of_her_own).await;
            let mallory = attack.mallory.take().unwrap();
            joins_again(attack, &mallory).await;
            attack.mallory = Some(mallory);
        })
        .then(AwaitsOwner(OWNER_PUTS_RIGHT)),
        row!(Member, "two such commits and a join, which she takes back later", |attack| {
            takes_back_later(attack).await;
        })
        .loses(TAKEN_BACK)
        .within(BACK_WITHIN),
        row!(Member, "two commits with false hashes one after the other", |attack| {
            let mallory = attack.mallory();
            for _ in 0..2 {
                mallory.advances_telling("Malice", of_her_own).await;
                let (address, epoch) = (mallory.address(), mallory.epoch());
                let enter = Request::Enter { address, epoch, member: keys::token(HER_OWN) };
                let _ = mallory.line.ask(enter).await;
            }
        })
        .then(AwaitsOwner(OWNER_PUTS_RIGHT)),
    ]
}

/// Begins two epochs that only Mallory can prove, and one more by a join, all before a member
/// follows; and takes that join back after the owner, if connected, has corrected the epoch.
async fn takes_back_later(attack: &mut Attack<'_>) {
    let mallory = attack.mallory();
    let (address, head) = (mallory.address(), mallory.cursor.value());
    let token = || keys::token(HER_OWN);
    let hers = |next: &mut NextEpoch| next.member = hash(HER_OWN);
    let mut requests = Vec::new();
    for name in ["Malice", "Mallory"] {
        requests.push(mallory.advances_unsent(name, hers));
        requests.push(Request::Enter { address, epoch: mallory.epoch(), member: token() });
    }
    let (epoch, policy) = (mallory.epoch(), mallory.policy);
    let group_info = mallory.seals_info(epoch, &mallory.group_info());
    let shown = wire::Door { address, epoch, group_info, policy };
    let made = join::make(&attack.invite, &shown, Shape::of(Who::random()));
    let (entry, mut next) = made.sealed(&attack.invite, &shown);
    hers(&mut next);
    let mallory = attack.mallory();
    let door = keys::token(mallory.door.token);
    requests.push(Request::Join { address, door, entry, next });
    mallory.line.sends_at_once(requests).await;
    tokio::time::sleep(Duration::from_secs(60)).await;
    for seq in head..head + 6 {
        let group_info = mallory.seals_info(epoch, &mallory.group_info());
        let door = keys::token(mallory.door.token).hash();
        let restored = NextEpoch { member: hash(HER_OWN), door, group_info };
        let void = Request::Void { address, token: token(), seq: Seq::new(seq), restored };
        let _ = mallory.line.ask(void).await;
    }
}

/// Joins through the door that only she has the key to, with values of the same kind.
async fn joins_again(attack: &mut Attack<'_>, eve: &Forger) {
    let (address, epoch, policy) = (eve.address(), eve.epoch(), eve.policy);
    let group_info = eve.seals_info(epoch, &eve.group_info());
    let shown = wire::Door { address, epoch, group_info, policy };
    let made = join::make(&attack.invite, &shown, Shape::of(Who::random()));
    let (entry, mut next) = made.sealed(&attack.invite, &shown);
    of_her_own(&mut next);
    let _ = joins::ask(attack, entry, next).await;
}

/// Begins that many more epochs by invalid commits, as long as the relay accepts them: more than it
/// has records of.
async fn begins_many(eve: &mut Forger, epochs: u64) {
    let (address, first) = (eve.address(), eve.epoch().value());
    for epoch in (first..first + epochs).map(Epoch::new) {
        let sealed = Payload::from(random::<300>().to_vec());
        let retention = eve.policy.handshakes;
        let entry = Entry { kind: EntryKind::Commit, epoch, retention, sealed };
        let next = NextEpoch {
            member: hash(HER_OWN),
            door: keys::token(eve.door.token).hash(),
            group_info: Payload::from(random::<100>().to_vec()),
        };
        let publish = Request::Publish { address, entry, next: Some(next) };
        let member = keys::token(HER_OWN);
        let enter = Request::Enter { address, epoch: epoch.next(), member };
        for request in [publish, enter] {
            loop {
                match eve.line.ask(request.clone()).await {
                    Some(Err(Refusal::Busy { retry_after })) => {
                        let wait = Duration::from_millis(retry_after.into());
                        tokio::time::sleep(wait).await;
                    }
                    Some(Ok(_)) => break,
                    _ => return,
                }
            }
        }
    }
}

pub fn rows() -> Vec<Row> {
    let rows = [hashes(), doors(), by_join()].into_iter().flatten();
    rows.map(|row| row.within(BACK_WITHIN)).collect()
}
