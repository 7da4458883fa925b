use std::sync::Mutex;

use proptest::prelude::*;

use super::*;
use crate::{transport::TransportError, wire::decode};

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

/// An entry with a frame of a hundred bytes that contains its sequence number.
fn entry(place: u64) -> EncodedEntry {
    let mut frame = vec![0xEE; 100];
    frame[1..9].copy_from_slice(&place.to_be_bytes());
    EncodedEntry {
        seq: Seq::new(place),
        frame: Payload::from(frame),
        encoded_at: Timestamp::ZERO,
        expires: None,
    }
}

const SHARD: ShardId = 7;

/// A link that takes a limited number of frames at once, and may not be able to write them.
struct Takes(usize, bool, Mutex<Vec<Payload>>);

#[async_trait::async_trait]
impl Link for Takes {
    async fn send(&self, _: &[Payload]) -> Result<(), TransportError> {
        Ok(())
    }

    fn try_send(&self, frames: &[Payload]) -> TrySend {
        let taken = frames.get(..self.0).unwrap_or(frames);
        self.2.lock().unwrap().extend_from_slice(taken);
        TrySend { accepted: taken.len(), pending: self.1 }
    }

    async fn recv(&self) -> Result<Option<Payload>, TransportError> {
        Ok(None)
    }

    async fn close(&self, _: Closing) {}
}

/// Sends entries as a shard does. Returns the frames that were handed to a link that takes at most
/// `takes` frames.
fn tell(queue: &mut Queue, told: &Broadcast, now: Timestamp, takes: usize) -> Vec<Payload> {
    tell_by(queue, told, now, Takes(takes, false, Mutex::default()))
}

fn tell_by(queue: &mut Queue, told: &Broadcast, now: Timestamp, link: Takes) -> Vec<Payload> {
    let passed = queue.try_send_direct(told, now, &link);
    for entry in &told.entries[passed..] {
        queue.push_entry(&told.room, entry);
    }
    let taken = link.2.into_inner().unwrap();
    assert_eq!(taken.len(), passed);
    taken
}

#[derive(Clone, Debug)]
enum Step {
    Tell {
        entries: u64,
        takes: usize,
        waits: bool,
    },
    Noise,
    Take,
    Read,
    Lost,
    Reenter,
    /// Proves an epoch; the end of the log that the store returns is older than the last `late`
    /// entries.
    Prove {
        late: u64,
    },
}

/// A client that follows the events, and the entries that it knows to have.
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
            // The end of the log.
            Some(0xAC) => {
                let head = u64::from_be_bytes(frame[1..9].try_into().unwrap());
                assert!(head >= self.has, "{head} is before {}", self.has);
            }
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

/// A queue, and the client that receives what is taken from it.
struct Play {
    queue: Queue,
    client: Client,
    /// The last entry of the room.
    head: u64,
    lost: bool,
}

impl Play {
    fn new() -> Self {
        let mut queue = queue();
        for room in [&ROOM, &OTHER] {
            queue.hold(room);
            queue.release(room, Seq::START, |_| Payload::from(vec![0xAB]));
        }
        Self { queue, client: Client::default(), head: 0, lost: false }
    }

    /// Delivers the next batch. Returns whether there was one.
    fn take(&mut self) -> bool {
        let Some(Ok(batch)) = self.queue.take(Timestamp::ZERO) else { return false };
        batch.frames.iter().for_each(|frame| self.client.receive(frame));
        self.queue.sent(&batch);
        true
    }

    /// Whether the client lags, and everything that was queued before has arrived.
    fn may_read(&self) -> bool {
        self.client.lags && self.queue.waiting.is_empty()
    }

    fn step(&mut self, step: Step) {
        match step {
            Step::Tell { entries, takes, waits } => {
                let entries = (self.head + 1..=self.head + entries).map(entry).collect::<Vec<_>>();
                self.head += entries.len() as u64;
                let told = Broadcast::new(SHARD, ROOM, Timestamp::ZERO, entries);
                let link = Takes(takes, waits, Mutex::default());
                let taken = tell_by(&mut self.queue, &told, Timestamp::ZERO, link);
                taken.iter().for_each(|frame| self.client.receive(frame));
            }
            Step::Noise => self.queue.drop_entries(&OTHER),
            Step::Take => _ = self.take(),
            Step::Read if self.may_read() => {
                self.client.replies.push_back(self.head);
                assert!(self.queue.resume(&ROOM, Seq::new(self.head)));
                self.queue.push_control(Payload::from(vec![0xAA]));
                self.lost = false;
            }
            Step::Reenter if self.may_read() => {
                self.queue.hold(&ROOM);
                let at = self.head;
                self.head += 1;
                self.queue.push_entry(&ROOM, &entry(self.head));
                self.client.replies.push_back(at);
                self.queue.release(&ROOM, Seq::new(at), |_| Payload::from(vec![0xAA]));
                self.lost = false;
            }
            Step::Prove { late } if self.queue.would_send(&ROOM, Seq::new(u64::MAX)) => {
                self.queue.hold(&ROOM);
                let at = Seq::new(self.head.saturating_sub(late));
                self.queue.release(&ROOM, at, |head| {
                    let mut frame = vec![0xAC; 9];
                    frame[1..].copy_from_slice(&head.value().to_be_bytes());
                    Payload::from(frame)
                });
            }
            Step::Lost if !self.lost => {
                self.head += 1;
                self.queue.lag(&ROOM);
                self.lost = true;
            }
            _ => {}
        }
    }
}

proptest! {
    #[test]
    fn nothing_is_left_out_without_a_word(
        steps in prop::collection::vec(prop_oneof![
            6 => (1_u64..4, 0_usize..4, any::<bool>())
                .prop_map(|(entries, takes, waits)| Step::Tell { entries, takes, waits }),
            2 => Just(Step::Noise),
            2 => Just(Step::Take),
            1 => Just(Step::Read),
            1 => Just(Step::Lost),
            1 => Just(Step::Reenter),
            1 => (0_u64..4).prop_map(|late| Step::Prove { late }),
        ], 1..200)
    ) {
        let mut play = Play::new();
        for step in steps {
            play.step(step);
            let entries = &play.queue.entries;
            prop_assert!(entries.bytes <= 500 && entries.frames <= 8);
        }
        // At the end everything has arrived, or the client knows that it lags.
        while play.take() {}
        let Play { queue, client, head, .. } = play;
        prop_assert!(client.lags || client.has == head);
        prop_assert_eq!((queue.all.bytes, queue.all.frames), (0, 0));
    }
}

#[test]
fn a_lag_does_not_end_while_more_is_left_out() {
    let mut queue = queue();
    queue.hold(&ROOM);
    queue.release(&ROOM, Seq::START, |_| Payload::default());
    for place in 1..=10 {
        queue.push_entry(&ROOM, &entry(place));
    }
    assert!(!queue.resume(&ROOM, Seq::new(9)));
    assert!(queue.resume(&ROOM, Seq::new(10)));
}

#[test]
fn one_room_that_lags_leaves_another_alone() {
    let mut queue = queue();
    for room in [ROOM, OTHER] {
        queue.hold(&room);
        queue.release(&room, Seq::START, |_| Payload::default());
    }
    queue.push_entry(&OTHER, &entry(1));
    for place in 1..=10 {
        queue.push_entry(&ROOM, &entry(place));
    }
    queue.push_entry(&OTHER, &entry(2));
    assert_eq!(queue.entries.frames, 2);
}

fn flowing() -> Queue {
    let mut queue = queue();
    queue.hold(&ROOM);
    queue.release(&ROOM, Seq::START, |_| Payload::default());
    let reply = queue.take(Timestamp::ZERO).unwrap().unwrap();
    queue.sent(&reply);
    queue
}

fn told(places: std::ops::RangeInclusive<u64>) -> Broadcast {
    Broadcast::new(SHARD, ROOM, Timestamp::ZERO, places.map(entry).collect())
}

#[test]
fn what_a_link_takes_does_not_wait() {
    let mut queue = flowing();
    assert_eq!(tell(&mut queue, &told(1..=2), Timestamp::ZERO, 8).len(), 2);
    assert!(queue.waiting.is_empty() && queue.all.frames == 0);
    // It is not sent again either.
    assert_eq!(tell(&mut queue, &told(1..=2), Timestamp::ZERO, 8).len(), 0);
    assert!(queue.waiting.is_empty());
    // A lag begins after the last entry that was sent.
    queue.lag(&ROOM);
    let batch = queue.take(Timestamp::ZERO).unwrap().unwrap();
    let lagging = RelayFrame::Event(Event::Lagging { address: ROOM, after: Seq::new(2) });
    assert_eq!(decode(&batch.frames[0], 1_000), Ok(lagging));
}

#[test]
fn what_a_link_could_not_write_counts_and_is_waited_for() {
    let mut queue = flowing();
    let link = Takes(8, true, Mutex::default());
    assert_eq!(tell_by(&mut queue, &told(1..=2), Timestamp::ZERO, link).len(), 2);
    assert_eq!((queue.entries.frames, queue.all.bytes), (2, 200));
    assert_eq!(tell(&mut queue, &told(3..=3), Timestamp::ZERO, 8).len(), 0);
    let handed = queue.take(Timestamp::ZERO).unwrap().unwrap();
    assert_eq!((handed.frames.len(), handed.bytes()), (0, 200));
    queue.sent(&handed);
    assert_eq!((queue.entries.frames, queue.all.frames), (1, 1));
    let batch = queue.take(Timestamp::ZERO).unwrap().unwrap();
    assert_eq!(batch.frames.len(), 1);
}

#[test]
fn nothing_overtakes_what_waits_or_is_being_sent() {
    let mut queue = flowing();
    queue.push_control(Payload::from(vec![0xAB]));
    assert_eq!(tell(&mut queue, &told(1..=1), Timestamp::ZERO, 8).len(), 0);
    let batch = queue.take(Timestamp::ZERO).unwrap().unwrap();
    assert_eq!(batch.frames.len(), 2);
    assert_eq!(tell(&mut queue, &told(2..=2), Timestamp::ZERO, 8).len(), 0);
    queue.sent(&batch);
    let batch = queue.take(Timestamp::ZERO).unwrap().unwrap();
    queue.sent(&batch);
    assert_eq!(tell(&mut queue, &told(3..=3), Timestamp::ZERO, 8).len(), 1);
    queue.end(Closing::Done);
    assert_eq!(tell(&mut queue, &told(4..=4), Timestamp::ZERO, 8).len(), 0);
}

#[test]
fn expired_entries_are_not_delivered() {
    let mut queue = flowing();
    let expires = Some(Timestamp::from_millis(10));
    let expiring = EncodedEntry { expires, ..entry(1) };
    let told = Broadcast::new(SHARD, ROOM, Timestamp::ZERO, vec![expiring]);
    assert_eq!(tell(&mut queue, &told, Timestamp::from_millis(10), 8).len(), 0);
    assert!(queue.take(Timestamp::from_millis(10)).is_none());
    let expiring = EncodedEntry { expires, ..entry(2) };
    let told = Broadcast::new(SHARD, ROOM, Timestamp::ZERO, vec![expiring]);
    assert_eq!(tell(&mut queue, &told, Timestamp::from_millis(9), 8).len(), 1);
}

#[test]
fn much_at_one_go_waits_where_it_is_counted() {
    let mut queue = flowing();
    assert_eq!(tell(&mut queue, &told(1..=3), Timestamp::ZERO, 8).len(), 0);
    assert_eq!(queue.entries.frames, 3);
}
