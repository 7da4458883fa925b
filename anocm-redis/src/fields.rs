//! Decoding of a room's door from the server's reply.

use std::time::Duration;

use anocm_core::{
    Epoch, Lifetime, Payload, Retention, Seq, TokenHash,
    store::{EpochRecord, StoreError, StoredDoor},
    wire::Policy,
};
use redis::{FromRedisValue, Value};

use crate::{
    channels::Shut,
    codec::{self, Ended, Instance, Malformed, Mark},
    error::Fault,
    queries::{array, number},
};

/// The fields of a room's hash, in the order in which the script gives them.
pub(crate) struct Fields(std::vec::IntoIter<Value>);

impl Fields {
    pub(crate) fn new(fields: Vec<Value>) -> Self {
        Self(fields.into_iter())
    }

    /// Returns the room's instance and the mark of the change that began its epoch.
    pub(crate) fn names(&mut self) -> Result<(Instance, Mark), StoreError> {
        // Skips the time when the room ends.
        self.next()?;
        Ok((array(self.next()?)?, array(self.next()?)?))
    }

    fn next(&mut self) -> Result<Value, StoreError> {
        self.0.next().ok_or_else(|| Fault::from(Malformed).into())
    }

    fn number(&mut self) -> Result<u64, StoreError> {
        number(self.next()?)
    }

    fn hash(&mut self) -> Result<TokenHash, StoreError> {
        Ok(TokenHash::new(array(self.next()?)?))
    }

    fn retention(&mut self) -> Result<Retention, StoreError> {
        let millis = self.number()?;
        if millis == 0 {
            return Ok(Retention::Live);
        }
        let lifetime = Lifetime::new(Duration::from_millis(millis));
        lifetime.map(Retention::For).map_err(|_| Fault::from(Malformed).into())
    }

    /// Returns the door, when the room was opened, and the last time the door was shut.
    pub(crate) fn door(
        mut self,
        group_info: Payload,
        ended: Value,
        now: u64,
    ) -> Result<(StoredDoor, u64, Option<Shut>), StoreError> {
        let (epoch, head, began) = (self.number()?, self.number()?, self.number()?);
        let (member, door, owner) = (self.hash()?, self.hash()?, self.hash()?);
        let mut epochs = past(ended, now).map_err(Fault::from)?;
        let policy = Policy {
            max_retention: self.retention()?,
            handshakes: self.retention()?,
            linger: self.number()?,
            max_age: self.number()?,
            max_entries: u32::try_from(self.number()?).map_err(|_| StoreError::Backend)?,
            max_bytes: self.number()?,
        };
        let opened = self.number()?;
        let settled = self.number()? != 0;
        let (epoch, began, head) = (Epoch::new(epoch), Seq::new(began), Seq::new(head));
        epochs.push(EpochRecord { epoch, member, door, began, settled });
        let closed = self.shut()?;
        let shut = closed.map_or(Duration::ZERO, |closed| closed.left(&door, now));
        Ok((StoredDoor { policy, owner, door, group_info, head, shut, epochs }, opened, closed))
    }

    fn shut(&mut self) -> Result<Option<Shut>, StoreError> {
        let door = match self.next()? {
            Value::Nil => return Ok(None),
            door => TokenHash::new(array(door)?),
        };
        Ok(Some(Shut { door, until: self.number()?, time: self.number()? }))
    }
}

/// Returns past epochs whose ending entries are still stored.
fn past(ended: Value, now: u64) -> Result<Vec<EpochRecord>, Malformed> {
    let records = Vec::<Vec<u8>>::from_redis_value(ended).map_err(|_| Malformed)?;
    let records: Result<Vec<Ended>, _> =
        records.iter().map(|record| codec::ended(record)).collect();
    let mut records = records?;
    records.retain(|record| record.death > now);
    records.sort_unstable_by_key(|record| record.epoch);
    let record = |Ended { epoch, began, settled, member, door, .. }| EpochRecord {
        epoch,
        member: TokenHash::new(member),
        door: TokenHash::new(door),
        began,
        settled,
    };
    Ok(records.into_iter().map(record).collect())
}
