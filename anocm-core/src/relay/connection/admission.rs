//! Admission of one connection's requests: proof of work, and join pacing.

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
    /// Checks the proof of work for a creation or join that takes `bytes` of memory. Refuses with a
    /// puzzle if work is needed, or with *busy* if a bucket is empty.
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
        // Without randomness a seed could repeat, and the puzzle could have been solved before.
        getrandom::fill(&mut seed).map_err(|_| busy(Duration::from_secs(1)))?;
        let puzzle = Puzzle { seed, difficulty };
        asked.insert(*address, (puzzle, Challenge { at: now, bytes: load.bytes }));
        Err(Refusal::WorkNeeded(puzzle))
    }

    /// Accepts the solution of a room's puzzle.
    pub(crate) fn take_solution(
        &mut self,
        id: RequestId,
        address: &RoomAddress,
        solution: Solution,
    ) -> Result<(), Refusal> {
        self.pow.remove_expired(self.relay.clock.now());
        let (puzzle, asked) = self.pow.issued.remove(address).ok_or(Refusal::Unlawful)?;
        if !is_solution(&puzzle, address, solution) {
            // Verifying a solution costs more than issuing a puzzle: a second guess is not allowed.
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

    /// Removes the puzzle and solution of a request that has succeeded.
    pub(crate) fn consume_pow(&mut self, address: &RoomAddress) {
        self.pow.issued.remove(address);
        self.pow.solved.remove(address);
    }

    /// Checks whether join pacing allows this client to query the door now.
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

    /// Ends a pending join: the client has joined, or another join came first.
    pub(crate) fn end_pending_join(&mut self, address: &RoomAddress, joined: bool) {
        let Some(newcomer) = self.pending_joins.get_mut(address) else {
            return;
        };
        if let Some(looked) = newcomer.looked_at.take() {
            // Only completed joins are measured: a client that does not join could otherwise slow
            // down the others on purpose.
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
