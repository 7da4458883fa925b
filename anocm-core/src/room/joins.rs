//! How the machine gets into the room, and back into it.

use super::{
    Connection, Ended, JoinFailure, Machine, RoomEvent, Trouble,
    context::PendingRequest,
    joining::{attempt::Joining, external_join::ExternalJoin, state::JoinProgress},
    phase::Phase,
};
use crate::{
    id::{Epoch, Seq},
    wire::{CloseReason, Refusal, Reply, Request},
};

impl Machine {
    /// Sends the next request towards the room.
    pub(super) fn advance_joining(&mut self) {
        if let Phase::Joining(joining) = &mut self.phase {
            let progress = joining.advance(&mut self.cx);
            self.on_join_progress(progress);
        }
    }

    /// Handles the reply to a request towards the room.
    pub(super) fn on_joining_reply(
        &mut self,
        asked: PendingRequest,
        result: Result<Reply, Refusal>,
    ) {
        if let Phase::Joining(joining) = &mut self.phase {
            let progress = joining.on_reply(&mut self.cx, &mut self.joins, asked, result);
            self.on_join_progress(progress);
        }
    }

    fn on_join_progress(&mut self, progress: JoinProgress) {
        match progress {
            JoinProgress::Waiting => {}
            JoinProgress::Joined(seq) => self.complete_joining(seq),
            JoinProgress::Failed(ended) => self.end(ended),
        }
    }

    /// Runs one step of the proof of work, and sends the solution.
    pub(super) fn continue_pow(&mut self) {
        let solution = self.joins.pow.run(self.cx.now);
        if let (Some(solution), Phase::Joining(_)) = (solution, &self.phase) {
            let address = self.cx.address;
            self.cx.send_request(PendingRequest::Work, Request::Work { address, solution });
            self.advance_joining();
        }
    }

    /// Whether `NoSuchRoom` is an ordinary reply to this request.
    pub(super) fn expects_no_room(&self, asked: PendingRequest) -> bool {
        let opening = matches!(&self.phase, Phase::Joining(joining) if joining.is_creating());
        opening && matches!(asked, PendingRequest::Enter(_))
    }

    pub(super) fn on_no_such_room(&mut self) {
        self.end(match self.phase {
            Phase::Joining(_) if !self.joins.has_entered() => {
                Ended::NotLetIn(JoinFailure::NoSuchRoom)
            }
            _ => Ended::Closed(CloseReason::Gone),
        });
    }

    /// Completes the join: the guest is in the room and reads the log after `seq`.
    fn complete_joining(&mut self, seq: Seq) {
        let Phase::Joining(joining) = &self.phase else { return };
        if !joining.has_session() {
            return;
        }
        let opened = joining.is_creating();
        let Phase::Joining(joining) = std::mem::replace(&mut self.phase, Phase::Over) else {
            return;
        };
        let Some(session) = joining.into_session() else { return };
        let returned = self.joins.on_joined();
        let known = returned.then(|| self.joins.known().clone());
        self.sync.on_joined(&session, seq, opened, known);
        self.upkeep.on_joined(&mut self.cx, &session);
        self.phase = Phase::Inside(Box::new(session));
        if returned {
            self.cx.emit(RoomEvent::Trouble(Trouble::Rejoined));
        } else {
            self.cx.emit(RoomEvent::Entered);
        }
        if let Some(policy) = self.joins.granted_policy.take() {
            self.cx.emit(RoomEvent::Trouble(Trouble::LessThanAsked { policy }));
        }
        self.emit_epoch();
        self.cx.link.retry_at = None;
        self.cx.emit_connection(Connection::CatchingUp);
        self.enter();
        let wait = self.cx.random_millis(300);
        self.upkeep.presence.answer(self.cx.now.saturating_add(wait));
    }

    /// Rejoins through the door, replacing this guest's own leaf: the log no longer reaches back to
    /// this guest's epoch. After a void, `continued` is the epoch in which the room continues.
    /// `only_door` restricts the doors through which it joins.
    pub(super) fn rejoin(
        &mut self,
        continued: Option<Epoch>,
        only_door: Option<(Epoch, [u8; 32])>,
    ) {
        match std::mem::replace(&mut self.phase, Phase::Over) {
            Phase::Inside(session) => {
                let epoch = continued.unwrap_or(session.epoch());
                self.joins.remember(&session, !self.sync.is_silent());
                let join = ExternalJoin::rejoin(*session);
                self.phase = Phase::Joining(Box::new(Joining::External(join)));
                self.sync.on_rejoin();
                self.outbox.retire();
                self.cx.emit_connection(Connection::CatchingUp);
                if self.joins.on_rejoin(&mut self.cx, epoch, only_door) {
                    self.advance_joining();
                }
            }
            other => self.phase = other,
        }
    }
}
