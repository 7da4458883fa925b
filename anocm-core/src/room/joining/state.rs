//! Opening a room, joining it, and rejoining it.

use std::time::Duration;

use crate::room::{
    Connection, Ended, JoinFailure, Machine, NewRoom, RoomEvent, Trouble,
    context::MAX_BACKOFF,
    context::PendingRequest,
    joining::external_join::{Candidate, ExternalJoin, returning},
    joining::policy_negotiation::PolicyNegotiation,
    phase::Phase,
    sync::counters::SenderCounters,
};
use crate::{
    id::{Epoch, RoomAddress, Seq},
    session::{CommitBundle, Session, door_token},
    time::Timestamp,
    wire::{CloseReason, Genesis, Refusal, Reply, Request},
};

/// Most `AddressInUse` refusals while opening a room whose address is in use by another room; after
/// that the client gives up.
const MAX_IN_USE: u32 = 8;
/// A rejoin within this time of the last one waits, with growing backoff.
const REJOIN_AGAIN: Duration = Duration::from_secs(60);

/// The state of a guest that is opening or joining a room.
pub(crate) enum Joining {
    /// The guest opens the room.
    Creating {
        session: Session,
        genesis: Genesis,
        /// A creation was sent and its outcome is unknown.
        unknown: bool,
        /// How often the relay reported the address as in use.
        in_use: u32,
        /// The room as it is requested now.
        wish: PolicyNegotiation,
    },
    /// The guest is joining through the door.
    External(ExternalJoin),
}

impl Joining {
    pub(crate) const fn creating(
        session: Session,
        genesis: Genesis,
        wish: PolicyNegotiation,
    ) -> Self {
        Self::Creating { session, genesis, unknown: false, in_use: 0, wish }
    }

    /// Whether the proof of `epoch` is to find out the outcome of a creation or join.
    fn awaits(&self, epoch: Epoch) -> bool {
        match self {
            Self::Creating { unknown, session, .. } => *unknown && session.epoch() == epoch,
            Self::External(ExternalJoin { candidate: Some(candidate), .. }) => {
                candidate.unknown && candidate.session.epoch() == epoch
            }
            Self::External(_) => false,
        }
    }

    /// Marks a join as possibly accepted, after the connection was lost.
    pub(crate) fn outcome_unknown(&mut self) {
        if let Self::External(ExternalJoin { candidate: Some(candidate), .. }) = self {
            candidate.unknown = true;
        }
    }

    /// Returns the next request towards the room at `address`.
    fn step(&mut self, address: RoomAddress) -> Option<(PendingRequest, Request)> {
        Some(match self {
            // A creation or join that may have been accepted: a proof with its member token finds
            // out.
            Self::Creating { session, unknown: true, .. } => prove(address, session)?,
            Self::External(ExternalJoin {
                candidate: Some(Candidate { session, unknown: true, .. }),
                ..
            }) => prove(address, session)?,
            Self::Creating { genesis, unknown, .. } => {
                *unknown = true;
                (PendingRequest::Create, Request::Create { address, genesis: genesis.clone() })
            }
            Self::External(ExternalJoin {
                token,
                candidate: Some(Candidate { session, outgoing, .. }),
                ..
            }) => {
                let CommitBundle { entry, next } = outgoing.clone();
                (
                    PendingRequest::Join(session.epoch()),
                    Request::Join { address, door: token.clone()?, entry, next },
                )
            }
            Self::External(ExternalJoin { token, secret, candidate: None, .. }) => {
                *token = door_token(&address, secret);
                (PendingRequest::Look, Request::Look { address, door: token.clone()? })
            }
        })
    }
}

fn prove(address: RoomAddress, session: &Session) -> Option<(PendingRequest, Request)> {
    let (epoch, member) = (session.epoch(), session.member_token().ok()?.clone());
    Some((PendingRequest::Enter(epoch), Request::Enter { address, epoch, member }))
}

impl Machine {
    /// Sends the next request towards the room.
    pub(crate) fn advance_joining(&mut self) {
        let Phase::Joining(entrance) = &mut self.phase else { return };
        match entrance.step(self.cx.address) {
            Some((asked, request)) => drop(self.cx.send_request(asked, request)),
            None => self.end(Ended::NotLetIn(JoinFailure::BadDoor)),
        }
    }

    /// Whether `NoSuchRoom` is an ordinary reply to this request.
    pub(crate) fn expects_no_room(&self, asked: PendingRequest) -> bool {
        let opening = matches!(&self.phase, Phase::Joining(entrance)
            if matches!(entrance.as_ref(), Joining::Creating { .. }));
        opening && matches!(asked, PendingRequest::Enter(_))
    }

    pub(crate) fn on_no_such_room(&mut self) {
        self.end(match self.phase {
            Phase::Joining(_) if !self.outbox.has_entered() => {
                Ended::NotLetIn(JoinFailure::NoSuchRoom)
            }
            _ => Ended::Closed(CloseReason::Gone),
        });
    }

    /// Handles the reply to the creation.
    pub(crate) fn on_created(&mut self, now: Timestamp, result: Result<Reply, Refusal>) {
        match result {
            Ok(Reply::Done) => self.complete_joining(now, Seq::START),
            Ok(_) => self.on_inconsistency(),
            Err(Refusal::AddressInUse) => self.on_address_in_use(),
            Err(refusal @ (Refusal::RetentionTooLong { .. } | Refusal::Unlawful)) => {
                self.retry_with_less(refusal);
            }
            Err(refusal) => {
                if let Phase::Joining(entrance) = &mut self.phase
                    && let Joining::Creating { unknown, .. } = entrance.as_mut()
                {
                    *unknown = refusal == Refusal::Unavailable;
                }
                self.on_join_refused(now, refusal);
            }
        }
    }

    /// Retries with a lower policy: the relay does not allow the room as requested.
    fn retry_with_less(&mut self, refusal: Refusal) {
        let Phase::Joining(entrance) = &mut self.phase else { return };
        let Joining::Creating { session, genesis, unknown, wish, .. } = entrance.as_mut() else {
            return;
        };
        *unknown = false;
        if !wish.lower(refusal) {
            return self.end(Ended::NotLetIn(JoinFailure::Settings));
        }
        let NewRoom { retention, nickname, .. } = &wish.new;
        let (secret, policy) = (self.cx.rng.secret(), wish.new.policy());
        let rng = &mut self.cx.rng;
        match Session::create(self.cx.address, &secret, policy, *retention, nickname, rng) {
            Ok(lower) => (*session, *genesis) = lower,
            Err(_) => return self.end(Ended::NotLetIn(JoinFailure::Settings)),
        }
        self.granted_policy = Some(policy);
        self.advance_joining();
    }

    /// Handles an address in use: a creation whose reply was lost may have been accepted.
    fn on_address_in_use(&mut self) {
        if let Phase::Joining(entrance) = &mut self.phase
            && let Joining::Creating { in_use, .. } = entrance.as_mut()
        {
            *in_use += 1;
            if *in_use > MAX_IN_USE {
                let failure = JoinFailure::Refused(Refusal::AddressInUse);
                return self.end(Ended::NotLetIn(failure));
            }
        }
        self.advance_joining();
    }

    /// Handles the reply to a proof that finds out whether a creation or join was accepted.
    pub(crate) fn on_joining_proof(
        &mut self,
        now: Timestamp,
        epoch: Epoch,
        result: Result<Reply, Refusal>,
    ) {
        let awaited = matches!(&self.phase, Phase::Joining(entrance) if entrance.awaits(epoch));
        if !awaited {
            // Requested before this guest went to the door again.
            return;
        }
        match result {
            Ok(Reply::Entered(entered)) => self.complete_joining(now, entered.began),
            Ok(_) => self.on_inconsistency(),
            Err(Refusal::NotAdmitted | Refusal::NoSuchRoom) => {
                if let Some(candidate) = self.candidate() {
                    candidate.unknown = false;
                    if candidate.stale {
                        return self.on_join_overtaken(now);
                    }
                }
                if let Phase::Joining(entrance) = &mut self.phase
                    && let Joining::Creating { unknown, .. } = entrance.as_mut()
                {
                    *unknown = false;
                }
                self.advance_joining();
            }
            Err(refusal) => self.on_join_refused(now, refusal),
        }
    }

    /// Handles a refusal while joining: retries where that can help.
    pub(crate) fn on_join_refused(&mut self, now: Timestamp, refusal: Refusal) {
        if let Refusal::WorkNeeded(puzzle) = refusal {
            return self.on_pow_required(now, puzzle);
        }
        let wait = match refusal {
            Refusal::Unavailable => Duration::from_secs(1),
            // A guest that was in the room before waits until there is space again.
            Refusal::Full | Refusal::ReadOnly if self.outbox.has_entered() => {
                Duration::from_secs(5)
            }
            _ => match refusal.retry_after() {
                Some(wait) => wait,
                None => return self.end(Ended::NotLetIn(JoinFailure::Refused(refusal))),
            },
        };
        // `Crowded` assigns each guest its own turn at the door, so no jitter is needed.
        let jitter = match refusal {
            Refusal::Crowded { .. } => Duration::ZERO,
            _ => Duration::from_millis(250 + self.cx.random_below(500)),
        };
        let retry_in = wait.min(MAX_BACKOFF) + jitter;
        self.cx.link.retry_at = Some(now.saturating_add(retry_in));
        self.cx.emit(RoomEvent::Delayed { why: refusal, retry_in });
    }

    /// Completes the join: the guest is in the room and reads the log after `seq`.
    pub(crate) fn complete_joining(&mut self, now: Timestamp, seq: Seq) {
        let (session, opened) = match std::mem::replace(&mut self.phase, Phase::Over) {
            Phase::Joining(entrance) => match *entrance {
                Joining::Creating { session, .. } => (session, true),
                Joining::External(ExternalJoin { candidate: Some(candidate), .. }) => {
                    (candidate.session, false)
                }
                waiting @ Joining::External(_) => {
                    self.phase = Phase::Joining(Box::new(waiting));
                    return;
                }
            },
            other => {
                self.phase = other;
                return;
            }
        };
        let returned = self.outbox.has_entered();
        self.epoch_history.begin(seq, (!opened && !returned).then(|| session.key()));
        self.only_door = None;
        self.owner = Some(session.settings().owner);
        // This guest's own join has given the relay the right hashes.
        self.correct_hashes_at = None;
        let others = session.members().iter().filter(|member| member.id != session.me());
        self.prior_members = others.map(|member| member.id).collect();
        // A guest without other members has no view to be confirmed.
        self.confirmed = opened || self.prior_members.is_empty();
        self.log.start_after(seq);
        self.phase = Phase::Inside(Box::new(session));
        self.outbox.enter();
        if let Phase::Inside(session) = &self.phase {
            self.upkeep.on_joined(&mut self.cx, session);
        }
        self.refused_links = 0;
        self.pow_attempts = 0;
        if returned {
            self.cx.emit(RoomEvent::Trouble(Trouble::Rejoined));
        } else {
            self.cx.emit(RoomEvent::Entered);
        }
        if let Some(policy) = self.granted_policy.take() {
            self.cx.emit(RoomEvent::Trouble(Trouble::LessThanAsked { policy }));
        }
        self.emit_epoch();
        self.cx.link.retry_at = None;
        self.cx.emit_connection(Connection::CatchingUp);
        self.enter();
        let wait = self.cx.random_below(300);
        self.upkeep.presence.answer(now.saturating_add(Duration::from_millis(wait)));
    }

    /// Rejoins through the door, replacing this guest's own leaf: the log no longer reaches back to
    /// this guest's epoch.
    pub(crate) fn rejoin(&mut self, now: Timestamp) {
        match std::mem::replace(&mut self.phase, Phase::Over) {
            Phase::Inside(session) => {
                self.left_in = Some(session.epoch());
                let secret = session.invite_secret().clone();
                let knock = ExternalJoin::new(secret, returning(*session));
                self.phase = Phase::Joining(Box::new(Joining::External(knock)));
                self.rejected = None;
                self.staged = None;
                self.progress.entering = None;
                self.progress.owner_is_done();
                self.progress.is_owners = false;
                self.progress.synced = false;
                self.outbox.new_session();
                self.cx.emit_connection(Connection::CatchingUp);
                // Messages missed on the way cannot be distinguished from a gap.
                self.counters = SenderCounters::default();
                self.restart_joining(now);
            }
            other => self.phase = other,
        }
    }

    /// Joins at once the first time. Each rejoin begins an epoch for all members, so repeated
    /// rejoins back off exponentially.
    fn restart_joining(&mut self, now: Timestamp) {
        let times = match self.rejoined {
            Some((last, times)) if now < last.saturating_add(REJOIN_AGAIN) => {
                times.saturating_add(1)
            }
            _ => 0,
        };
        self.rejoined = Some((now, times));
        if times == 0 {
            return self.advance_joining();
        }
        let most = 500_u64 << times.min(6);
        let wait = Duration::from_millis(most / 2 + self.cx.random_below(most / 2));
        self.cx.link.retry_at = Some(now.saturating_add(wait));
    }
}
