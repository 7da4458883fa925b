use proptest::prelude::*;

use super::*;
use crate::wire::decode;

const ROOM: RoomAddress = RoomAddress::new([1; 16]);
const OTHER: RoomAddress = RoomAddress::new([2; 16]);

fn queue() -> Queue {
    Queue::new(&RelayConfig {
        outbox_bytes: 500,
        outbox_frames: 8,
        batch_bytes: 250,
        ..RelayConfig::default()
    })
}

/// An entry whose frame is its place, on a hundred bytes.
fn fanned(place: u64) -> Fanned {
    let mut frame = vec![0xEE; 100];
    frame[1..9].copy_from_slice(&place.to_be_bytes());
    Fanned { seq: Seq::new(place), frame: Payload::from(frame), expires: None }
}

#[derive(Clone, Debug)]
enum Step {
    Entry,
    Noise,
    Take,
    Read,
    Lost,
    Reenter,
}

/// A client that follows the events, and what it knows to have.
#[derive(Default)]
struct Client {
    has: u64,
    lags: bool,
    replies: VecDeque<u64>,
}

impl Client {
    fn receive(&mut self, frame: &Payload) {
        match frame.first() {
            Some(0xEE) => {
                let place = u64::from_be_bytes(frame[1..9].try_into().unwrap());
                assert!(!self.lags, "an entry during a lag");
                assert_eq!(place, self.has + 1, "an entry is missing or doubled");
                self.has = place;
            }
            // The reply to a read or an enter: everything up to there is known.
            Some(0xAA) => {
                self.has = self.replies.pop_front().unwrap();
                self.lags = false;
            }
            Some(0xAB) => {}
            _ => match decode(frame, 1_000) {
                Ok(RelayFrame::Event(Event::Lagging { after, .. })) => {
                    assert_eq!(after.value(), self.has, "the lag is misplaced");
                    self.lags = true;
                }
                other => panic!("{other:?}"),
            },
        }
    }
}

proptest! {
    #[test]
    fn nothing_is_left_out_without_a_word(
        steps in prop::collection::vec(prop_oneof![
            6 => Just(Step::Entry),
            2 => Just(Step::Noise),
            2 => Just(Step::Take),
            1 => Just(Step::Read),
            1 => Just(Step::Lost),
            1 => Just(Step::Reenter),
        ], 1..200)
    ) {
        let mut queue = queue();
        let mut client = Client::default();
        let mut head = 0;
        let mut lost = false;
        queue.hold(&ROOM);
        queue.hold(&OTHER);
        queue.release(&ROOM, Seq::START, Payload::from(vec![0xAB]));
        queue.release(&OTHER, Seq::START, Payload::from(vec![0xAB]));
        for step in steps {
            match step {
                Step::Entry => {
                    head += 1;
                    queue.entry(&ROOM, &fanned(head));
                }
                Step::Noise => queue.drop_entries(&OTHER),
                Step::Take => {
                    if let Some(Ok(batch)) = queue.take(Timestamp::ZERO) {
                        batch.frames.iter().for_each(|frame| client.receive(frame));
                        queue.sent(&batch);
                    }
                }
                // Clients read where they lag, when everything before has arrived.
                Step::Read if client.lags && queue.waiting.is_empty() => {
                    client.replies.push_back(head);
                    prop_assert!(queue.resume(&ROOM, Seq::new(head), Payload::from(vec![0xAA])));
                    lost = false;
                }
                Step::Reenter if client.lags && queue.waiting.is_empty() => {
                    queue.hold(&ROOM);
                    let at = head;
                    head += 1;
                    queue.entry(&ROOM, &fanned(head));
                    client.replies.push_back(at);
                    queue.release(&ROOM, Seq::new(at), Payload::from(vec![0xAA]));
                    lost = false;
                }
                Step::Lost if !lost => {
                    head += 1;
                    queue.lost(&ROOM);
                    lost = true;
                }
                _ => {}
            }
            prop_assert!(queue.entries.bytes <= 500 && queue.entries.frames <= 8);
        }
        // In the end everything has arrived, or the client knows that it lags.
        while let Some(Ok(batch)) = queue.take(Timestamp::ZERO) {
            batch.frames.iter().for_each(|frame| client.receive(frame));
            queue.sent(&batch);
        }
        prop_assert!(client.lags || client.has == head);
        prop_assert_eq!((queue.all.bytes, queue.all.frames), (0, 0));
    }
}

#[test]
fn a_lag_does_not_end_while_more_is_left_out() {
    let mut queue = queue();
    queue.hold(&ROOM);
    queue.release(&ROOM, Seq::START, Payload::default());
    for place in 1..=10 {
        queue.entry(&ROOM, &fanned(place));
    }
    let page = || Payload::from(vec![0xAA]);
    assert!(!queue.resume(&ROOM, Seq::new(9), page()));
    assert!(queue.resume(&ROOM, Seq::new(10), page()));
}

#[test]
fn one_room_that_lags_leaves_another_alone() {
    let mut queue = queue();
    for room in [ROOM, OTHER] {
        queue.hold(&room);
        queue.release(&room, Seq::START, Payload::default());
    }
    queue.entry(&OTHER, &fanned(1));
    for place in 1..=10 {
        queue.entry(&ROOM, &fanned(place));
    }
    queue.entry(&OTHER, &fanned(2));
    assert_eq!(queue.entries.frames, 2);
}
