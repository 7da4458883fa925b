//! A room made of random tokens: enough for a relay, which sees no more of any room.

use std::time::Duration;

use anocm_core::{
    Epoch, Payload, Retention, RoomAddress, Secret, Token,
    wire::{
        ClientFrame, ClientHello, Entered, Entry, EntryKind, Event, Genesis, Hello, LogItem,
        NextEpoch, Policy, RelayFrame, RelayHello, Reply, Request, Solution, decode, encode,
    },
};

use super::{GuestError, socket::Opened};

/// Size in bytes of the group information, which no guest opens.
const DOOR: usize = 1_000;
/// Longer than any measurement, and within what relays grant.
const AGE: Duration = Duration::from_secs(24 * 3_600);
const LINGER: Duration = Duration::from_secs(60);
/// No reply to these requests is longer.
const LONGEST: usize = 256;

/// What its guests know of a room.
#[derive(Debug)]
pub(crate) struct RawRoom {
    address: RoomAddress,
    member: Token,
    genesis: Genesis,
    retention: Retention,
}

impl RawRoom {
    /// Creates a room whose messages are kept as `retention` says. `entries` and `bytes` are the
    /// limits requested from the relay.
    pub(crate) fn new(retention: Retention, entries: u32, bytes: u64) -> Result<Self, GuestError> {
        let (address, member, door, owner) = (random()?, random()?, random()?, random()?);
        let member = Token::new(Secret::new(member));
        let millis = |span: Duration| u64::try_from(span.as_millis()).unwrap_or(u64::MAX);
        let handshakes = Retention::keep(Duration::from_secs(600)).unwrap_or(retention);
        let policy = Policy {
            max_retention: retention,
            handshakes,
            linger: millis(LINGER),
            max_age: millis(AGE),
            max_entries: entries,
            max_bytes: bytes,
        };
        let first = NextEpoch {
            member: member.hash(),
            door: Token::new(Secret::new(door)).hash(),
            group_info: Payload::from(vec![0; DOOR]),
        };
        let genesis = Genesis { policy, owner: Token::new(Secret::new(owner)).hash(), first };
        Ok(Self { address: RoomAddress::new(address), member, genesis, retention })
    }

    /// Sets the size of the group information in bytes, and the linger.
    pub(crate) fn with_door(mut self, bytes: usize, linger: Duration) -> Self {
        self.genesis.first.group_info = Payload::from(vec![0; bytes]);
        self.genesis.policy.linger = u64::try_from(linger.as_millis()).unwrap_or(u64::MAX);
        self
    }

    pub(crate) fn address(&self) -> &RoomAddress {
        &self.address
    }

    /// Completes the handshake and opens the room.
    pub(crate) async fn create(&self, guest: &mut Opened) -> Result<(), GuestError> {
        greet(guest).await?;
        self.open(guest).await
    }

    /// Opens the room, after the handshake.
    pub(crate) async fn open(&self, guest: &mut Opened) -> Result<(), GuestError> {
        match ask(guest, &self.creation()).await? {
            Reply::Done => Ok(()),
            _ => Err(GuestError::Protocol),
        }
    }

    /// Completes the handshake and enters the room.
    pub(crate) async fn enter(&self, guest: &mut Opened) -> Result<(), GuestError> {
        greet(guest).await?;
        let (address, member) = (self.address, self.member.clone());
        let asked = Request::Enter { address, epoch: Epoch::FIRST, member };
        match ask(guest, &request(asked)).await? {
            Reply::Entered(Entered { current: Epoch::FIRST, .. }) => Ok(()),
            _ => Err(GuestError::Protocol),
        }
    }

    /// Returns the request that opens the room.
    pub(crate) fn creation(&self) -> Payload {
        let (address, genesis) = (self.address, self.genesis.clone());
        request(Request::Create { address, genesis })
    }

    /// Returns the request that publishes sealed bytes. They are followed by a single byte.
    pub(crate) fn publication(&self, sealed: Payload) -> Payload {
        let entry = self.entry(sealed);
        request(Request::Publish { address: self.address, entry, next: None })
    }

    /// Returns the request that ends the first epoch with a commit, as the removal of a member
    /// does.
    pub(crate) fn removal(&self) -> Payload {
        let (kind, epoch) = (EntryKind::Commit, Epoch::FIRST);
        let (retention, sealed) = (self.genesis.policy.handshakes, Payload::from(vec![0; DOOR]));
        let entry = Entry { kind, epoch, retention, sealed };
        let next = Some(self.genesis.first.clone());
        request(Request::Publish { address: self.address, entry, next })
    }

    /// Returns the request with the solution of a proof of work for the room.
    pub(crate) fn work(&self, solution: Solution) -> Payload {
        request(Request::Work { address: self.address, solution })
    }

    /// Returns the event that delivers sealed bytes. They are at its end.
    pub(crate) fn event(&self, sealed: Payload) -> Payload {
        let item = LogItem { seq: anocm_core::Seq::new(1), age: 0, entry: self.entry(sealed) };
        encode(&RelayFrame::Event(Event::Entry { address: self.address, item }))
    }

    /// Returns the request that continues reading the log after `after`.
    pub(crate) fn catching_up(&self, after: anocm_core::Seq) -> Payload {
        request(Request::Read { address: self.address, after })
    }

    fn entry(&self, sealed: Payload) -> Entry {
        let (kind, epoch) = (EntryKind::Message, Epoch::FIRST);
        Entry { kind, epoch, retention: self.retention, sealed }
    }
}

/// Sends the hello, and receives the relay's.
pub(crate) async fn greet(guest: &mut Opened) -> Result<(), GuestError> {
    let answer = guest.ask(&ClientHello::default().to_frame()).await?;
    match RelayHello::from_frame(&answer) {
        Ok(RelayHello::Welcome { .. }) => Ok(()),
        _ => Err(GuestError::Protocol),
    }
}

async fn ask(guest: &mut Opened, request: &[u8]) -> Result<Reply, GuestError> {
    let mut answer = guest.ask(request).await?;
    loop {
        match decode(&answer, LONGEST) {
            Ok(RelayFrame::Reply { result, .. }) => return result.map_err(GuestError::Refused),
            // Other guests may be sending already.
            Ok(RelayFrame::Event(_)) => answer = guest.next().await?,
            _ => return Err(GuestError::Protocol),
        }
    }
}

/// Requests of a raw guest are replied to in order, so they need no distinct ids.
fn request(request: Request) -> Payload {
    encode(&ClientFrame { id: 0, request })
}

pub(crate) fn random<const N: usize>() -> Result<[u8; N], GuestError> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|_| GuestError::NoRandomness)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sealed_bytes_stand_where_the_receiver_looks_for_them() {
        for size in [1_000, 4_000, 16_000, 64_000] {
            let room = RawRoom::new(Retention::Live, 1, 1).unwrap();
            let sealed = vec![0xA5; size];
            let event = room.event(Payload::from(sealed.clone()));
            assert!(event.ends_with(&sealed));
            let request = room.publication(Payload::from(sealed.clone()));
            assert!(request[..request.len() - 1].ends_with(&sealed));
        }
    }
}
