//! A minimal relay for the tests of the state machine: honest, and a few lines long.

use crate::{
    id::{Epoch, RoomAddress, Seq},
    secret::{Payload, Token, TokenHash},
    time::Timestamp,
    wire::{
        Door, Entered, Entry, Genesis, LogItem, NextEpoch, Page, Policy, Refusal, Reply, Request,
    },
};

/// One room: its log, its epochs and its door.
#[derive(Clone, Default)]
pub(super) struct Relay {
    room: Option<Room>,
}

#[derive(Clone)]
struct Room {
    address: RoomAddress,
    policy: Policy,
    owner: TokenHash,
    door: TokenHash,
    group_info: Payload,
    /// The member token hash of each epoch, and the sequence number of the entry that began it.
    epochs: Vec<(TokenHash, Seq)>,
    /// The entries at sequence numbers 1, 2, 3 …, and when each was appended.
    log: Vec<(Timestamp, Entry)>,
}

impl Relay {
    /// Handles a request of a connection that has `proven` an epoch.
    pub(super) fn answer(
        &mut self,
        now: Timestamp,
        proven: Option<Epoch>,
        request: Request,
    ) -> Result<Reply, Refusal> {
        if let Request::Create { address, genesis } = request {
            self.room = Some(Room::new(address, genesis));
            return Ok(Reply::Done);
        }
        let room = self.room.as_mut().ok_or(Refusal::NoSuchRoom)?;
        match request {
            Request::Look { door, .. } => {
                admit(room.door.admits(&door))?;
                Ok(Reply::Door(room.door()))
            }
            Request::Join { door, entry, next, .. } => {
                admit(room.door.admits(&door))?;
                room.append(now, entry, Some(next))
            }
            Request::Enter { epoch, member, .. } => room.enter(epoch, &member),
            Request::Read { after, .. } => {
                let proven = proven.ok_or(Refusal::NotAdmitted)?;
                Ok(Reply::Page(room.page(now, proven, after)))
            }
            Request::Publish { entry, next, .. } => {
                admit(proven.is_some())?;
                room.append(now, entry, next)
            }
            _ => Ok(Reply::Done),
        }
    }

    /// Returns the room's epoch.
    pub(super) fn epoch(&self) -> Epoch {
        self.room.as_ref().map_or(Epoch::FIRST, Room::epoch)
    }

    /// Returns the content of the door.
    pub(super) fn door(&self) -> Door {
        self.room.as_ref().unwrap().door()
    }

    /// Returns the last sequence number of the log.
    pub(super) fn head(&self) -> Seq {
        self.room.as_ref().map_or(Seq::START, Room::head)
    }

    /// Returns the entry at `seq`, live or not.
    pub(super) fn item(&self, now: Timestamp, seq: Seq) -> LogItem {
        self.room.as_ref().unwrap().item(now, seq)
    }

    /// Loses the entries after `seq`, which no relay may.
    pub(super) fn forget_after(&mut self, seq: Seq) {
        let room = self.room.as_mut().unwrap();
        room.log.truncate(usize::try_from(seq.value()).unwrap());
    }
}

impl Room {
    fn new(address: RoomAddress, genesis: Genesis) -> Self {
        let Genesis { policy, owner, first } = genesis;
        let NextEpoch { member, door, group_info } = first;
        let epochs = vec![(member, Seq::START)];
        Self { address, policy, owner, door, group_info, epochs, log: Vec::new() }
    }

    fn epoch(&self) -> Epoch {
        Epoch::new(self.epochs.len() as u64 - 1)
    }

    fn head(&self) -> Seq {
        Seq::new(self.log.len() as u64)
    }

    fn door(&self) -> Door {
        let (epoch, group_info) = (self.epoch(), self.group_info.clone());
        Door { address: self.address, epoch, group_info, policy: self.policy }
    }

    fn item(&self, now: Timestamp, seq: Seq) -> LogItem {
        let (at, entry) = self.log[usize::try_from(seq.value()).unwrap() - 1].clone();
        let age = u64::try_from(now.saturating_duration_since(at).as_millis()).unwrap();
        LogItem { seq, age, entry }
    }

    fn enter(&self, epoch: Epoch, token: &Token) -> Result<Reply, Refusal> {
        let known = self.epochs.get(usize::try_from(epoch.value()).unwrap());
        let &(member, began) = known.ok_or(Refusal::NotAdmitted)?;
        let owns = epoch == self.epoch() && self.owner.admits(token);
        admit(owns || member.admits(token))?;
        Ok(Reply::Entered(Entered { current: self.epoch(), began, head: self.head() }))
    }

    /// Returns the log up to the entry that ended `epoch`, without live or expired entries.
    fn page(&self, now: Timestamp, epoch: Epoch, after: Seq) -> Page {
        let end = usize::try_from(epoch.next().value()).unwrap();
        let reaches = self.epochs.get(end).map_or(self.head(), |&(_, began)| began);
        let places = (after.value() + 1..=reaches.value()).map(Seq::new);
        let items = places.map(|seq| self.item(now, seq));
        let kept = |item: &LogItem| item.age < u64::from(item.entry.retention.as_millis());
        Page { items: items.filter(kept).collect(), reaches, more: false }
    }

    fn append(
        &mut self,
        now: Timestamp,
        entry: Entry,
        next: Option<NextEpoch>,
    ) -> Result<Reply, Refusal> {
        let current = self.epoch();
        if entry.epoch != current {
            return Err(Refusal::StaleEpoch { current });
        }
        self.log.push((now, entry));
        let seq = self.head();
        if let Some(NextEpoch { member, door, group_info }) = next {
            self.epochs.push((member, seq));
            (self.door, self.group_info) = (door, group_info);
        }
        Ok(Reply::Accepted { seq })
    }
}

fn admit(is: bool) -> Result<(), Refusal> {
    if is { Ok(()) } else { Err(Refusal::NotAdmitted) }
}
