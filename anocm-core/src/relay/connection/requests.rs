//! Handles requests: each is checked for authorization, passed to the store, and replied to.

use super::{Connection, membership::Membership};
use crate::{
    id::{Epoch, RoomAddress, Seq},
    relay::{
        admission::{
            epoch_proof::{EpochProof, EpochProofs, record},
            validate,
        },
        delivery::{broadcast::remaining, outbox::PageFrame},
        refusals::{busy, ensure_admitted, refusal},
    },
    secret::{Payload, Token, TokenHash},
    store::{StoredDoor, TakeBack},
    time::Timestamp,
    wire::{
        CloseReason, Door, Entered, Entry, EntryKind, Event, Genesis, NextEpoch, Page, Refusal,
        RelayFrame, Reply, Request, RequestId, encode,
    },
};

/// Bytes that a new room takes in addition to its door.
const PER_ROOM: usize = 1_024;
/// Bytes that are assumed for a join that does not enlarge the door: the largest usual entry. A
/// puzzle that was issued for the door query then also covers the join.
const A_JOIN: usize = 16_000;

impl Connection<'_> {
    /// Handles one request. The reply is in the outbox when this returns.
    pub(crate) async fn answer(&mut self, id: RequestId, request: Request) {
        let address = *request.address();
        self.relay.counts.count_request(&request);
        let answered = match request {
            Request::Work { address, solution } => self.take_solution(id, &address, solution),
            Request::Create { address, genesis } => self.create(id, &address, genesis).await,
            Request::Look { address, door } => self.look(id, &address, &door).await,
            Request::Join { address, door, entry, next } => {
                self.join(id, &address, &door, entry, next).await
            }
            Request::Enter { address, epoch, member } => {
                self.enter(id, &address, epoch, &member).await
            }
            Request::Read { address, after } => self.read_log(id, &address, after).await,
            Request::Publish { address, entry, next } => {
                self.publish(id, &address, entry, next).await
            }
            Request::Void { address, token, seq, restored } => {
                self.void(id, &address, &token, seq, restored).await
            }
            Request::Close { address, owner } => self.close(id, &address, &owner).await,
            Request::Detach { address } => {
                self.detach(&address);
                self.outbox.drop_room(&address);
                self.reply(id, Reply::Done);
                Ok(())
            }
        };
        if let Err(refusal) = answered {
            if refusal == Refusal::NoSuchRoom {
                self.wait_closed(&address).await;
                if !self.watches(&address) {
                    self.detach(&address);
                }
            }
            self.relay.counts.count_refusal(refusal);
            self.send_result(id, Err(refusal));
        }
    }

    async fn create(
        &mut self,
        id: RequestId,
        address: &RoomAddress,
        genesis: Genesis,
    ) -> Result<(), Refusal> {
        validate::genesis(&genesis, &self.relay.config.policy)?;
        self.check_slot(address)?;
        let takes = genesis.first.group_info.len().saturating_add(PER_ROOM);
        // Checked first, so that no client solves a puzzle in vain. The store decides.
        let memory = self.relay.store.status().memory;
        if memory.is_some_and(|memory| !memory.has(takes)) {
            return Err(Refusal::Full);
        }
        self.check_pow(address, takes)?;
        self.creations.try_take(self.relay.clock.now()).map_err(busy)?;
        let policy = genesis.policy;
        let proof = EpochProof { epoch: Epoch::FIRST, member: genesis.first.member };
        let created = self.relay.store.create(address, genesis).await;
        created.map_err(refusal)?;
        self.consume_pow(address);
        self.relay.pow.created();
        // Proofs for an earlier room at this address are no longer valid.
        self.detach(address);
        self.last_joins.remove(address);
        self.attach(address, Membership::new(EpochProofs::new(proof), policy));
        self.outbox.hold(address);
        self.subscribe(address, Epoch::FIRST, true).await?;
        let reply = frame(id, Ok(Reply::Done));
        self.outbox.release(address, Seq::START, |_| reply);
        Ok(())
    }

    async fn look(
        &mut self,
        id: RequestId,
        address: &RoomAddress,
        token: &Token,
    ) -> Result<(), Refusal> {
        let door = self.door(address).await?;
        ensure_admitted(door.door.admits(token))?;
        self.check_open(address, &door)?;
        if !self.rooms.contains_key(address) {
            // Proof of work comes before join pacing: a join is stale if its client solves a puzzle
            // between the door query and the join.
            self.check_pow(address, A_JOIN)?;
            self.check_join_pace(address)?;
        }
        self.reply(
            id,
            Reply::Door(Door {
                address: *address,
                epoch: door.epoch(),
                group_info: door.group_info,
                policy: door.policy,
            }),
        );
        Ok(())
    }

    async fn join(
        &mut self,
        id: RequestId,
        address: &RoomAddress,
        token: &Token,
        entry: Entry,
        next: NextEpoch,
    ) -> Result<(), Refusal> {
        validate::join(&entry, &next)?;
        // A join is followed by an enter: refuse it if there is no free room slot.
        self.check_slot(address)?;
        let door = self.door(address).await?;
        ensure_admitted(door.door.admits(token))?;
        self.check_open(address, &door)?;
        let grows = next.group_info.len().saturating_sub(door.group_info.len());
        self.check_pow(address, grows.saturating_add(entry.sealed.len()).max(A_JOIN))?;
        self.joins.try_take(self.relay.clock.now()).map_err(busy)?;
        validate::retention(&entry, &door.policy)?;
        if entry.epoch != door.epoch() {
            let current = door.epoch();
            self.end_pending_join(address, false);
            return Err(Refusal::StaleEpoch { current });
        }
        // A joining client must not change the door token hash, which would lock others out. `door`
        // is of the entry's epoch, and the store accepts the entry in no other.
        if next.door != door.door {
            return Err(Refusal::Unlawful);
        }
        self.record_join(address, entry.epoch.next());
        let appended = self.relay.store.append(address, entry, Some(next)).await;
        self.end_pending_join(address, appended.is_ok());
        let seq = appended.map_err(refusal)?;
        self.consume_pow(address);
        self.relay.pow.joined(address, self.relay.clock.now());
        self.reserve_slot(address);
        // Gives the client time to prove the new epoch, even if no other connection keeps the room
        // alive.
        if self.relay.store.touch(address).await.is_err() {
            tracing::debug!("a room could not be touched");
        }
        self.reply(id, Reply::Accepted { seq });
        Ok(())
    }

    async fn enter(
        &mut self,
        id: RequestId,
        address: &RoomAddress,
        epoch: Epoch,
        token: &Token,
    ) -> Result<(), Refusal> {
        let mut door = self.door(address).await?;
        // The owner is admitted whatever member hash the last commit set, and can correct it.
        let owns = epoch == door.epoch() && door.owner.admits(token);
        let proven = record(&door, epoch).filter(|record| owns || record.member.admits(token));
        let Some(mut proven) = proven else {
            // A client that cannot enter the room that it joined needs no slot for it.
            self.joined.remove(address);
            return Err(Refusal::NotAdmitted);
        };
        if self.settles(address, &proven, &door) {
            // Before the reply: once it is settled no other member can take the join back.
            self.relay.store.settle(address, proven.began).await.map_err(refusal)?;
            // The join may have been taken back before that.
            door = self.door(address).await?;
            let still = record(&door, epoch).filter(|record| record.member == proven.member);
            proven = still.ok_or(Refusal::NotAdmitted)?;
        }
        self.prove(address, proven, &door)?;
        if let Some(room) = self.rooms.get_mut(address) {
            room.owner |= owns;
        }
        if epoch == door.epoch() {
            door = self.watch(address, epoch).await?;
            let still = record(&door, epoch).filter(|record| record.member == proven.member);
            let Some(still) = still else {
                self.detach(address);
                self.outbox.drop_room(address);
                return Err(Refusal::NotAdmitted);
            };
            proven = still;
        }
        let (current, began) = (door.epoch(), proven.began);
        self.outbox.release(address, door.head, |head| {
            frame(id, Ok(Reply::Entered(Entered { current, began, head })))
        });
        Ok(())
    }

    async fn read_log(
        &mut self,
        id: RequestId,
        address: &RoomAddress,
        after: Seq,
    ) -> Result<(), Refusal> {
        let proofs = self.rooms.get(address).map(|room| room.proofs);
        let proofs = proofs.ok_or(Refusal::NotAdmitted)?;
        loop {
            let door = self.door(address).await?;
            let standing = proofs.standing(&door).ok_or(Refusal::NotAdmitted)?;
            let until = reach(&door, standing.epoch);
            let read = self.relay.store.read(address, after, until).await;
            let mut page = read.map_err(refusal)?;
            let now = self.relay.clock.now();
            self.wait_delivered(address, page.reaches).await;
            // Redundant with `until`: a second check on the entries themselves.
            page.items.retain(|item| item.entry.epoch <= standing.epoch);

            let at_head = standing.epoch == door.epoch() && !page.more;
            let reaches = page.reaches;
            let resumes = at_head.then_some((address, reaches));
            if self.outbox.push_page(page_frame(id, page.clone(), now), resumes) {
                return Ok(());
            }
            // More entries were skipped during the read: the client has to continue reading from
            // some point.
            if reaches > after {
                page.more = true;
                self.outbox.push_page(page_frame(id, page, now), None);
                return Ok(());
            }
        }
    }

    async fn publish(
        &mut self,
        id: RequestId,
        address: &RoomAddress,
        entry: Entry,
        next: Option<NextEpoch>,
    ) -> Result<(), Refusal> {
        validate::publication(&entry, next.as_ref())?;
        let room = self.rooms.get(address).ok_or(Refusal::NotAdmitted)?;
        if room.owner && entry.kind == EntryKind::Commit {
            self.settle_all(address, entry.epoch).await?;
        }
        let policy = room.policy;
        let is_sure =
            room.shard.as_ref().is_some_and(|shard| shard.has_proven(self.id, entry.epoch));
        if !is_sure {
            let proofs = room.proofs;
            let door = self.door(address).await?;
            let standing = proofs.standing(&door).ok_or(Refusal::NotAdmitted)?;
            let current = door.epoch();
            if entry.epoch != current {
                return Err(Refusal::StaleEpoch { current });
            }
            ensure_admitted(standing.epoch == current)?;
        }
        validate::retention(&entry, &policy)?;
        if let Some(shard) = self.rooms.get(address).and_then(|room| room.shard.as_ref()) {
            shard.rates.admit(&entry, self.relay.clock.now()).map_err(busy)?;
        }
        // The store accepts the entry in the epoch that was proven, or not at all.
        let appended = self.relay.store.append(address, entry, next).await;
        let seq = appended.map_err(refusal)?;
        self.reply(id, Reply::Accepted { seq });
        Ok(())
    }

    async fn void(
        &self,
        id: RequestId,
        address: &RoomAddress,
        token: &Token,
        seq: Seq,
        restored: NextEpoch,
    ) -> Result<(), Refusal> {
        validate::restored(&restored)?;
        let door = self.door(address).await?;
        let store = &self.relay.store;
        let voided = if door.owner.admits(token) {
            store.void(address, seq, restored).await
        } else {
            let member = self.member_before(address, seq, token, &door)?;
            let by = TakeBack { member, group_info: restored.group_info };
            store.take_back(address, seq, by).await
        };
        voided.map_err(refusal)?;
        self.reply(id, Reply::Done);
        Ok(())
    }

    /// Returns the member hash of the epoch before the one that began at `seq`, if `token` is its
    /// token and the connection has proven it.
    fn member_before(
        &self,
        address: &RoomAddress,
        seq: Seq,
        token: &Token,
        door: &StoredDoor,
    ) -> Result<TokenHash, Refusal> {
        ensure_admitted(self.rooms.contains_key(address))?;
        let stale = Refusal::StaleEpoch { current: door.epoch() };
        let begun = door.epochs.iter().find(|record| record.began == seq).ok_or(stale)?;
        let before = door.epochs.iter().find(|record| record.epoch.next() == begun.epoch);
        let before = before
            .filter(|record| record.member.admits(token) && self.has_proven(address, record, door));
        before.map(|record| record.member).ok_or(Refusal::NotAdmitted)
    }

    async fn close(
        &self,
        id: RequestId,
        address: &RoomAddress,
        token: &Token,
    ) -> Result<(), Refusal> {
        let door = self.door(address).await?;
        ensure_admitted(door.owner.admits(token))?;
        // The shards of this room, and not of one that is created at its address next.
        let shards = self.relay.shards.of_room(address);
        let closed = self.relay.store.close(address, CloseReason::Owner).await;
        closed.map_err(refusal)?;
        // Announced here rather than when the event arrives from the store's feed: the owner may
        // shut this relay down next.
        for shard in shards {
            shard.end(Event::Closed { address: *address, reason: CloseReason::Owner });
        }
        self.reply(id, Reply::Done);
        Ok(())
    }

    pub(crate) fn reply(&self, id: RequestId, reply: Reply) {
        self.send_result(id, Ok(reply));
    }

    fn send_result(&self, id: RequestId, result: Result<Reply, Refusal>) {
        self.outbox.push_control(frame(id, result));
    }
}

/// Returns how far the log is readable for a connection that has proven `epoch`: up to the entry
/// that ended the epoch.
fn reach(door: &StoredDoor, epoch: Epoch) -> Seq {
    if epoch == door.epoch() {
        return door.head;
    }
    let began = |epoch| record(door, epoch).map(|record| record.began);
    // If the successor of an epoch is no longer known, neither is the place where the epoch ended.
    began(epoch.next()).or_else(|| began(epoch)).unwrap_or(Seq::START)
}

fn frame(id: RequestId, result: Result<Reply, Refusal>) -> Payload {
    encode(&RelayFrame::Reply { id, result })
}

/// Encodes a page whose ages are right at `now`.
fn page_frame(id: RequestId, page: Page, now: Timestamp) -> PageFrame {
    let expires = page.items.iter().map(remaining).min().map(|left| now.saturating_add(left));
    PageFrame { frame: frame(id, Ok(Reply::Page(page))), now, expires }
}
