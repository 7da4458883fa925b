//! What a connection has proven of its rooms, and where it watches.

use std::{sync::Arc, time::Duration};

use super::{
    connection::Connection,
    hub::{Hub, Subscriber},
    hubs::Joining,
    proof::{Proof, Proofs, record},
    requests::{busy, refusal},
};
use crate::{
    id::{Epoch, RoomAddress, Seq},
    store::{EpochRecord, StoredDoor},
    wire::{Policy, Refusal},
};

/// How long what has happened to a room may be on its way from the store to those who watch.
const IS_TOLD: Duration = Duration::from_secs(1);

/// What a connection has proven of one room.
pub(super) struct Attachment {
    pub(super) proofs: Proofs,
    pub(super) policy: Policy,
    /// Whether it has entered by the owner token, and not joined since.
    pub(super) owner: bool,
    /// The epoch that its last join was to begin, if there was one.
    pub(super) joined: Option<Epoch>,
    /// Where it watches, if it ever did.
    pub(super) hub: Option<Arc<Hub>>,
}

impl Attachment {
    pub(super) fn new(proofs: Proofs, policy: Policy) -> Self {
        Self { proofs, policy, owner: false, joined: None, hub: None }
    }
}

impl Connection<'_> {
    pub(super) async fn door(&self, address: &RoomAddress) -> Result<StoredDoor, Refusal> {
        self.relay.store.door(address).await.map_err(refusal)
    }

    /// Notes a proof that holds by `door`.
    pub(super) fn prove(
        &mut self,
        address: &RoomAddress,
        record: EpochRecord,
        door: &StoredDoor,
    ) -> Result<(), Refusal> {
        let proof = Proof { epoch: record.epoch, member: record.member };
        if !self.rooms.contains_key(address) {
            self.check_place(address)?;
            let fresh = Attachment::new(Proofs::new(proof), door.policy);
            self.attach(address, fresh);
        } else if let Some(room) = self.rooms.get_mut(address) {
            room.proofs = room.proofs.add(proof, door);
            room.policy = door.policy;
            if let Some(hub) = &room.hub {
                hub.prove(self.id, proof, door, self.relay.clock.now());
            }
        }
        Ok(())
    }

    /// Whether the connection has proven the epoch of `record`.
    pub(super) fn has_proven(
        &self,
        address: &RoomAddress,
        record: &EpochRecord,
        door: &StoredDoor,
    ) -> bool {
        let proof = Proof { epoch: record.epoch, member: record.member };
        self.rooms.get(address).is_some_and(|room| room.proofs.include(proof, door))
    }

    /// Whether a proof of the unsettled epoch of `record` settles it: of a connection that has
    /// proven the epoch before, or the one before that.
    ///
    /// Not the epoch before alone: a commit may have told the relay a false hash of it, and then only
    /// the committer can prove it. Nor any earlier one: its members may have left since.
    pub(super) fn settles(
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
    pub(super) async fn settle_all(
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
    pub(super) fn check_open(
        &self,
        address: &RoomAddress,
        door: &StoredDoor,
    ) -> Result<(), Refusal> {
        let inside =
            || self.rooms.get(address).is_some_and(|room| room.proofs.standing(door).is_some());
        if door.shut.is_zero() || inside() { Ok(()) } else { Err(busy(door.shut)) }
    }

    pub(super) fn attach(&mut self, address: &RoomAddress, mut attachment: Attachment) {
        attachment.joined = self.joined.remove(address);
        self.rooms.insert(*address, attachment);
    }

    /// A join is to be appended that begins `epoch`, by one who has not read what led there. Noted
    /// before, since the answer may be lost.
    pub(super) fn joins_again(&mut self, address: &RoomAddress, epoch: Epoch) {
        if let Some(room) = self.rooms.get_mut(address) {
            room.owner = false;
            room.joined = Some(epoch);
        }
    }

    /// A join was accepted that begins `epoch`: keeps a place until its author has entered.
    pub(super) fn keep_place(&mut self, address: &RoomAddress, epoch: Epoch) {
        if !self.rooms.contains_key(address) {
            self.joined.insert(*address, epoch);
        }
    }

    /// Refuses another room when there are too many. Those that ended make place.
    pub(super) fn check_place(&mut self, address: &RoomAddress) -> Result<(), Refusal> {
        let most = self.relay.config.max_rooms_per_connection;
        let taken = |connection: &Self| connection.rooms.len() + connection.joined.len();
        if taken(self) >= most {
            self.forget_ended();
        }
        let has_one = self.rooms.contains_key(address) || self.joined.contains_key(address);
        if taken(self) < most || has_one { Ok(()) } else { Err(Refusal::Full) }
    }

    /// Whether the connection is told what happens to the room.
    pub(super) fn watches(&self, address: &RoomAddress) -> bool {
        let hub = self.rooms.get(address).and_then(|room| room.hub.as_ref());
        hub.is_some_and(|hub| hub.has(self.id))
    }

    /// Of a room that is gone: whoever watches is told why before anything is refused for it.
    pub(super) async fn hear_the_end(&self, address: &RoomAddress) {
        let hub = self.rooms.get(address).and_then(|room| room.hub.as_ref());
        let Some(hub) = hub.filter(|hub| hub.has(self.id)) else {
            return;
        };
        let clock = &self.relay.clock;
        tokio::select! {
            biased;
            () = hub.ended() => {}
            () = clock.sleep_until(clock.now().after(IS_TOLD)) => {}
        }
    }

    /// Returns when whoever watches was told everything up to `place`, unless that takes too long.
    /// A page makes holes of what is in no log: what is live goes before it.
    pub(super) async fn hear_up_to(&self, address: &RoomAddress, place: Seq) {
        let Some(hub) = self.rooms.get(address).and_then(|room| room.hub.as_ref()) else {
            return;
        };
        let heard = async {
            loop {
                let told = hub.told.notified();
                tokio::pin!(told);
                // Before looking, so that nothing is told in between.
                told.as_mut().enable();
                if !self.outbox.flows_to(address, place) {
                    return;
                }
                told.await;
            }
        };
        let clock = &self.relay.clock;
        tokio::select! {
            biased;
            () = heard => {}
            () = clock.sleep_until(clock.now().after(IS_TOLD)) => {}
        }
    }

    /// Watches an attached room, and gives the door as it was when that had begun: its head joins
    /// up with what is told from there on. Entries are held back until the reply is released.
    pub(super) async fn watch(
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
            self.outbox.give_up(address);
        }
        door
    }

    /// Joins the hub of an attached room: a new one if the room is `new`, since an earlier room
    /// at the address may have one that has not heard of its end yet.
    pub(super) async fn subscribe(
        &mut self,
        address: &RoomAddress,
        current: Epoch,
        new: bool,
    ) -> Result<(), Refusal> {
        let room = self.rooms.get(address).ok_or(Refusal::NotAdmitted)?;
        let subscriber = Subscriber::new(self.outbox.clone(), room.proofs);
        let joining = Joining { id: self.id, subscriber, policy: room.policy, current, new };
        let hub = self.relay.subscribe(address, joining).await.map_err(refusal)?;
        if let Some(room) = self.rooms.get_mut(address) {
            room.hub = Some(hub);
        }
        Ok(())
    }

    /// Forgets what was proven of rooms that nobody watches any more.
    pub(super) fn forget_ended(&mut self) {
        self.rooms.retain(|_, room| !room.hub.as_ref().is_some_and(|hub| hub.is_over()));
    }

    /// Lets go of a room and of what was proven for it.
    pub(super) fn detach(&mut self, address: &RoomAddress) {
        self.joined.remove(address);
        let hub = self.rooms.remove(address).and_then(|room| room.hub);
        if let Some(hub) = hub {
            hub.unsubscribe(self.id);
        }
        self.outbox.forget(address);
    }
}
