//! Every request with every value of its fields, over a connection that has proven nothing and over
//! a member's connection: a refused request must change nothing.

use std::time::Duration;

use anocm_core::{
    Epoch, NewRoom, Payload, Retention, RoomAddress, Seq, TokenHash,
    wire::{
        ClientFrame, Entry, EntryKind, Genesis, NextEpoch, Policy, Refusal, Reply, Request,
        Solution, encode,
    },
};

use crate::{
    common::seconds,
    forge::{
        keys,
        line::{Answer, Line},
        looks,
        who::random,
    },
    trial::{
        Attack,
        By::{self, LinkHolder, Member},
        Row, row,
    },
};

/// Values that an attacker can present: known ones, guessed ones, and empty ones.
struct Values {
    address: RoomAddress,
    tokens: Vec<[u8; 32]>,
    epochs: Vec<Epoch>,
    seqs: Vec<Seq>,
    policy: Policy,
    epoch: Epoch,
    door: TokenHash,
}

impl Values {
    async fn of(attack: &mut Attack<'_>) -> Self {
        let shown = looks(&mut attack.line, &attack.invite).await;
        let door = super::joins::door(attack);
        let invite = *attack.invite.secret().expose();
        let mut tokens =
            vec![[0; 32], [0xff; 32], random(), door.token, door.key, door.psk, invite];
        tokens.push(*keys::token(door.token).hash().as_bytes());
        let mut seqs = vec![0, 1, 2, u64::MAX - 1, u64::MAX];
        if attack.by == Member {
            let mallory = attack.mallory();
            tokens.extend(mallory.tokens.iter().map(|(_, token)| *token));
            tokens.extend(&mallory.envelopes);
            tokens.push(*keys::token(mallory.member_token()).hash().as_bytes());
            seqs.extend(mallory.seen.iter().map(|item| item.seq.value()));
            seqs.push(mallory.cursor.value() + 1);
        }
        let now = shown.epoch.value();
        let epochs = [0, now.saturating_sub(1), now, now + 1, u64::MAX - 1, u64::MAX];
        Self {
            address: shown.address,
            tokens,
            epochs: epochs.map(Epoch::new).into(),
            seqs: seqs.into_iter().map(Seq::new).collect(),
            policy: shown.policy,
            epoch: shown.epoch,
            door: keys::token(door.token).hash(),
        }
    }

    /// Group information of the given sizes, with the door's own hash and a random member hash.
    fn nexts(&self, sizes: &[usize]) -> Vec<NextEpoch> {
        let next = |size: &usize| NextEpoch {
            member: TokenHash::new(random()),
            door: self.door,
            group_info: Payload::from(vec![0x66; *size]),
        };
        sizes.iter().map(next).collect()
    }
}

/// Sizes that are invalid for entries and group information.
const UNLAWFUL: [usize; 5] = [0, 1, 999, 1_001, 63_999];
const RETENTIONS: [u64; 5] = [1, 60, 3_600, 86_400, 2_592_000];

/// Sends a request, and retries when the relay is busy.
async fn ask(line: &mut Line, request: Request) -> Answer {
    for _ in 0..20 {
        match line.ask(request.clone()).await {
            Some(Err(Refusal::Busy { retry_after } | Refusal::Crowded { retry_after })) => {
                tokio::time::sleep(Duration::from_millis(u64::from(retry_after))).await;
            }
            answer => return answer,
        }
    }
    None
}

/// The connection of an attacker of this kind.
fn line<'a>(attack: &'a mut Attack<'_>) -> &'a mut Line {
    if attack.by == Member { &mut attack.mallory().line } else { &mut attack.line }
}

/// All of these are refused, on the attacker's connection.
async fn refused(attack: &mut Attack<'_>, requests: impl IntoIterator<Item = Request>) {
    for request in requests {
        let shown = format!("{request:?}");
        let answer = ask(line(attack), request).await;
        assert!(matches!(answer, Some(Err(_))), "{shown}: {answer:?}");
    }
}

fn shown_tokens(by: By) -> Vec<Row> {
    vec![
        row!(by, "the end of the room asked for with every token", |attack| {
            let values = Values::of(attack).await;
            let address = values.address;
            let close = |token| Request::Close { address, owner: keys::token(token) };
            refused(attack, values.tokens.into_iter().map(close)).await;
        }),
        row!(by, "every epoch proven with every token", |attack| {
            let values = Values::of(attack).await;
            for &epoch in &values.epochs {
                for &token in &values.tokens {
                    let (address, member) = (values.address, keys::token(token));
                    let _ = ask(line(attack), Request::Enter { address, epoch, member }).await;
                }
            }
        }),
        row!(by, "a look with every token", |attack| {
            let values = Values::of(attack).await;
            for &token in &values.tokens {
                let look = Request::Look { address: values.address, door: keys::token(token) };
                let _ = ask(line(attack), look).await;
            }
        }),
        row!(by, "reads from everywhere", |attack| {
            let Values { address, seqs, .. } = Values::of(attack).await;
            for after in seqs {
                let _ = ask(line(attack), Request::Read { address, after }).await;
            }
        }),
    ]
}

/// *create* at the room's own address, with every policy.
fn creations(by: By) -> Row {
    row!(by, "creations at the room's address with policies at every bound", |attack| {
        let values = Values::of(attack).await;
        let with = |change: fn(&mut Policy)| {
            let mut policy = NewRoom::default().policy();
            change(&mut policy);
            policy
        };
        let policies = [
            with(|_| {}),
            with(|policy| policy.linger = 0),
            with(|policy| policy.linger = u64::MAX),
            with(|policy| policy.max_age = 0),
            with(|policy| policy.max_age = u64::MAX),
            with(|policy| policy.max_entries = 0),
            with(|policy| policy.max_entries = u32::MAX),
            with(|policy| policy.max_bytes = 0),
            with(|policy| policy.max_bytes = u64::MAX),
            with(|policy| policy.handshakes = Retention::Live),
        ];
        for policy in policies {
            let (address, owner) = (values.address, TokenHash::new(random()));
            let first = values.nexts(&[1_000]).remove(0);
            let genesis = Genesis { policy, owner, first };
            refused(attack, [Request::Create { address, genesis }]).await;
        }
    })
}

/// Entries of every invalid form.
fn unlawful_entries(values: &Values, kinds: &[EntryKind]) -> Vec<Entry> {
    let mut entries = Vec::new();
    for &kind in kinds {
        let retention = if kind.begins_epoch() { values.policy.handshakes } else { seconds(3_600) };
        let valid =
            Entry { kind, epoch: values.epoch, retention, sealed: Payload::from(vec![7; 1_000]) };
        let others = values.epochs.iter().filter(|epoch| **epoch != values.epoch);
        entries.extend(others.map(|&epoch| Entry { epoch, ..valid.clone() }));
        for size in UNLAWFUL {
            entries.push(Entry { sealed: Payload::from(vec![7; size]), ..valid.clone() });
        }
        let kept = RETENTIONS.map(seconds).into_iter().chain([Retention::Live]);
        let wrong = kept.filter(|&kept| {
            if kind.begins_epoch() { kept != retention } else { kept > values.policy.max_retention }
        });
        entries.extend(wrong.map(|retention| Entry { retention, ..valid.clone() }));
    }
    entries
}

fn appends(by: By) -> Vec<Row> {
    vec![
        row!(by, "publications of every unlawful form", |attack| {
            let values = Values::of(attack).await;
            let kinds = [EntryKind::Message, EntryKind::Commit, EntryKind::Join];
            let address = values.address;
            let mut requests = Vec::new();
            for entry in unlawful_entries(&values, &kinds) {
                let next = entry.kind.begins_epoch().then(|| values.nexts(&[1_000]).remove(0));
                requests.push(Request::Publish { address, entry, next });
            }
            let retention = values.policy.handshakes;
            for kind in kinds {
                let sealed = Payload::from(vec![7; 1_000]);
                let entry = Entry { kind, epoch: values.epoch, retention, sealed };
                let nexts = values.nexts(&UNLAWFUL).into_iter().map(Some);
                let wrong =
                    if kind == EntryKind::Message { values.nexts(&[1_000]) } else { vec![] };
                let none = if kind == EntryKind::Message { vec![] } else { vec![None] };
                for next in nexts.chain(wrong.into_iter().map(Some)).chain(none) {
                    requests.push(Request::Publish { address, entry: entry.clone(), next });
                }
            }
            refused(attack, requests).await;
        }),
        row!(by, "joins of every unlawful form", |attack| {
            let values = Values::of(attack).await;
            let address = values.address;
            let door = || keys::token(values.tokens[3]);
            let mut requests = Vec::new();
            for entry in unlawful_entries(&values, &[EntryKind::Join]) {
                let next = values.nexts(&[1_000]).remove(0);
                requests.push(Request::Join { address, door: door(), entry, next });
            }
            let sealed = Payload::from(vec![7; 1_000]);
            let (kind, retention) = (EntryKind::Join, values.policy.handshakes);
            let entry = Entry { kind, epoch: values.epoch, retention, sealed };
            for next in values.nexts(&UNLAWFUL) {
                requests.push(Request::Join { address, door: door(), entry: entry.clone(), next });
            }
            let mut locked = values.nexts(&[1_000]).remove(0);
            locked.door = TokenHash::new(random());
            requests.push(Request::Join {
                address,
                door: door(),
                entry: entry.clone(),
                next: locked,
            });
            for kind in [EntryKind::Message, EntryKind::Commit] {
                let entry = Entry { kind, ..entry.clone() };
                let next = values.nexts(&[1_000]).remove(0);
                requests.push(Request::Join { address, door: door(), entry, next });
            }
            for &token in values.tokens.iter().filter(|token| **token != values.tokens[3]) {
                let (door, next) = (keys::token(token), values.nexts(&[1_000]).remove(0));
                requests.push(Request::Join { address, door, entry: entry.clone(), next });
            }
            refused(attack, requests).await;
        }),
    ]
}

/// *void* and *work* with values that are not valid.
fn others(by: By) -> Vec<Row> {
    vec![
        row!(by, "every place taken back with every guessed token", |attack| {
            let values = Values::of(attack).await;
            let address = values.address;
            let mut requests = Vec::new();
            for &seq in &values.seqs {
                // Member tokens may take back joins that members reject; see the table of takings.
                for &token in &values.tokens[..8] {
                    let (token, restored) = (keys::token(token), values.nexts(&[1_000]).remove(0));
                    requests.push(Request::Void { address, token, seq, restored });
                }
            }
            refused(attack, requests).await;
        }),
        row!(by, "work that nobody asked for", |attack| {
            let address = *attack.invite.address();
            let work = |solution: [u8; 8]| Request::Work { address, solution: Solution(solution) };
            for solution in [[0; 8], [0xff; 8], random()] {
                let _ = ask(line(attack), work(solution)).await;
            }
        }),
        row!(by, "rooms let go of and taken up again, and strange addresses", |attack| {
            let room = *attack.invite.address();
            for address in [room, RoomAddress::new([0; 16]), RoomAddress::new(random()), room] {
                for request in [
                    Request::Detach { address },
                    Request::Read { address, after: Seq::new(0) },
                    Request::Detach { address },
                ] {
                    let _ = ask(line(attack), request).await;
                }
            }
        }),
        row!(by, "frames that are none", |attack| {
            let address = *attack.invite.address();
            let frame = encode(&ClientFrame { id: 1, request: Request::Detach { address } });
            let bad: [Vec<u8>; 6] = [
                vec![],
                vec![0xff; 64],
                frame[..frame.len() - 1].to_vec(),
                [&frame[..], &[0]].concat(),
                vec![1, 99],
                vec![0; 2_000_000],
            ];
            for bytes in bad {
                let mut line = Line::reach(attack.relay).await;
                line.sends_bytes(&bytes).await;
                line.listens(Duration::from_secs(1)).await;
            }
        }),
        row!(by, "one number for two hundred requests that wait for no answer", |attack| {
            let address = *attack.invite.address();
            let request = Request::Read { address, after: Seq::new(0) };
            let frame = encode(&ClientFrame { id: 7, request });
            for _ in 0..200 {
                line(attack).sends_bytes(&frame).await;
            }
        }),
    ]
}

/// A second room that the attacker owns, with a known owner token.
fn own_room() -> Row {
    row!(LinkHolder, "the owner's rights in another room shown in this one", |attack| {
        let values = Values::of(attack).await;
        let address = RoomAddress::new(random());
        let owner: [u8; 32] = random();
        let genesis = Genesis {
            policy: NewRoom::default().policy(),
            owner: keys::token(owner).hash(),
            first: values.nexts(&[1_000]).remove(0),
        };
        let created = attack.line.ask(Request::Create { address, genesis }).await;
        assert_eq!(created, Some(Ok(Reply::Done)));
        let restored = values.nexts(&[1_000]).remove(0);
        let epoch = values.epoch;
        refused(
            attack,
            [
                Request::Close { address: values.address, owner: keys::token(owner) },
                Request::Enter { address: values.address, epoch, member: keys::token(owner) },
                Request::Void {
                    address: values.address,
                    token: keys::token(owner),
                    seq: Seq::new(1),
                    restored,
                },
            ],
        )
        .await;
    })
}

pub fn rows() -> Vec<Row> {
    let mut rows = vec![own_room()];
    for by in [Member, LinkHolder] {
        rows.extend(shown_tokens(by));
        rows.extend(appends(by));
        rows.extend(others(by));
        rows.push(creations(by));
    }
    rows
}
