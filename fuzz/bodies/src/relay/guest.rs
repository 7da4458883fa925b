//! One connection to a relay, and the checks of what it receives.

use std::{
    collections::{BTreeMap, VecDeque},
    time::Duration,
};

use anocm_core::{
    Epoch, Payload, RoomAddress, Seq,
    transport::Link,
    wire::{
        ClientFrame, ClientHello, Entered, Event, Hello, LogItem, MAX_FRAME, Page, Refusal,
        RelayFrame, RelayHello, Reply, Request, RequestId, decode, encode,
    },
};
use futures_util::FutureExt;

use super::known::{Known, Lock};
use crate::marks::reached;

/// One connection to a relay, with the state that its replies and events are checked against.
pub(super) struct Guest {
    link: Box<dyn Link>,
    /// Reads nothing until the end.
    pub(super) deaf: bool,
    /// Whether the greeting was sent to the relay.
    greeted: bool,
    /// Whether the relay has replied to it.
    welcome: bool,
    /// Whether a malformed frame was sent: nothing after it gets a reply.
    broken: bool,
    closed: bool,
    last_id: RequestId,
    /// Requests without a reply, in order.
    asked: VecDeque<(RequestId, Request)>,
    /// The highest proven epoch of each room.
    proven: BTreeMap<RoomAddress, Epoch>,
    /// The last sequence number received of each subscribed room.
    watched: BTreeMap<RoomAddress, Seq>,
}

impl Guest {
    pub(super) fn new(link: Box<dyn Link>, deaf: bool) -> Self {
        Self {
            link,
            deaf,
            greeted: false,
            welcome: false,
            broken: false,
            closed: false,
            last_id: 0,
            asked: VecDeque::new(),
            proven: BTreeMap::new(),
            watched: BTreeMap::new(),
        }
    }

    pub(super) async fn greet(&mut self, known: &mut Known) {
        self.send(&ClientHello::default().to_frame(), known).await;
    }

    /// Encodes the next request as a frame.
    pub(super) fn frame(&mut self, request: Request) -> Payload {
        self.last_id = self.last_id.wrapping_add(1);
        encode(&ClientFrame { id: self.last_id, request })
    }

    /// Sends any bytes. Requests among them are pending until their reply.
    pub(super) async fn send(&mut self, bytes: &[u8], known: &mut Known) {
        let frame = Payload::copy_from_slice(bytes);
        let frames = [frame];
        let sending = self.link.send(&frames);
        // A relay that delays this connection reads nothing until time passes.
        let sent = tokio::time::timeout(Duration::from_millis(1), sending).await;
        if self.broken || !matches!(sent, Ok(Ok(()))) {
            return;
        }
        if !self.greeted {
            self.greeted = true;
            let speaks = |hello: ClientHello| (hello.oldest..=hello.newest).contains(&1);
            self.broken = !ClientHello::from_frame(bytes).is_ok_and(speaks);
            return;
        }
        match decode::<ClientFrame>(bytes, MAX_FRAME) {
            Ok(ClientFrame { id, request }) => {
                known.note(&request);
                self.asked.push_back((id, request));
            }
            Err(_) => self.broken = true,
        }
    }

    /// Receives the frames that have arrived; returns false when there were none.
    pub(super) fn hear(&mut self, known: &Known) -> bool {
        let mut heard = false;
        while !self.closed {
            match self.link.recv().now_or_never() {
                None => break,
                Some(Ok(Some(frame))) => self.take(&frame, known),
                Some(_) => self.closed = true,
            }
            heard = true;
        }
        heard
    }

    /// Whether every request has its reply, or no reply can come any more.
    pub(super) fn is_served(&self) -> bool {
        self.closed || (self.asked.is_empty() && !self.broken)
    }

    pub(super) fn is_closed(&self) -> bool {
        self.closed
    }

    fn take(&mut self, frame: &Payload, known: &Known) {
        if !self.welcome {
            self.welcome = true;
            let hello = RelayHello::from_frame(frame).expect("the relay greets first");
            assert!(self.broken || matches!(hello, RelayHello::Welcome { .. }));
            return;
        }
        match decode(frame, MAX_FRAME).expect("the relay speaks the protocol") {
            RelayFrame::Reply { id, result } => {
                let (asked, request) = self.asked.pop_front().expect("an answer to something");
                assert_eq!(id, asked, "answers come in order");
                match result {
                    Ok(reply) => self.granted(&request, reply, known),
                    Err(refusal) => refused(refusal),
                }
            }
            RelayFrame::Event(event) => self.happened(event),
            _ => panic!("no such frame"),
        }
    }

    fn granted(&mut self, request: &Request, reply: Reply, known: &Known) {
        let address = request.address();
        let admitted = |lock, token| known.admits(address, lock, token);
        match (request, reply) {
            (Request::Create { .. }, Reply::Done) => {
                reached("created");
                self.proven.insert(*address, Epoch::FIRST);
                self.watched.insert(*address, Seq::START);
            }
            (Request::Look { door, .. }, Reply::Door(_)) => {
                reached("looked");
                assert!(admitted(Lock::Door, door));
            }
            (Request::Join { door, entry, .. }, Reply::Accepted { .. }) => {
                reached("joined");
                assert!(admitted(Lock::Door, door) && entry.has_valid_size());
            }
            (Request::Enter { epoch, member, .. }, Reply::Entered(entered)) => {
                let locks = [Lock::Member(*epoch), Lock::Restored, Lock::Owner];
                assert!(locks.into_iter().any(|lock| admitted(lock, member)));
                self.entered(address, *epoch, entered);
            }
            (Request::Read { after, .. }, Reply::Page(page)) => {
                self.page(address, *after, &page);
            }
            (Request::Publish { entry, .. }, Reply::Accepted { .. }) => {
                reached("published");
                assert!(entry.has_valid_size());
                assert!(self.proven.get(address) >= Some(&entry.epoch), "members publish");
            }
            (Request::Void { token, .. }, Reply::Done) if admitted(Lock::Owner, token) => {
                reached("voided by the owner");
            }
            (Request::Void { token, .. }, Reply::Done) => {
                reached("taken back by a member");
                assert!(known.admits_member(address, token));
                assert!(self.proven.contains_key(address), "by one who was inside");
            }
            (Request::Close { owner, .. }, Reply::Done) => {
                reached("closed by the owner");
                assert!(admitted(Lock::Owner, owner));
            }
            (Request::Detach { .. }, Reply::Done) => {
                reached("detached");
                self.proven.remove(address);
                self.watched.remove(address);
            }
            (request, reply) => panic!("{reply:?} is no answer to {request:?}"),
        }
    }

    fn entered(&mut self, address: &RoomAddress, epoch: Epoch, entered: Entered) {
        let highest = self.proven.entry(*address).or_insert(epoch);
        *highest = epoch.max(*highest);
        if entered.current == epoch {
            reached("entered");
            self.watched.insert(*address, Seq::START);
        } else {
            reached("entered an epoch of the past");
        }
    }

    fn page(&self, address: &RoomAddress, after: Seq, page: &Page) {
        reached("read");
        let proven = self.proven.get(address).expect("members read");
        let mut last = after;
        for LogItem { seq, age, entry } in &page.items {
            reached("an entry read");
            assert!(last < *seq && *seq <= page.reaches, "pages are in order");
            assert!(entry.epoch <= *proven, "the log is open as far as was proven");
            assert!(*age < u64::from(entry.retention.as_millis()), "what is over is not told");
            last = *seq;
        }
    }

    fn happened(&mut self, event: Event) {
        if let Some(address) = event.address() {
            let enters = |(_, request): &(RequestId, Request)| {
                let lets_in = matches!(request, Request::Enter { .. } | Request::Create { .. });
                lets_in && request.address() == address
            };
            let may_hear = self.proven.contains_key(address) || self.asked.iter().any(enters);
            assert!(may_hear, "nobody hears of a room without a proof");
        }
        match event {
            Event::Entry { address, item } => {
                reached("told an entry");
                let last = self.watched.get_mut(&address).expect("only who watches is told");
                assert!(*last < item.seq, "entries come in order");
                *last = item.seq;
            }
            Event::Lapsed { address } => {
                reached("lapsed");
                self.watched.remove(&address);
            }
            Event::Closed { address, .. } => {
                reached("room closed");
                self.watched.remove(&address);
            }
            Event::Voided { .. } => reached("told a void"),
            Event::Lagging { .. } => reached("lagging"),
            Event::GoingAway { rooms_end } => assert!(rooms_end),
            Event::Posture(_) => reached("posture"),
            _ => panic!("no such event"),
        }
    }
}

fn refused(refusal: Refusal) {
    let caused = !matches!(refusal, Refusal::ReadOnly | Refusal::Unavailable);
    assert!(caused, "a store in memory gives no cause for this: {refusal}");
    reached(refusal.name());
}
