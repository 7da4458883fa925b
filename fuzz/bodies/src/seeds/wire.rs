use anocm_core::{
    Epoch, NewRoom, Payload, Retention, RoomAddress, Secret, Seq, Token,
    wire::{
        ClientFrame, ClientHello, CloseReason, Door, Entered, Entry, EntryKind, Event, Genesis,
        Hello, LogItem, NextEpoch, Page, Policy, Posture, Refusal, RelayFrame, RelayHello, Reply,
        Request, encode,
    },
};

use super::{Named, named};
use crate::world::kept;

const ADDRESS: RoomAddress = RoomAddress::new([0xa1; 16]);

pub(super) fn files() -> Vec<Named> {
    let mut files = hellos();
    files.extend(
        requests()
            .into_iter()
            .map(|(name, request)| named(name, &encode(&ClientFrame { id: 300, request }))),
    );
    let frames = replies().into_iter().chain(refusals()).map(|(name, result)| {
        let id = 300;
        (name, RelayFrame::Reply { id, result })
    });
    let events = events().into_iter().map(|(name, event)| (name, RelayFrame::Event(event)));
    files.extend(frames.chain(events).map(|(name, frame)| named(name, &encode(&frame))));
    let long = [[0xac, 0x82, 0x00, 8].as_slice(), ADDRESS.as_bytes()].concat();
    files.push(named("request_with_a_long_number", &long));
    files.push(named("page_of_more_than_there_is", &[0, 1, 0, 4, 0xff, 0xff, 0x7f, 1, 0, 0, 0, 0]));
    files
}

fn hellos() -> Vec<Named> {
    let welcome = RelayHello::Welcome { version: 1, posture: Posture::Unknown };
    let unsupported = RelayHello::Unsupported { oldest: 1, newest: 2 };
    vec![
        named("hello", &ClientHello::default().to_frame()),
        named("welcome", &welcome.to_frame()),
        named("unsupported", &unsupported.to_frame()),
    ]
}

fn token(byte: u8) -> Token {
    Token::new(Secret::new([byte; 32]))
}

fn payload() -> Payload {
    Payload::from(vec![0x5a; 1_000])
}

fn entry(kind: EntryKind, retention: Retention) -> Entry {
    Entry { kind, epoch: Epoch::new(129), retention, sealed: payload() }
}

fn next() -> NextEpoch {
    NextEpoch { member: token(1).hash(), door: token(2).hash(), group_info: payload() }
}

fn policy() -> Policy {
    NewRoom::default().policy()
}

fn requests() -> Vec<(&'static str, Request)> {
    let (address, door, owner) = (ADDRESS, token(2), token(3));
    let genesis = Genesis { policy: policy(), owner: owner.hash(), first: next() };
    let (after, seq) = (Seq::new(200), Seq::new(7));
    let publish = |kind, retention, next| {
        let entry = entry(kind, retention);
        Request::Publish { address, entry, next }
    };
    let handshakes = policy().handshakes;
    vec![
        ("create", Request::Create { address, genesis }),
        ("look", Request::Look { address, door: door.clone() }),
        (
            "join",
            Request::Join {
                address,
                door,
                entry: entry(EntryKind::Join, handshakes),
                next: next(),
            },
        ),
        ("enter", Request::Enter { address, epoch: Epoch::new(129), member: token(1) }),
        ("read", Request::Read { address, after }),
        ("publish_message", publish(EntryKind::Message, kept(), None)),
        ("publish_live", publish(EntryKind::Message, Retention::Live, None)),
        ("publish_commit", publish(EntryKind::Commit, handshakes, Some(next()))),
        ("void", Request::Void { address, token: owner.clone(), seq, restored: next() }),
        ("close", Request::Close { address, owner }),
        ("detach", Request::Detach { address }),
    ]
}

type Answer = Result<Reply, Refusal>;

fn replies() -> Vec<(&'static str, Answer)> {
    let item = |seq, kind| LogItem {
        seq: Seq::new(seq),
        age: 59_999,
        entry: Entry { sealed: Payload::from(vec![7; 100]), ..entry(kind, kept()) },
    };
    let items = vec![item(6, EntryKind::Message), item(8, EntryKind::Commit)];
    let seq = Seq::new(300);
    let door =
        Door { address: ADDRESS, epoch: Epoch::new(129), group_info: payload(), policy: policy() };
    let entered = Entered { current: Epoch::new(129), began: Seq::new(4), head: seq };
    let empty = Page { items: Vec::new(), reaches: seq, more: false };
    vec![
        ("done", Ok(Reply::Done)),
        ("door", Ok(Reply::Door(door))),
        ("accepted", Ok(Reply::Accepted { seq })),
        ("entered", Ok(Reply::Entered(entered))),
        ("page", Ok(Reply::Page(Page { items, reaches: seq, more: true }))),
        ("page_of_nothing", Ok(Reply::Page(empty))),
    ]
}

fn refusals() -> Vec<(&'static str, Answer)> {
    let current = Epoch::new(300);
    vec![
        ("no_such_room", Err(Refusal::NoSuchRoom)),
        ("address_in_use", Err(Refusal::AddressInUse)),
        ("not_admitted", Err(Refusal::NotAdmitted)),
        ("stale_epoch", Err(Refusal::StaleEpoch { current })),
        ("retention_too_long", Err(Refusal::RetentionTooLong { max: kept() })),
        ("unlawful", Err(Refusal::Unlawful)),
        ("full", Err(Refusal::Full)),
        ("busy", Err(Refusal::Busy { retry_after: 6_000 })),
        ("read_only", Err(Refusal::ReadOnly)),
        ("unavailable", Err(Refusal::Unavailable)),
    ]
}

fn events() -> Vec<(&'static str, Event)> {
    let (address, seq) = (ADDRESS, Seq::new(9));
    let entry = entry(EntryKind::Join, policy().handshakes);
    vec![
        ("entry_event", Event::Entry { address, item: LogItem { seq, age: 0, entry } }),
        ("voided", Event::Voided { address, seq, epoch: Epoch::new(2) }),
        ("lapsed", Event::Lapsed { address }),
        ("lagging", Event::Lagging { address, after: seq }),
        ("room_closed", Event::Closed { address, reason: CloseReason::Age }),
        ("going_away", Event::GoingAway { rooms_end: true }),
        ("posture", Event::Posture(Posture::Broken)),
    ]
}
