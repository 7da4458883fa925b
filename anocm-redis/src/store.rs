//! The implementation of the store.

use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
};

use anocm_core::{
    Epoch, Payload, RoomAddress, Seq,
    store::{
        EpochRecord, Level, SETTLES, SHUT_FIRST, SHUT_LONGEST, Store, StoreError, StoreStatus,
        StoredDoor, TakeBack, UNJOINED_LINGER, Watch,
    },
    wire::{CloseReason, Entry, EntryKind, Genesis, NextEpoch, Page, Posture},
};
use async_trait::async_trait;
use redis::Value;
use zeroize::Zeroizing;

use crate::{
    ConnectError, RedisOptions,
    channels::{Channels, Record, RoomCursor},
    codec::{self, Malformed, Mark},
    error::Fault,
    fields::Fields,
    janitor::Janitor,
    keys::Shard,
    posture::PostureMonitor,
    queries,
    queries::Answer,
    script::Name,
    scrub::BufferScrubber,
    servers::{Servers, StoreHealth},
};

/// How many entries of a room are visited in one run of a script.
const TOGETHER: usize = 500;

/// A store of rooms in the memory of Redis or Valkey, shared by any number of relays.
///
/// See the [crate](crate) for the layout of the data, and for what is required of the servers.
pub struct RedisStore {
    servers: Arc<Servers>,
    channels: Arc<Channels>,
    janitor: Arc<Janitor>,
    posture: Arc<PostureMonitor>,
    stated: Mutex<Posture>,
    scrubber: Arc<BufferScrubber>,
}

impl RedisStore {
    /// Connects to the servers and checks that they keep everything in memory. Must be called on a
    /// tokio runtime.
    ///
    /// # Errors
    /// [`ConnectError`]: also when the servers write to a disk, or do not report whether they do
    /// and that is not allowed.
    pub async fn connect(options: RedisOptions) -> Result<Arc<Self>, ConnectError> {
        options.check()?;
        let servers = Arc::new(Servers::connect(options).await?);
        let monitor = PostureMonitor::spawn(&servers).await?;
        let scrubber = BufferScrubber::spawn(&servers);
        let janitor = Janitor::spawn(&servers, &scrubber);
        let channels = Channels::new(Arc::clone(&servers));
        let stated = Mutex::new(Posture::Unknown);
        Ok(Arc::new(Self { servers, channels, janitor, posture: monitor, stated, scrubber }))
    }

    /// Returns how many rooms all relays have on the servers, as seen within the last second or
    /// two.
    #[must_use]
    pub fn rooms(&self) -> usize {
        self.janitor.rooms()
    }

    /// Returns whether the servers can be used, as seen within the last seconds. Does no I/O.
    #[must_use]
    pub fn health(&self) -> StoreHealth {
        self.servers.health()
    }

    /// Sets the posture of the program's own memory: swap, core dumps, wiping. It is unknown until
    /// this is called. The store's posture is the worse of this and that of the servers.
    pub fn state_posture(&self, posture: Posture) {
        *self.stated.lock().unwrap_or_else(PoisonError::into_inner) = posture;
    }

    fn check_posture(&self) -> Result<(), StoreError> {
        match self.posture.posture() {
            Posture::Broken => Err(StoreError::ReadOnly),
            _ => Ok(()),
        }
    }

    async fn run(
        &self,
        address: &RoomAddress,
        name: Name,
        arguments: &[&[u8]],
    ) -> Result<Answer, StoreError> {
        let ask = || queries::run(&self.servers, address, name, arguments);
        self.channels.with_revival(address, ask).await
    }

    /// Appends an entry; a reserved one may use the space that the server keeps for those.
    async fn run_append(
        &self,
        address: &RoomAddress,
        is_reserved: bool,
        arguments: &[&[u8]],
    ) -> Result<Answer, StoreError> {
        let name = if is_reserved { Name::AppendReserved } else { Name::Append };
        self.scrubber.note();
        let mut answer = self.run(address, name, arguments).await;
        if !is_reserved && matches!(answer, Err(StoreError::Full)) {
            // Refused by the server before the script has run: find out the script's own reason.
            answer = self.run(address, Name::AppendReserved, arguments).await;
        }
        self.scrubber.note();
        answer
    }

    /// Rolls back the entry at `seq`, as the owner or with what a member has `shown`. `restored`
    /// are the member hash, door hash, and group information to restore.
    async fn run_void(
        &self,
        address: &RoomAddress,
        seq: Seq,
        restored: [&[u8]; 3],
        shown: &[&[u8]],
    ) -> Result<(), StoreError> {
        self.check_posture()?;
        let [member, door, group_info] = restored;
        let (seq, mark) = (seq.value().to_string(), mark()?);
        let before = codec::BEFORE_SEALED.to_string();
        let [first, longest] = [SHUT_FIRST, SHUT_LONGEST].map(|time| time.as_millis().to_string());
        let mut arguments: Vec<&[u8]> = vec![seq.as_bytes(), member, door, group_info, &mark];
        arguments.extend([before.as_bytes(), first.as_bytes(), longest.as_bytes()]);
        arguments.extend(shown);
        let voided = self.run(address, Name::Void, &arguments).await;
        self.scrubber.note();
        voided.map(drop)
    }

    /// Extends the time to live of the keys of a room's entries.
    async fn extend(&self, address: &RoomAddress, until: u64) -> Result<(), StoreError> {
        let (until, most) = (until.to_string(), TOGETHER.to_string());
        let mut cursor = Zeroizing::new(b"0".to_vec());
        loop {
            let arguments = [until.as_bytes(), cursor.as_slice(), most.as_bytes()];
            let mut answer = self.run(address, Name::Extend, &arguments).await?;
            cursor = codec::bytes(answer.value()?).map_err(Fault::from)?;
            if *cursor == b"0" {
                return Ok(());
            }
        }
    }
}

#[async_trait]
impl Store for RedisStore {
    async fn create(&self, address: &RoomAddress, genesis: Genesis) -> Result<(), StoreError> {
        self.check_posture()?;
        if self.janitor.rooms() >= self.servers.options().max_rooms {
            return Err(StoreError::Full);
        }
        let instance: codec::Instance = mark()?;
        let policy = genesis.policy;
        queries::create(&self.servers, address, &instance, &genesis).await?;
        let ends = policy.linger().min(policy.max_age()).min(UNJOINED_LINGER);
        self.janitor.expect(Shard::of(address), ends);
        Ok(())
    }

    async fn append(
        &self,
        address: &RoomAddress,
        entry: Entry,
        next: Option<NextEpoch>,
    ) -> Result<Seq, StoreError> {
        if next.is_some() != entry.kind.begins_epoch() {
            return Err(StoreError::Mismatched);
        }
        self.check_posture()?;
        let kept = codec::encode(&entry);
        let room = self.channels.get(address);
        let at = room.as_ref().and_then(|room| room.floor());
        let mark = mark()?;
        let numbers = [
            entry.epoch.value(),
            entry.retention.as_millis().into(),
            entry.sealed.len().try_into().unwrap_or(u64::MAX),
            at.map_or(0, |at| at.head.value()),
            at.map_or(0, |at| at.turn),
        ];
        let [epoch, retention, size, head, turn] = numbers.map(|number| number.to_string());
        let mut arguments: Vec<&[u8]> = vec![
            epoch.as_bytes(),
            retention.as_bytes(),
            size.as_bytes(),
            &kept,
            &mark,
            at.as_ref().map_or(&[], |at| &at.instance),
            head.as_bytes(),
            turn.as_bytes(),
            at.as_ref().map_or(&[], |at| &at.fork),
        ];
        if let Some(next) = &next {
            arguments.extend([next.member.as_bytes().as_slice(), next.door.as_bytes()]);
            arguments.push(&next.group_info);
        }
        let is_live = entry.retention.is_live();
        let mut answer = self.run_append(address, is_live || next.is_some(), &arguments).await?;
        if !is_live {
            self.janitor.expect(Shard::of(address), entry.retention.lifetime());
        }
        let (head, instance) = (Seq::new(answer.number()?), answer.bytes()?);
        let (turn, fork) = (answer.number()?, answer.bytes()?);
        if let Some(room) = room {
            room.answered(RoomCursor { instance, head, turn, mark, fork });
            if let Some(next) = next {
                let epoch = Epoch::new(entry.epoch.value().saturating_add(1));
                let current = EpochRecord {
                    epoch,
                    member: next.member,
                    door: next.door,
                    began: head,
                    settled: entry.kind != EntryKind::Join,
                };
                room.begins(fork, current, next);
            }
        }
        Ok(head)
    }

    async fn read(
        &self,
        address: &RoomAddress,
        after: Seq,
        until: Seq,
    ) -> Result<Page, StoreError> {
        let read = || queries::page(&self.servers, address, after, until);
        self.channels.with_revival(address, read).await
    }

    async fn door(&self, address: &RoomAddress) -> Result<StoredDoor, StoreError> {
        let room = self.channels.get(address);
        let known = room.as_ref().and_then(|room| room.info());
        let fork = known.as_ref().map_or(&[][..], |(fork, _)| fork);
        let mut answer = self.run(address, Name::Door, &[fork]).await?;
        let now = answer.number()?;
        let info = match answer.value()? {
            Value::Nil => known.map(|(_, info)| info),
            info => {
                let info = codec::bytes(info).map_err(Fault::from)?;
                Some(Payload::copy_from_slice(&info))
            }
        };
        let ended = answer.value()?;
        let Value::Array(fields) = answer.value()? else {
            return Err(Fault::from(Malformed).into());
        };
        let mut fields = Fields::new(fields);
        let (instance, fork) = fields.names()?;
        let group_info = info.ok_or_else(|| Fault::from(Malformed))?;
        let (door, opened, shut) = fields.door(group_info, ended, now)?;
        if let Some(room) = room {
            let epochs = door.epochs.last().copied().into_iter().collect();
            let door = StoredDoor { epochs, ..door.clone() };
            room.remember(&instance, Record { fork, opened, door, shut });
        }
        Ok(door)
    }

    async fn watch(&self, address: &RoomAddress) -> Result<Watch, StoreError> {
        self.channels.watch(address).await
    }

    async fn touch(&self, address: &RoomAddress) -> Result<(), StoreError> {
        let mut answer = match self.run(address, Name::Touch, &[b""]).await {
            Err(StoreError::NoSuchRoom) => {
                // Its watches must end even if the end was never announced.
                self.channels.check_gone(address);
                return Err(StoreError::NoSuchRoom);
            }
            answer => answer?,
        };
        self.channels.check(address, queries::at(&mut answer)?);
        match answer.number()? {
            0 => Ok(()),
            until => self.extend(address, until).await,
        }
    }

    async fn void(
        &self,
        address: &RoomAddress,
        seq: Seq,
        restored: NextEpoch,
    ) -> Result<(), StoreError> {
        let (member, door) = (restored.member.as_bytes(), restored.door.as_bytes());
        self.run_void(address, seq, [member, door, &restored.group_info], &[]).await
    }

    async fn settle(&self, address: &RoomAddress, began: Seq) -> Result<(), StoreError> {
        let seq = began.value().to_string();
        self.run(address, Name::Settle, &[seq.as_bytes()]).await?;
        if let Some(room) = self.channels.get(address) {
            room.settles(began);
        }
        Ok(())
    }

    async fn take_back(
        &self,
        address: &RoomAddress,
        seq: Seq,
        by: TakeBack,
    ) -> Result<(), StoreError> {
        let age = SETTLES.as_millis().to_string();
        let shown = [by.member.as_bytes().as_slice(), age.as_bytes()];
        // The server uses the hashes that it has recorded.
        self.run_void(address, seq, [&[], &[], &by.group_info], &shown).await
    }

    async fn close(&self, address: &RoomAddress, reason: CloseReason) -> Result<(), StoreError> {
        // A room that the server has expired because its clock was set would otherwise be revived
        // after this.
        let erase = || queries::erase(&self.servers, address, reason, &[]);
        let erased = self.channels.with_revival(address, erase).await;
        self.scrubber.note();
        erased
    }

    fn heartbeat(&self) {
        self.servers.heartbeat();
    }

    async fn posture(&self) -> Posture {
        let stated = *self.stated.lock().unwrap_or_else(PoisonError::into_inner);
        self.posture.posture().max(stated)
    }

    fn status(&self) -> StoreStatus {
        let wide = |n| u64::try_from(n).unwrap_or(u64::MAX);
        let mut status = StoreStatus::default();
        status.health = self.posture.health();
        status.memory = self.posture.memory();
        let (used, limit) = (self.janitor.rooms(), self.servers.options().max_rooms);
        status.rooms = Some(Level { used: wide(used), limit: wide(limit) });
        status
    }
}

/// Returns a random mark, unique to a change.
fn mark() -> Result<Mark, StoreError> {
    let mut mark = Mark::default();
    getrandom::fill(&mut mark).map_err(|_| StoreError::Backend)?;
    Ok(mark)
}

impl Drop for RedisStore {
    fn drop(&mut self) {
        self.channels.end();
    }
}

impl fmt::Debug for RedisStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RedisStore(..)")
    }
}
