//! Binary encoding of entries and announcements.

use std::time::Duration;

use anocm_core::{
    Epoch, Payload, Retention, Seq,
    wire::{CloseReason, Entry, EntryKind, LogItem},
};
use redis::Value;
use zeroize::{Zeroize, Zeroizing};

/// Bytes before the sealed part of a stored entry: its expiry time and [`HEAD`].
///
/// An entry of 1,000 bytes, this, and the server's own six bytes make 1,023. The next size class of
/// the server's allocator is 1,280.
pub(crate) const BEFORE_SEALED: usize = DEATH + HEAD;
const DEATH: usize = 6;
/// Kind, epoch and retention.
const HEAD: usize = 1 + 6 + 4;

/// Identifies a room from its opening to its end. A later room at the same address has a different
/// one.
pub(crate) type Instance = [u8; 8];

/// Identifies a change of a room: after the loss of a server, another change may have the same
/// sequence number.
pub(crate) type Mark = [u8; 8];

/// Bytes that are not in the format the scripts produce.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Malformed;

/// Encodes an entry with space for its expiry time, which the server fills in.
pub(crate) fn encode(entry: &Entry) -> Zeroizing<Vec<u8>> {
    let mut bytes = Zeroizing::new(Vec::with_capacity(BEFORE_SEALED + entry.sealed.len()));
    bytes.extend([0; DEATH]);
    bytes.push(match entry.kind {
        EntryKind::Message => 0,
        EntryKind::Commit => 1,
        EntryKind::Join => 2,
    });
    // Truncation is harmless: the script compares the full epoch, and an epoch that does not fit
    // cannot be the room's.
    let [_, _, epoch @ ..] = entry.epoch.value().to_be_bytes();
    bytes.extend(epoch);
    bytes.extend(entry.retention.as_millis().to_be_bytes());
    bytes.extend_from_slice(&entry.sealed);
    bytes
}

/// Decodes an entry and its expiry time.
fn decode(bytes: &[u8]) -> Result<(u64, Entry), Malformed> {
    let (&[a, b, c, d, e, f], bytes) = bytes.split_first_chunk().ok_or(Malformed)?;
    let death = u64::from_be_bytes([0, 0, a, b, c, d, e, f]);
    let (&kind, bytes) = bytes.split_first().ok_or(Malformed)?;
    let kind = match kind {
        0 => EntryKind::Message,
        1 => EntryKind::Commit,
        2 => EntryKind::Join,
        _ => return Err(Malformed),
    };
    let (&[a, b, c, d, e, f], bytes) = bytes.split_first_chunk().ok_or(Malformed)?;
    let epoch = Epoch::new(u64::from_be_bytes([0, 0, a, b, c, d, e, f]));
    let (&millis, sealed) = bytes.split_first_chunk().ok_or(Malformed)?;
    let retention = match u32::from_be_bytes(millis) {
        0 => Retention::Live,
        millis => Retention::keep(Duration::from_millis(millis.into())).map_err(|_| Malformed)?,
    };
    Ok((death, Entry { kind, epoch, retention, sealed: Payload::copy_from_slice(sealed) }))
}

/// Decodes a stored entry with its sequence number, as read at `now`. `None` when it has expired.
pub(crate) fn item(seq: Seq, value: &[u8], now: u64) -> Result<Option<LogItem>, Malformed> {
    let (death, entry) = decode(value)?;
    if death <= now {
        return Ok(None);
    }
    let born = death.saturating_sub(entry.retention.as_millis().into());
    Ok(Some(LogItem { seq, age: now.saturating_sub(born), entry }))
}

/// The record of an epoch, stored with the entry that ended it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ended {
    /// When that entry expires.
    pub(crate) death: u64,
    pub(crate) epoch: Epoch,
    pub(crate) began: Seq,
    pub(crate) settled: bool,
    pub(crate) member: [u8; 32],
    pub(crate) door: [u8; 32],
}

pub(crate) fn ended(record: &[u8]) -> Result<Ended, Malformed> {
    let (&[a, b, c, d, e, f], record) = record.split_first_chunk().ok_or(Malformed)?;
    let (&epoch, record) = record.split_first_chunk().ok_or(Malformed)?;
    let (&began, record) = record.split_first_chunk().ok_or(Malformed)?;
    // The entry's retention and whether it is a join matter to the scripts only.
    let (&[_, _, _, _, settled, _], record) = record.split_first_chunk().ok_or(Malformed)?;
    let (&member, door) = record.split_first_chunk().ok_or(Malformed)?;
    Ok(Ended {
        death: u64::from_be_bytes([0, 0, a, b, c, d, e, f]),
        epoch: Epoch::new(u64::from_be_bytes(epoch)),
        began: Seq::new(u64::from_be_bytes(began)),
        settled: settled != 0,
        member,
        door: door.try_into().map_err(|_| Malformed)?,
    })
}

/// A change of a room that a script has announced.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Announced {
    pub(crate) instance: Instance,
    /// The mark of the preceding change and the unique mark of this one.
    pub(crate) after: Mark,
    pub(crate) mark: Mark,
    pub(crate) what: What,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum What {
    /// `turn` counts the changes of the epoch, including this entry.
    Entry {
        turn: u64,
        item: LogItem,
    },
    Voided {
        turn: u64,
        seq: Seq,
        epoch: Epoch,
    },
    Closed(CloseReason),
}

/// Returns whether this message announces an entry, which is the next message.
pub(crate) fn is_before_entry(payload: &[u8]) -> bool {
    payload.first() == Some(&b'E')
}

/// Returns whether this message is an announced entry.
pub(crate) fn is_entry(payload: &[u8]) -> bool {
    // The space for the expiry time is still zero.
    payload.first() == Some(&0)
}

/// Decodes an announcement. An entry is a separate message, passed as `entry`.
pub(crate) fn announced(payload: &[u8], entry: &[u8]) -> Result<Announced, Malformed> {
    let (&kind, rest) = payload.split_first().ok_or(Malformed)?;
    let (&instance, rest) = rest.split_first_chunk().ok_or(Malformed)?;
    if kind == b'C' {
        let what = What::Closed(reason(rest)?);
        return Ok(Announced { instance, after: Mark::default(), mark: Mark::default(), what });
    }
    let (&after, rest) = rest.split_first_chunk().ok_or(Malformed)?;
    let (&mark, rest) = rest.split_first_chunk().ok_or(Malformed)?;
    let what = match kind {
        b'E' => {
            let (turn, rest) = number(rest)?;
            let (seq, _) = number(rest)?;
            let (_, entry) = decode(entry)?;
            let item = LogItem { seq: Seq::new(seq), age: 0, entry };
            What::Entry { turn, item }
        }
        b'V' => {
            let (turn, rest) = number(rest)?;
            let (seq, rest) = number(rest)?;
            let (epoch, _) = number(rest)?;
            What::Voided { turn, seq: Seq::new(seq), epoch: Epoch::new(epoch) }
        }
        _ => return Err(Malformed),
    };
    Ok(Announced { instance, after, mark, what })
}

fn number(bytes: &[u8]) -> Result<(u64, &[u8]), Malformed> {
    let (&number, rest) = bytes.split_first_chunk().ok_or(Malformed)?;
    Ok((u64::from_be_bytes(number), rest))
}

/// Returns the encoding of a reason.
pub(crate) const fn word(reason: CloseReason) -> &'static str {
    match reason {
        CloseReason::Owner => "owner",
        CloseReason::Age => "age",
        _ => "gone",
    }
}

fn reason(word: &[u8]) -> Result<CloseReason, Malformed> {
    match word {
        b"owner" => Ok(CloseReason::Owner),
        b"age" => Ok(CloseReason::Age),
        b"gone" => Ok(CloseReason::Gone),
        _ => Err(Malformed),
    }
}

/// Takes bytes out of a reply. The returned buffer is zeroised on drop.
pub(crate) fn bytes(value: Value) -> Result<Zeroizing<Vec<u8>>, Malformed> {
    match value {
        Value::BulkString(bytes) => Ok(Zeroizing::new(bytes)),
        mut other => {
            wipe(&mut other);
            Err(Malformed)
        }
    }
}

/// Zeroises the contents of a reply.
pub(crate) fn wipe(value: &mut Value) {
    match value {
        Value::BulkString(bytes) => bytes.zeroize(),
        Value::Array(values) | Value::Push { data: values, .. } => values.iter_mut().for_each(wipe),
        _ => {}
    }
}
