//! Frames that no client sends, next to a conversation that they must not affect.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that cannot go on ends")]

mod common;

use std::{cell::RefCell, time::Duration};

use anocm_core::{
    Epoch, Invite, Payload, Retention, RoomEvent, Secret, Seq, Token,
    wire::{
        ClientFrame, ClientHello, Entry, EntryKind, Hello, NextEpoch, RelayFrame, Reply, Request,
        decode, encode,
    },
};
use common::{
    Guest, Stage,
    mallory::{Hand, door_token},
    seconds,
};
use proptest::{prelude::*, test_runner::TestRunner};

fn token() -> impl Strategy<Value = Token> {
    any::<[u8; 32]>().prop_map(|bytes| Token::new(Secret::new(bytes)))
}

fn sealed() -> impl Strategy<Value = Payload> {
    let size = prop_oneof![Just(0), Just(999), Just(1_000), Just(4_000), Just(70_000)];
    (size, any::<u8>()).prop_map(|(size, byte)| Payload::from(vec![byte; size]))
}

fn entry() -> impl Strategy<Value = Entry> {
    let kind =
        prop_oneof![Just(EntryKind::Message), Just(EntryKind::Commit), Just(EntryKind::Join)];
    let retention = prop_oneof![Just(Retention::Live), (1_u64..2_000_000).prop_map(seconds)];
    (kind, epoch(), retention, sealed()).prop_map(|(kind, epoch, retention, sealed)| Entry {
        kind,
        epoch,
        retention,
        sealed,
    })
}

fn epoch() -> impl Strategy<Value = Epoch> {
    prop_oneof![0_u64..4, Just(u64::MAX)].prop_map(Epoch::new)
}

fn next() -> impl Strategy<Value = NextEpoch> {
    (token(), token(), sealed()).prop_map(|(member, door, group_info)| NextEpoch {
        member: member.hash(),
        door: door.hash(),
        group_info,
    })
}

/// Requests about the room from a sender that knows only its address.
fn request(invite: &Invite) -> impl Strategy<Value = Request> + use<> {
    let address = *invite.address();
    let seq = || prop_oneof![0_u64..9, Just(u64::MAX)].prop_map(Seq::new);
    prop_oneof![
        token().prop_map(move |door| Request::Look { address, door }),
        (token(), entry(), next()).prop_map(move |(door, entry, next)| Request::Join {
            address,
            door,
            entry,
            next
        }),
        (epoch(), token()).prop_map(move |(epoch, member)| Request::Enter {
            address,
            epoch,
            member
        }),
        seq().prop_map(move |after| Request::Read { address, after }),
        (entry(), proptest::option::of(next())).prop_map(move |(entry, next)| Request::Publish {
            address,
            entry,
            next
        }),
        (token(), seq(), next()).prop_map(move |(token, seq, restored)| Request::Void {
            address,
            token,
            seq,
            restored
        }),
        token().prop_map(move |owner| Request::Close { address, owner }),
        Just(Request::Detach { address }),
    ]
}

/// A modification of a frame's bytes.
#[derive(Clone, Debug)]
enum Harm {
    None,
    Cut(usize),
    Flip(usize, u8),
    More(Vec<u8>),
    Random(Vec<u8>),
}

impl Harm {
    fn done_to(self, frame: &[u8]) -> Payload {
        let mut bytes = frame.to_vec();
        match self {
            Self::None => {}
            Self::Cut(at) => bytes.truncate(at % bytes.len().max(1)),
            Self::Flip(at, bit) => {
                let at = at % bytes.len();
                bytes[at] ^= 1 << (bit % 8);
            }
            Self::More(more) => bytes.extend(more),
            Self::Random(random) => bytes = random,
        }
        Payload::from(bytes)
    }
}

fn harm() -> impl Strategy<Value = Harm> {
    let bytes = || proptest::collection::vec(any::<u8>(), 0..200);
    prop_oneof![
        3 => Just(Harm::None),
        // Most errors are in the first bytes.
        2 => prop_oneof![0_usize..80, any::<usize>()].prop_map(Harm::Cut),
        4 => (prop_oneof![0_usize..80, any::<usize>()], any::<u8>())
            .prop_map(|(at, bit)| Harm::Flip(at, bit)),
        1 => bytes().prop_map(Harm::More),
        1 => bytes().prop_map(Harm::Random),
    ]
}

/// Sends the frames, and reads the replies; none of them may grant anything.
async fn pester(stage: &Stage, frames: Vec<Payload>) {
    let hand = Hand::reach(stage).await;
    let _ = hand.link.send(&frames).await;
    let answers = async {
        while let Ok(Some(frame)) = hand.link.recv().await {
            let frame: RelayFrame = decode(&frame, anocm_core::wire::MAX_FRAME).unwrap();
            if let RelayFrame::Reply { result: Ok(reply), .. } = frame {
                // A flipped bit may turn a request into a `Detach` from another room, which
                // succeeds.
                assert!(matches!(reply, Reply::Done), "{reply:?}");
            }
        }
    };
    let _ = tokio::time::timeout(Duration::from_secs(2), answers).await;
}

async fn they_talk(alice: &mut Guest, bob: &mut Guest) {
    alice.says("on and on", seconds(60));
    bob.hears("on and on").await;
    bob.says("and on", seconds(60));
    alice.hears("and on").await;
    for guest in [alice, bob] {
        for event in guest.meanwhile(Duration::from_millis(1)).await {
            assert!(!matches!(event, RoomEvent::Trouble(_) | RoomEvent::Ended(_)), "{event:?}");
        }
    }
}

/// Alice and Bob, who exchange messages after each case.
struct Talk {
    runtime: tokio::runtime::Runtime,
    stage: Stage,
    pair: RefCell<[Guest; 2]>,
}

impl Talk {
    fn begin() -> Self {
        let mut builder = tokio::runtime::Builder::new_current_thread();
        let runtime = builder.enable_time().start_paused(true).build().unwrap();
        let stage = Stage::new();
        let pair: [Guest; 2] = runtime.block_on(stage.with(&["Bob"])).try_into().unwrap();
        Self { runtime, stage, pair: RefCell::new(pair) }
    }

    fn invite(&self) -> Invite {
        self.pair.borrow()[0].invite()
    }

    /// Runs each of the cases and continues the conversation after each.
    fn beside<S: Strategy>(&self, cases: &S, case: impl AsyncFn(S::Value)) {
        let config = ProptestConfig { failure_persistence: None, ..ProptestConfig::default() };
        let result = TestRunner::new(config).run(cases, |value| {
            let [alice, bob] = &mut *self.pair.borrow_mut();
            self.runtime.block_on(async {
                case(value).await;
                they_talk(alice, bob).await;
            });
            Ok(())
        });
        result.unwrap();
    }
}

#[test]
fn whatever_a_stranger_sends_the_conversation_goes_on() {
    let talk = Talk::begin();
    let frame = (request(&talk.invite()), any::<u32>(), harm());
    talk.beside(&proptest::collection::vec(frame, 1..12), async |frames| {
        let frames = frames
            .into_iter()
            .map(|(request, id, harm)| harm.done_to(&encode(&ClientFrame { id, request })));
        pester(&talk.stage, frames.collect()).await;
    });
}

#[test]
fn a_link_holder_changes_nothing_with_entries_that_are_no_join() {
    let talk = Talk::begin();
    let invite = talk.invite();
    let (address, door) = (*invite.address(), door_token(&invite));
    // The right token, with an entry that the relay itself must refuse.
    let hash = door.hash();
    let joins =
        (entry(), next()).prop_filter("what only members can refuse", move |(entry, next)| {
            entry.kind != EntryKind::Join || !entry.has_valid_size() || next.door != hash
        });
    talk.beside(&joins, async |(entry, next)| {
        let request = Request::Join { address, door: door.clone(), entry, next };
        pester(&talk.stage, vec![encode(&ClientFrame { id: 1, request })]).await;
    });
}

#[test]
fn whatever_the_greeting_the_conversation_goes_on() {
    let talk = Talk::begin();
    talk.beside(&(any::<u16>(), any::<u16>(), harm()), async |(oldest, newest, harm)| {
        let hello = harm.done_to(&ClientHello { oldest, newest }.to_frame());
        let link = talk.stage.reach().connect().await.unwrap();
        link.send(&[hello]).await.unwrap();
        let farewell = async { while let Ok(Some(_)) = link.recv().await {} };
        let _ = tokio::time::timeout(Duration::from_secs(1), farewell).await;
    });
}
