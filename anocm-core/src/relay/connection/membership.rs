//! Per-room state of a connection: its epoch proofs and its subscriptions.

use std::{sync::Arc, time::Duration};

use super::Connection;
use crate::{
    id::{Epoch, RoomAddress, Seq},
    relay::{
        admission::epoch_proof::{EpochProof, EpochProofs, record},
        fanout::{
            NewSubscriber,
            shard::{Shard, Subscriber},
        },
        refusals::{busy, refusal},
    },
    store::{EpochRecord, StoredDoor},
    wire::{Policy, Refusal},
};

/// How long to wait for a room's events to get from the store to the subscribers.
const DELIVERY_TIMEOUT: Duration = Duration::from_secs(1);

/// A connection's state in one room.
pub(crate) struct Membership {
    pub(crate) proofs: EpochProofs,
    pub(crate) policy: Policy,
    /// Whether the connection has entered with the owner token, and not joined since.
    pub(crate) owner: bool,
    /// The shard of its subscription, if it ever subscribed.
    pub(crate) shard: Option<Arc<Shard>>,
}

impl Membership {
    pub(crate) fn new(proofs: EpochProofs, policy: Policy) -> Self {
        Self { proofs, policy, owner: false, shard: None }
    }
}

impl Connection<'_> {
    pub(crate) async fn door(&self, address: &RoomAddress) -> Result<StoredDoor, Refusal> {
        self.relay.store.door(address).await.map_err(refusal)
    }

    /// Records a proof that is valid by `door`.
    pub(crate) fn prove(
        &mut self,
        address: &RoomAddress,
        record: EpochRecord,
        door: &StoredDoor,
    ) -> Result<(), Refusal> {
        let proof = EpochProof { epoch: record.epoch, member: record.member };
        if !self.rooms.contains_key(address) {
            self.check_slot(address)?;
            let fresh = Membership::new(EpochProofs::new(proof), door.policy);
            self.attach(address, fresh);
        } else if let Some(room) = self.rooms.get_mut(address) {
            room.proofs = room.proofs.add(proof, door);
            room.policy = door.policy;
            if let Some(shard) = &room.shard {
                shard.prove(self.id, proof, door, self.relay.clock.now());
            }
        }
        Ok(())
    }

    /// Returns whether the connection has proven the epoch of `record`.
    pub(crate) fn has_proven(
        &self,
        address: &RoomAddress,
        record: &EpochRecord,
        door: &StoredDoor,
    ) -> bool {
        let proof = EpochProof { epoch: record.epoch, member: record.member };
        self.rooms.get(address).is_some_and(|room| room.proofs.include(proof, door))
    }

    /// Returns whether a proof of the unsettled epoch of `record` settles it: it does if this
    /// connection has proven the epoch before, or the one before that.
    ///
    /// The epoch directly before is not enough: its commit may have given the relay a false member
    /// hash of it, and then only the committer can prove it. Epochs earlier than these two do not
    /// count: their members may have left since.
    pub(crate) fn settles(
        &self,
        address: &RoomAddress,
        record: &EpochRecord,
        door: &StoredDoor,
    ) -> bool {
        let near = |before: &&EpochRecord| {
            before.epoch < record.epoch && before.epoch.next().next() >= record.epoch
        };
        let mut before = door.epochs.iter().filter(near);
        !record.settled && before.any(|before| self.has_proven(address, before, door))
    }

    /// Settles every join that led to `epoch`. Called before a commit to `epoch` over a connection
    /// that has entered with the owner token, even if the commit comes too late.
    ///
    /// The owner's client has read the log up to the epoch, and takes back the joins that it
    /// rejects. It may not have proven each epoch on the way: a member may have given a false hash
    /// of one. That member has proven it, and could otherwise take back the joins that came after
    /// it.
    ///
    /// Joins up to the connection's own last join are not settled: a client that joined through the
    /// door has not read the log before that.
    pub(crate) async fn settle_all(
        &self,
        address: &RoomAddress,
        epoch: Epoch,
    ) -> Result<(), Refusal> {
        let door = self.door(address).await?;
        let reached = record(&door, epoch);
        if !reached.is_some_and(|reached| self.has_proven(address, &reached, &door)) {
            // The epoch that was proven was voided and replaced by another one of the same number.
            return Ok(());
        }
        let joined = self.last_joins.get(address).copied();
        let led_there = |record: &&EpochRecord| {
            !record.settled && record.epoch <= epoch && joined.is_none_or(|own| record.epoch > own)
        };
        for record in door.epochs.iter().filter(led_there) {
            self.relay.store.settle(address, record.began).await.map_err(refusal)?;
        }
        Ok(())
    }

    /// Refuses a connection that has proven no epoch of the room while the door is shut.
    pub(crate) fn check_open(
        &self,
        address: &RoomAddress,
        door: &StoredDoor,
    ) -> Result<(), Refusal> {
        let inside =
            || self.rooms.get(address).is_some_and(|room| room.proofs.standing(door).is_some());
        if door.shut.is_zero() || inside() { Ok(()) } else { Err(busy(door.shut)) }
    }

    pub(crate) fn attach(&mut self, address: &RoomAddress, membership: Membership) {
        self.joined.remove(address);
        self.rooms.insert(*address, membership);
    }

    /// Records that a join that begins `epoch` is about to be appended, by a client that has not
    /// read the log up to there. Recorded before the append, since its result may be lost, and kept
    /// when the room is detached.
    pub(crate) fn record_join(&mut self, address: &RoomAddress, epoch: Epoch) {
        if let Some(room) = self.rooms.get_mut(address) {
            room.owner = false;
        }
        if self.last_joins.len() >= 2 * self.relay.config.max_rooms_per_connection {
            let (rooms, joined) = (&self.rooms, &self.joined);
            self.last_joins.retain(|room, _| rooms.contains_key(room) || joined.contains(room));
        }
        self.last_joins.insert(*address, epoch);
    }

    /// Reserves a room slot for an accepted join, until its author has entered.
    pub(crate) fn reserve_slot(&mut self, address: &RoomAddress) {
        if !self.rooms.contains_key(address) {
            self.joined.insert(*address);
        }
    }

    /// Refuses another room when the connection is in too many. Rooms that ended free their slots.
    pub(crate) fn check_slot(&mut self, address: &RoomAddress) -> Result<(), Refusal> {
        let most = self.relay.config.max_rooms_per_connection;
        let taken = |connection: &Self| connection.rooms.len() + connection.joined.len();
        if taken(self) >= most {
            self.forget_ended();
        }
        let has_one = self.rooms.contains_key(address) || self.joined.contains(address);
        if taken(self) < most || has_one { Ok(()) } else { Err(Refusal::Full) }
    }

    /// Returns whether the connection is subscribed to the room.
    pub(crate) fn watches(&self, address: &RoomAddress) -> bool {
        let shard = self.rooms.get(address).and_then(|room| room.shard.as_ref());
        shard.is_some_and(|shard| shard.has(self.id))
    }

    /// For a room that is gone: waits until a subscribed connection was sent the reason, before a
    /// request is refused for it. Gives up after a timeout.
    pub(crate) async fn wait_closed(&self, address: &RoomAddress) {
        let shard = self.rooms.get(address).and_then(|room| room.shard.as_ref());
        let Some(shard) = shard.filter(|shard| shard.has(self.id)) else {
            return;
        };
        let clock = &self.relay.clock;
        tokio::select! {
            biased;
            () = shard.ended() => {}
            () = clock.sleep_until(clock.now().saturating_add(DELIVERY_TIMEOUT)) => {}
        }
    }

    /// Returns when a subscribed connection was sent every event of the room up to `place`, or
    /// after a timeout. Live entries are in no log and show as gaps in a page, so they must be sent
    /// before it.
    pub(crate) async fn wait_delivered(&self, address: &RoomAddress, place: Seq) {
        let Some(shard) = self.rooms.get(address).and_then(|room| room.shard.as_ref()) else {
            return;
        };
        let heard = async {
            loop {
                let progress = shard.progress.notified();
                tokio::pin!(progress);
                // Enabled before the check, so that no notification in between is missed.
                progress.as_mut().enable();
                if !self.outbox.would_send(address, place) {
                    return;
                }
                progress.await;
            }
        };
        let clock = &self.relay.clock;
        tokio::select! {
            biased;
            () = heard => {}
            () = clock.sleep_until(clock.now().saturating_add(DELIVERY_TIMEOUT)) => {}
        }
    }

    /// Subscribes to an attached room, and returns the door as it was once the subscription had
    /// begun: the events that follow connect to its head without a gap. Entries are held back until
    /// the reply is released.
    pub(crate) async fn watch(
        &mut self,
        address: &RoomAddress,
        current: Epoch,
    ) -> Result<StoredDoor, Refusal> {
        self.outbox.hold(address);
        let mut door = Ok(());
        if !self.watches(address) {
            door = self.subscribe(address, current, false).await;
        }
        let door = match door {
            Ok(()) => self.door(address).await,
            Err(refusal) => Err(refusal),
        };
        if door.is_err() {
            self.outbox.suspend(address);
        }
        door
    }

    /// Subscribes to a shard of an attached room. If the room is `new` the shard is a new one: a
    /// shard of an earlier room at the address may not have received that room's end yet.
    pub(crate) async fn subscribe(
        &mut self,
        address: &RoomAddress,
        current: Epoch,
        new: bool,
    ) -> Result<(), Refusal> {
        let room = self.rooms.get(address).ok_or(Refusal::NotAdmitted)?;
        let subscriber = Subscriber::new(self.outbox.clone(), room.proofs);
        let joining = NewSubscriber { id: self.id, subscriber, policy: room.policy, current, new };
        let shard = self.relay.subscribe(address, joining).await.map_err(refusal)?;
        if let Some(room) = self.rooms.get_mut(address) {
            room.shard = Some(shard);
        }
        Ok(())
    }

    /// Removes the memberships of rooms whose shard has ended.
    pub(crate) fn forget_ended(&mut self) {
        self.rooms.retain(|_, room| !room.shard.as_ref().is_some_and(|shard| shard.is_over()));
    }

    /// Detaches from a room, and removes what was proven for it.
    pub(crate) fn detach(&mut self, address: &RoomAddress) {
        self.joined.remove(address);
        let shard = self.rooms.remove(address).and_then(|room| room.shard);
        if let Some(shard) = shard {
            shard.unsubscribe(self.id);
        }
        self.outbox.close_room(address);
    }
}
