//! Admission of one connection's requests: proof of work, and the pace of joins.

use std::time::Duration;

use super::Connection;
use crate::{
    id::RoomAddress,
    pow::is_solution,
    relay::{
        admission::pow::{Challenge, Load},
        refusals::{busy, crowded},
    },
    store::Level,
    transport::Closing,
    wire::{Puzzle, Refusal, Reply, RequestId, Solution},
};

impl Connection<'_> {
    /// Refuses a creation or join that has to be worked for first, and takes `bytes` of memory.
    pub(crate) fn check_pow(&mut self, address: &RoomAddress, bytes: usize) -> Result<(), Refusal> {
        let now = self.relay.clock.now();
        self.pow.remove_expired(now);
        let load = Load {
            places: self.relay.taken_places(),
            memory: self.relay.store.status().memory.map_or(0, Level::thousandths),
            bytes: u64::try_from(bytes).unwrap_or(u64::MAX),
        };
        let difficulty = self.relay.pow.difficulty(address, load, now);
        if difficulty == 0 || self.pow.covers(address, load.bytes) {
            return self.relay.pow.check(address, now).map_err(busy);
        }
        let most = self.relay.config.max_rooms_per_connection;
        let asked = &mut self.pow.issued;
        if let Some((puzzle, asked)) = asked.get(address)
            && asked.bytes >= load.bytes
        {
            return Err(Refusal::WorkNeeded(*puzzle));
        }
        if asked.len() >= most {
            asked.clear();
        }
        let mut seed = [0; 16];
        // Without randomness there is no puzzle that nobody has solved before.
        getrandom::fill(&mut seed).map_err(|_| busy(Duration::from_secs(1)))?;
        let puzzle = Puzzle { seed, difficulty };
        asked.insert(*address, (puzzle, Challenge { at: now, bytes: load.bytes }));
        Err(Refusal::WorkNeeded(puzzle))
    }

    /// Takes the work that was done for a room.
    pub(crate) fn take_solution(
        &mut self,
        id: RequestId,
        address: &RoomAddress,
        solution: Solution,
    ) -> Result<(), Refusal> {
        self.pow.remove_expired(self.relay.clock.now());
        let (puzzle, asked) = self.pow.issued.remove(address).ok_or(Refusal::Unlawful)?;
        if !is_solution(&puzzle, address, solution) {
            // Checking costs more than asking: nobody gets to guess twice.
            tracing::debug!("connection closed: no solution");
            self.outbox.end(Closing::Protocol);
            return Ok(());
        }
        if self.pow.solved.len() >= self.relay.config.max_rooms_per_connection {
            self.pow.solved.clear();
        }
        self.pow.solved.insert(*address, asked);
        self.reply(id, Reply::Done);
        Ok(())
    }

    /// What was worked for has come about.
    pub(crate) fn consume_pow(&mut self, address: &RoomAddress) {
        self.pow.issued.remove(address);
        self.pow.solved.remove(address);
    }

    /// Whether it is this newcomer's turn to look through the door.
    pub(crate) fn check_join_pace(&mut self, address: &RoomAddress) -> Result<(), Refusal> {
        let now = self.relay.clock.now();
        if !self.pending_joins.contains_key(address)
            && self.pending_joins.len() >= self.relay.config.max_rooms_per_connection
        {
            self.pending_joins.clear();
        }
        let newcomer = self.pending_joins.entry(*address).or_default();
        if !std::mem::take(&mut newcomer.overtaken) {
            let turn = match newcomer.retry_at {
                Some(turn) => turn,
                None => self.relay.join_pacing.schedule(address, now).map_err(busy)?,
            };
            newcomer.retry_at = Some(turn).filter(|turn| *turn > now);
            if newcomer.retry_at.is_some() {
                return Err(crowded(turn.saturating_duration_since(now)));
            }
        }
        newcomer.looked_at = Some(now);
        Ok(())
    }

    /// A newcomer has joined, or was overtaken.
    pub(crate) fn end_pending_join(&mut self, address: &RoomAddress, joined: bool) {
        let Some(newcomer) = self.pending_joins.get_mut(address) else {
            return;
        };
        if let Some(looked) = newcomer.looked_at.take() {
            // Of whoever did not join it says nothing: they may only want to slow others down.
            if joined {
                let time = self.relay.clock.now().saturating_duration_since(looked);
                self.relay.join_pacing.record(address, time);
            }
            newcomer.overtaken = !joined;
        }
        if joined {
            self.pending_joins.remove(address);
        }
    }
}
