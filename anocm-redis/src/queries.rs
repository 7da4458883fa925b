//! Queries of a room: its position, and its log.

use std::time::Duration;

use anocm_core::{
    Epoch, Payload, RoomAddress, Seq, TokenHash,
    store::{PAGE_BYTES, StoreError},
    wire::{CloseReason, Genesis, LogItem, Page, Policy},
};
use redis::{FromRedisValue, Value};

use crate::{
    channels::{QueryResult, Record, RoomCursor},
    codec::{self, BEFORE_SEALED, Instance, Malformed},
    error::Fault,
    keys::{self, Shard},
    script::Name,
    servers::Servers,
};

/// The most entries of a room erased in one run of a script.
const MAX_ENTRIES_PER_STEP: usize = 500;
/// The most pages read to catch up for subscribers. A subscriber that missed more reads the log
/// itself.
const MAX_PAGES: usize = 8;
/// The most empty pages requested from the server before an incomplete page is returned to the
/// reader.
const MAX_EMPTY_PAGES: usize = 2;

/// The reply of a script: a status word, and values.
pub(crate) struct Answer {
    status: Vec<u8>,
    rest: std::vec::IntoIter<Value>,
}

impl Answer {
    pub(crate) fn of(value: Value) -> Result<Self, Malformed> {
        let Value::Array(values) = value else { return Err(Malformed) };
        let mut rest = values.into_iter();
        match rest.next() {
            Some(Value::BulkString(status)) => Ok(Self { status, rest }),
            _ => Err(Malformed),
        }
    }

    /// Maps every status but `ok` to an error.
    pub(crate) fn ok(mut self) -> Result<Self, StoreError> {
        match &*self.status {
            b"ok" => Ok(self),
            b"gone" => Err(StoreError::NoSuchRoom),
            b"in use" => Err(StoreError::AddressInUse),
            b"full" => Err(StoreError::Full),
            b"settled" => Err(StoreError::Settled),
            b"early" => {
                let wait = Duration::from_millis(self.number()?);
                Err(StoreError::TooEarly { wait })
            }
            b"stale" => {
                let current = self.number()?;
                Err(StoreError::StaleEpoch { current: Epoch::new(current) })
            }
            _ => Err(Fault::from(Malformed).into()),
        }
    }

    pub(crate) fn value(&mut self) -> Result<Value, StoreError> {
        self.rest.next().ok_or_else(|| Fault::from(Malformed).into())
    }

    pub(crate) fn number(&mut self) -> Result<u64, StoreError> {
        number(self.value()?)
    }

    pub(crate) fn bytes<const N: usize>(&mut self) -> Result<[u8; N], StoreError> {
        array(self.value()?)
    }
}

pub(crate) fn number(value: Value) -> Result<u64, StoreError> {
    u64::from_redis_value(value).map_err(|_| Fault::from(Malformed).into())
}

pub(crate) fn array<const N: usize>(value: Value) -> Result<[u8; N], StoreError> {
    let bytes = codec::bytes(value).map_err(Fault::from)?;
    bytes.as_slice().try_into().map_err(|_| Fault::from(Malformed).into())
}

pub(crate) async fn run(
    servers: &Servers,
    address: &RoomAddress,
    name: Name,
    arguments: &[&[u8]],
) -> Result<Answer, StoreError> {
    let shard = Shard::of(address);
    let keys = [keys::room(address), shard.key()];
    let answer = servers.run(shard, name, &[&keys[0], &keys[1]], arguments).await?;
    Answer::of(answer).map_err(Fault::from)?.ok()
}

/// Ends a room and erases it; if an instance is given, that one only.
pub(crate) async fn erase(
    servers: &Servers,
    address: &RoomAddress,
    reason: CloseReason,
    instance: &[u8],
) -> Result<(), StoreError> {
    let most = MAX_ENTRIES_PER_STEP.to_string();
    let mut again = "0";
    loop {
        let reason = codec::word(reason).as_bytes();
        let arguments = [reason, most.as_bytes(), again.as_bytes(), instance];
        let mut answer = run(servers, address, Name::Close, &arguments).await?;
        if answer.number()? == 0 {
            return Ok(());
        }
        again = "1";
    }
}

/// Opens a room.
pub(crate) async fn create(
    servers: &Servers,
    address: &RoomAddress,
    instance: &Instance,
    genesis: &Genesis,
) -> Result<(), StoreError> {
    let Genesis { policy, owner, first } = genesis;
    let numbers = numbers(policy);
    let arguments = room(instance, &numbers, owner, &first.door, &first.member, &first.group_info);
    run(servers, address, Name::Create, &arguments).await.map(drop)
}

/// Touches a room, even if its linger has run out. Returns false when it does not exist.
pub(crate) async fn touch_late(
    servers: &Servers,
    address: &RoomAddress,
    instance: &Instance,
) -> Result<bool, StoreError> {
    match run(servers, address, Name::Touch, &[instance]).await {
        Err(StoreError::NoSuchRoom) => Ok(false),
        touched => touched.map(|_| true),
    }
}

/// Opens a room again with its last known state. Returns false when another room is there.
pub(crate) async fn revive(
    servers: &Servers,
    address: &RoomAddress,
    at: &RoomCursor,
    record: &Record,
) -> Result<bool, StoreError> {
    let door = &record.door;
    let epoch = door.epochs.last().ok_or(StoreError::Backend)?;
    let numbers = numbers(&door.policy);
    let more = [record.opened, epoch.epoch.value(), epoch.began.value(), at.head.value(), at.turn];
    let more = more.map(|number| number.to_string());
    let settled = u8::from(epoch.settled).to_string();
    let shut = record.shut.map(|shut| (shut.door, [shut.until, shut.time].map(|n| n.to_string())));
    let mut arguments =
        room(&at.instance, &numbers, &door.owner, &door.door, &epoch.member, &door.group_info);
    arguments.extend(more.iter().map(String::as_bytes));
    arguments.extend([&at.mark[..], &at.fork, settled.as_bytes()]);
    if let Some((door, times)) = &shut {
        arguments.push(door.as_bytes());
        arguments.extend(times.iter().map(String::as_bytes));
    }
    match run(servers, address, Name::Revive, &arguments).await {
        Err(StoreError::NoSuchRoom) => Ok(false),
        answer => Ok(answer?.number()? == 1),
    }
}

fn numbers(policy: &Policy) -> [String; 6] {
    let numbers = [
        policy.linger,
        policy.max_age,
        policy.max_retention.as_millis().into(),
        policy.handshakes.as_millis().into(),
        policy.max_entries.into(),
        policy.max_bytes,
    ];
    numbers.map(|number| number.to_string())
}

/// Returns the arguments with which the scripts open a room.
fn room<'a>(
    instance: &'a Instance,
    numbers: &'a [String; 6],
    owner: &'a TokenHash,
    door: &'a TokenHash,
    member: &'a TokenHash,
    group_info: &'a Payload,
) -> Vec<&'a [u8]> {
    let mut arguments: Vec<&[u8]> =
        vec![instance, owner.as_bytes(), door.as_bytes(), member.as_bytes(), group_info];
    arguments.extend(numbers.iter().map(String::as_bytes));
    arguments
}

/// Returns the position of a room.
pub(crate) async fn state(
    servers: &Servers,
    address: &RoomAddress,
) -> Result<RoomCursor, StoreError> {
    let mut answer = run(servers, address, Name::State, &[]).await?;
    at(&mut answer)
}

pub(crate) fn at(answer: &mut Answer) -> Result<RoomCursor, StoreError> {
    Ok(RoomCursor {
        instance: answer.bytes()?,
        head: Seq::new(answer.number()?),
        turn: answer.number()?,
        mark: answer.bytes()?,
        fork: answer.bytes()?,
    })
}

/// Returns entries after `after` up to `until`, as many as a page holds.
pub(crate) async fn page(
    servers: &Servers,
    address: &RoomAddress,
    after: Seq,
    until: Seq,
) -> Result<Page, StoreError> {
    // Numbers in scripts are exact up to here.
    let [after, until] = [after, until].map(|seq| seq.min(Seq::new(1 << 53)));
    let mut page = Page { items: Vec::new(), reaches: after, more: true };
    for _ in 0..MAX_EMPTY_PAGES {
        let numbers = [
            page.reaches.value(),
            until.value(),
            PAGE_BYTES.try_into().unwrap_or(u64::MAX),
            BEFORE_SEALED.try_into().unwrap_or(u64::MAX),
        ];
        let texts = numbers.map(|number| number.to_string());
        let arguments = texts.each_ref().map(String::as_bytes);
        let mut answer = run(servers, address, Name::Read, &arguments).await?;
        // Entries that expired in transit are dropped, too.
        let asked = answer.number()?;
        let now = servers.now(Shard::of(address)).unwrap_or(asked).max(asked);
        page.reaches = Seq::new(answer.number()?);
        page.more = answer.number()? == 1;
        page.items = items(answer.value()?, now).map_err(Fault::from)?;
        if !page.items.is_empty() || !page.more {
            break;
        }
    }
    Ok(page)
}

fn items(found: Value, now: u64) -> Result<Vec<LogItem>, Malformed> {
    let Value::Array(found) = found else { return Err(Malformed) };
    let items = found
        .into_iter()
        .map(|pair| {
            let Value::Array(pair) = pair else { return Err(Malformed) };
            let [seq, value] = <[Value; 2]>::try_from(pair).map_err(|_| Malformed)?;
            let seq = u64::from_redis_value(seq).map_err(|_| Malformed)?;
            codec::item(Seq::new(seq), &codec::bytes(value)?, now)
        })
        .collect::<Result<Vec<_>, _>>()?;
    Ok(no_older_later(items.into_iter().flatten().collect()))
}

/// Returns entries in order, none of which is older than one before it. The relay that appended an
/// entry has timed it, and two relays' clocks may differ by some milliseconds. The earlier entry
/// then gets the age of the later one, so that none is kept for longer.
fn no_older_later(mut items: Vec<LogItem>) -> Vec<LogItem> {
    let mut oldest = 0;
    for item in items.iter_mut().rev() {
        oldest = oldest.max(item.age);
        item.age = oldest;
    }
    items.retain(|item| item.age < u64::from(item.entry.retention.as_millis()));
    items
}

/// Returns the changes of a room since position `at`; without one, its current position.
pub(crate) async fn since(
    servers: &Servers,
    address: &RoomAddress,
    at: Option<RoomCursor>,
) -> Result<QueryResult, StoreError> {
    let now = match state(servers, address).await {
        Err(StoreError::NoSuchRoom) => return Ok(QueryResult::Gone),
        state => state?,
    };
    let Some(at) = at else { return Ok(QueryResult::Whole(now, Vec::new())) };
    if now.instance != at.instance {
        return Ok(QueryResult::Gone);
    }
    if now.turn < at.turn || now.turn == at.turn && now.fork != at.fork {
        // A server that took over has lost the epoch that the members are in: they cannot continue.
        tracing::warn!("a room has ended: the server knows less than it did");
        return match erase(servers, address, CloseReason::Gone, &at.instance).await {
            Ok(()) | Err(StoreError::NoSuchRoom) => Ok(QueryResult::Gone),
            Err(error) => Err(error),
        };
    }
    if now == at {
        return Ok(QueryResult::Whole(at, Vec::new()));
    }
    let now = RoomCursor { head: now.head.max(at.head), ..now };
    let mut items = Vec::new();
    let mut reaches = at.head;
    for _ in 0..MAX_PAGES {
        if reaches >= now.head {
            break;
        }
        match page(servers, address, reaches, now.head).await {
            Err(StoreError::NoSuchRoom) => return Ok(QueryResult::Gone),
            page => {
                let page = page?;
                reaches = page.reaches;
                items.extend(page.items);
            }
        }
    }
    Ok(if is_all(&at, &now, &items) {
        QueryResult::Whole(now, items)
    } else {
        QueryResult::Part(now)
    })
}

/// Returns whether these items are all changes between the two positions.
fn is_all(at: &RoomCursor, now: &RoomCursor, items: &[LogItem]) -> bool {
    let places = items.iter().map(|item| item.seq.value());
    // The last entry received may have been lost, and another one have its sequence number.
    let goes_on = now.head > at.head || now.mark == at.mark;
    let begun = items.iter().filter(|item| item.entry.kind.begins_epoch()).count();
    goes_on
        && places.eq(at.head.value() + 1..=now.head.value())
        && u64::try_from(begun).is_ok_and(|begun| at.turn + begun == now.turn)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use anocm_core::{
        Epoch, Payload, Retention,
        wire::{Entry, EntryKind},
    };

    use super::*;

    fn item(seq: u64, age: u64) -> LogItem {
        let entry = Entry {
            kind: EntryKind::Message,
            epoch: Epoch::FIRST,
            retention: Retention::keep(Duration::from_secs(1)).unwrap(),
            sealed: Payload::default(),
        };
        LogItem { seq: Seq::new(seq), age, entry }
    }

    #[test]
    fn no_entry_is_told_as_younger_than_a_later_one() {
        let read = [item(1, 999), item(2, 500), item(4, 510), item(5, 490), item(6, 0)];
        let ages = |items: Vec<LogItem>| items.iter().map(|item| item.age).collect::<Vec<_>>();
        assert_eq!(ages(no_older_later(read.to_vec())), [999, 510, 510, 490, 0]);
        // An entry that expires by the adjusted age is dropped.
        assert_eq!(ages(no_older_later(vec![item(1, 990), item(2, 1_000)])), [0; 0]);
    }
}
