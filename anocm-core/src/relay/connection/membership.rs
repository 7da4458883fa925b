//! What a connection has proven of its rooms, and where it watches.

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

/// How long what has happened to a room may be on its way from the store to those who watch.
const DELIVERY_TIMEOUT: Duration = Duration::from_secs(1);

/// What a connection has proven of one room.
pub(crate) struct Membership {
    pub(crate) proofs: EpochProofs,
    pub(crate) policy: Policy,
    /// Whether it has entered by the owner token, and not joined since.
    pub(crate) owner: bool,
    /// The epoch that its last join was to begin, if there was one.
    pub(crate) joined: Option<Epoch>,
    /// Where it watches, if it ever did.
    pub(crate) shard: Option<Arc<Shard>>,
}

impl Membership {
    pub(crate) fn new(proofs: EpochProofs, policy: Policy) -> Self {
        Self { proofs, policy, owner: false, joined: None, shard: None }
    }
}

impl Connection<'_> {
    pub(crate) async fn door(&self, address: &RoomAddress) -> Result<StoredDoor, Refusal> {
        self.relay.store.door(address).await.map_err(refusal)
    }

    /// Notes a proof that holds by `door`.
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

    /// Whether the connection has proven the epoch of `record`.
    pub(crate) fn has_proven(
        &self,
        address: &RoomAddress,
        record: &EpochRecord,
        door: &StoredDoor,
    ) -> bool {
        let proof = EpochProof { epoch: record.epoch, member: record.member };
        self.rooms.get(address).is_some_and(|room| room.proofs.include(proof, door))
    }

    /// Whether a proof of the unsettled epoch of `record` settles it: of a connection that has
    /// proven the epoch before, or the one before that.
    ///
    /// Not the epoch before alone: a commit may have told the relay a false hash of it, and then only
    /// the committer can prove it. Nor any earlier one: its members may have left since.
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

    /// Before a commit to `epoch` over a connection that has entered by the owner token, also one
    /// that comes too late: settles every join that led to that epoch.
    ///
    /// The owner's client has read on to the epoch, and takes back what it refuses to follow. It has
    /// not proven each epoch on the way where a member told a false hash of it. That member has, and
    /// could else take back the joins that came after.
    ///
    /// Not a join before one over this connection: who came through the door has not read on to there.
    pub(crate) async fn settle_all(
        &self,
        address: &RoomAddress,
        epoch: Epoch,
    ) -> Result<(), Refusal> {
        let door = self.door(address).await?;
        let reached = record(&door, epoch);
        if !reached.is_some_and(|reached| self.has_proven(address, &reached, &door)) {
            // Not the epoch of that number any more that was proven.
            return Ok(());
        }
        let joined = self.rooms.get(address).and_then(|room| room.joined);
        let led_there = |record: &&EpochRecord| {
            !record.settled && record.epoch <= epoch && joined.is_none_or(|own| record.epoch > own)
        };
        for record in door.epochs.iter().filter(led_there) {
            self.relay.store.settle(address, record.began).await.map_err(refusal)?;
        }
        Ok(())
    }

    /// Refuses one who has proven no epoch while the door is shut.
    pub(crate) fn check_open(
        &self,
        address: &RoomAddress,
        door: &StoredDoor,
    ) -> Result<(), Refusal> {
        let inside =
            || self.rooms.get(address).is_some_and(|room| room.proofs.standing(door).is_some());
        if door.shut.is_zero() || inside() { Ok(()) } else { Err(busy(door.shut)) }
    }

    pub(crate) fn attach(&mut self, address: &RoomAddress, mut attachment: Membership) {
        attachment.joined = self.joined.remove(address);
        self.rooms.insert(*address, attachment);
    }

    /// A join is to be appended that begins `epoch`, by one who has not read what led there. Noted
    /// before, since the answer may be lost.
    pub(crate) fn joins_again(&mut self, address: &RoomAddress, epoch: Epoch) {
        if let Some(room) = self.rooms.get_mut(address) {
            room.owner = false;
            room.joined = Some(epoch);
        }
    }

    /// A join was accepted that begins `epoch`: keeps a place until its author has entered.
    pub(crate) fn reserve_slot(&mut self, address: &RoomAddress, epoch: Epoch) {
        if !self.rooms.contains_key(address) {
            self.joined.insert(*address, epoch);
        }
    }

    /// Refuses another room when there are too many. Those that ended make place.
    pub(crate) fn check_slot(&mut self, address: &RoomAddress) -> Result<(), Refusal> {
        let most = self.relay.config.max_rooms_per_connection;
        let taken = |connection: &Self| connection.rooms.len() + connection.joined.len();
        if taken(self) >= most {
            self.forget_ended();
        }
        let has_one = self.rooms.contains_key(address) || self.joined.contains_key(address);
        if taken(self) < most || has_one { Ok(()) } else { Err(Refusal::Full) }
    }

    /// Whether the connection is told what happens to the room.
    pub(crate) fn watches(&self, address: &RoomAddress) -> bool {
        let shard = self.rooms.get(address).and_then(|room| room.shard.as_ref());
        shard.is_some_and(|shard| shard.has(self.id))
    }

    /// Of a room that is gone: whoever watches is told why before anything is refused for it.
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

    /// Returns when whoever watches was told everything up to `place`, unless that takes too long.
    /// A page makes holes of what is in no log: what is live goes before it.
    pub(crate) async fn wait_delivered(&self, address: &RoomAddress, place: Seq) {
        let Some(shard) = self.rooms.get(address).and_then(|room| room.shard.as_ref()) else {
            return;
        };
        let heard = async {
            loop {
                let progress = shard.progress.notified();
                tokio::pin!(progress);
                // Before looking, so that nothing is told in between.
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

    /// Watches an attached room, and gives the door as it was when that had begun: its head joins
    /// up with what is told from there on. Entries are held back until the reply is released.
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

    /// Joins the shard of an attached room: a new one if the room is `new`, since an earlier room
    /// at the address may have one that has not heard of its end yet.
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

    /// Forgets what was proven of rooms that nobody watches any more.
    pub(crate) fn forget_ended(&mut self) {
        self.rooms.retain(|_, room| !room.shard.as_ref().is_some_and(|shard| shard.is_over()));
    }

    /// Lets go of a room and of what was proven for it.
    pub(crate) fn detach(&mut self, address: &RoomAddress) {
        self.joined.remove(address);
        let shard = self.rooms.remove(address).and_then(|room| room.shard);
        if let Some(shard) = shard {
            shard.unsubscribe(self.id);
        }
        self.outbox.close_room(address);
    }
}
