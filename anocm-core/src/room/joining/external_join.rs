//! At the door: looking at it, joining, and handling joins that were overtaken.

use std::time::Duration;

use crate::room::{
    Ended, JoinFailure, Machine, context::PendingRequest, joining::state::Joining, phase::Phase,
};
use crate::{
    id::Epoch,
    secret::{Secret, Token},
    session::{CommitBundle, JoinError, Newcomer, NotJoined, Session, door_context},
    time::Timestamp,
    wire::{Refusal, Reply, Request},
};

/// A newcomer gives up after this many overtaken joins.
const MAX_TRIES: u32 = 64;
/// A guest that was in the room before gives up after this many refusals at the door, about two
/// minutes.
const MAX_REFUSED_LINKS: u32 = 24;
/// A door to an epoch before this guest's own stay is looked at again after this.
const STALE_DOOR_RETRY: Duration = Duration::from_secs(5);

/// The state of a guest at the door.
pub(crate) struct ExternalJoin {
    pub(crate) secret: Secret<32>,
    /// The door token shown to the relay; derived from the secret.
    pub(crate) token: Option<Token>,
    pub(crate) newcomer: Option<Newcomer>,
    /// A join that was sent, or is to be sent again.
    pub(crate) candidate: Option<Candidate>,
    pub(crate) tries: u32,
}

/// A join, and the session that it begins.
pub(crate) struct Candidate {
    pub(crate) session: Session,
    pub(crate) outgoing: CommitBundle,
    /// The join was sent and its outcome is unknown.
    pub(crate) unknown: bool,
    /// The room has moved on since it was made: it is in the log already or will never be.
    pub(crate) stale: bool,
}

impl ExternalJoin {
    pub(crate) fn new(secret: Secret<32>, newcomer: Newcomer) -> Self {
        Self { token: None, secret, newcomer: Some(newcomer), candidate: None, tries: 0 }
    }
}

/// Returns the identity and name of `session`, to join again as the same guest.
pub(crate) fn returning(session: Session) -> Newcomer {
    let me = session.me();
    let nickname = session.member(me).map(|member| member.nickname.clone()).unwrap_or_default();
    Newcomer::Returning(session.into_identity(), nickname)
}

impl Machine {
    /// Handles the reply to a look at the door.
    pub(crate) fn on_door(&mut self, now: Timestamp, result: Result<Reply, Refusal>) {
        let door = match result {
            Ok(Reply::Door(door)) => door,
            Ok(_) => return self.on_inconsistency(),
            Err(Refusal::NotAdmitted) => return self.on_link_refused(now),
            Err(refusal) => return self.on_join_refused(now, refusal),
        };
        if door.address != self.cx.address {
            return self.end(Ended::NotLetIn(JoinFailure::BadDoor));
        }
        if self.left_in.is_some_and(|epoch| door.epoch < epoch) {
            // An older epoch may include members that have left since. Queued messages must not be
            // sealed for them, so this door is not used.
            self.cx.report_inconsistency();
            let jitter = self.cx.random_millis(1_000);
            self.cx.link.retry_at = Some(now.saturating_add(STALE_DOOR_RETRY + jitter));
            return;
        }
        let (only, owner) = (self.only_door, self.owner);
        let Phase::Joining(entrance) = &mut self.phase else {
            return;
        };
        let Joining::External(knock) = entrance.as_mut() else {
            return;
        };
        if let Some((epoch, context)) = only
            && (door.epoch != epoch || door_context(&door, &knock.secret) != Ok(context))
        {
            // The epoch that continues is not the one that this guest was in.
            return self.end(Ended::DishonestRelay);
        }
        let Some(newcomer) = knock.newcomer.take() else {
            return;
        };
        let was_inside = matches!(newcomer, Newcomer::Returning(..));
        let nickname = match &newcomer {
            Newcomer::New(nickname) | Newcomer::Returning(_, nickname) => nickname.clone(),
        };
        match Session::join(&door, &knock.secret, newcomer, &mut self.cx.rng) {
            // A group of another owner under this room's address.
            Ok((session, _)) if owner.is_some_and(|owner| session.settings().owner != owner) => {
                knock.newcomer = Some(returning(session));
                self.on_kept_out(now, JoinFailure::BadDoor);
            }
            Ok((session, outgoing)) => {
                self.only_door = None;
                let owner = session.owner_token().ok().flatten().filter(|_| was_inside);
                knock.candidate =
                    Some(Candidate { session, outgoing, unknown: false, stale: false });
                if let Some(member) = owner {
                    // Proves the epoch first, so that the relay attributes the join to a member of
                    // this epoch, and no other member can void it.
                    let (address, epoch) = (self.cx.address, door.epoch);
                    self.cx.send_request(
                        PendingRequest::Prove,
                        Request::Enter { address, epoch, member },
                    );
                }
                self.advance_joining();
            }
            Err(NotJoined { why, identity }) => {
                knock.newcomer = Some(match identity {
                    Some(identity) => Newcomer::Returning(identity, nickname),
                    None => Newcomer::New(nickname),
                });
                match why {
                    JoinError::PolicyMismatch => self.end(Ended::DishonestRelay),
                    JoinError::Full => {
                        self.end(Ended::NotLetIn(JoinFailure::Refused(Refusal::Full)));
                    }
                    _ => self.on_kept_out(now, JoinFailure::BadDoor),
                }
            }
        }
    }

    /// Handles the reply to a join that begins `epoch`.
    pub(crate) fn on_joined(
        &mut self,
        now: Timestamp,
        epoch: Epoch,
        result: Result<Reply, Refusal>,
    ) {
        if self.candidate().is_none_or(|candidate| candidate.session.epoch() != epoch) {
            // Requested before this guest went to the door again.
            return;
        }
        match result {
            Ok(Reply::Accepted { seq }) => self.complete_joining(now, seq),
            Ok(_) => {
                if let Some(candidate) = self.candidate() {
                    candidate.unknown = true;
                }
                self.on_inconsistency();
            }
            Err(Refusal::StaleEpoch { .. }) => self.on_join_overtaken(now),
            Err(Refusal::NotAdmitted) => self.on_link_refused(now),
            Err(refusal) => {
                if let Some(candidate) = self.candidate() {
                    candidate.unknown = refusal == Refusal::Unavailable;
                }
                self.on_join_refused(now, refusal);
            }
        }
    }

    pub(crate) fn candidate(&mut self) -> Option<&mut Candidate> {
        let Phase::Joining(entrance) = &mut self.phase else {
            return None;
        };
        let Joining::External(knock) = entrance.as_mut() else {
            return None;
        };
        knock.candidate.as_mut()
    }

    /// Handles an overtaken join: the room moved on before it was appended. Makes another join
    /// after a random delay with exponential backoff, so that concurrent joins spread out. Uses the
    /// same keys again, so that a join that was accepted after all is replaced, not doubled.
    pub(crate) fn on_join_overtaken(&mut self, now: Timestamp) {
        let Phase::Joining(entrance) = &mut self.phase else {
            return;
        };
        let Joining::External(knock) = entrance.as_mut() else {
            return;
        };
        let Some(candidate) = knock.candidate.as_mut() else {
            return;
        };
        if candidate.unknown {
            // This very join may have moved the room on.
            candidate.stale = true;
            return self.advance_joining();
        }
        if let Some(candidate) = knock.candidate.take() {
            knock.newcomer = Some(returning(candidate.session));
        }
        knock.tries += 1;
        let tries = knock.tries;
        if tries > MAX_TRIES {
            return self.end(Ended::NotLetIn(JoinFailure::TooManyTries));
        }
        let most = 20_u64 << tries.min(7);
        let wait = self.cx.random_below(most);
        self.cx.link.retry_at = Some(now.saturating_add(Duration::from_millis(wait)));
    }

    /// Handles a link that the relay does not know.
    fn on_link_refused(&mut self, now: Timestamp) {
        self.on_kept_out(now, JoinFailure::LinkReplaced);
    }

    /// Handles a door that does not admit this guest. A guest that was in the room before retries
    /// for about two minutes: a member may have given the relay a false hash or useless group
    /// information, which the owner's client corrects.
    fn on_kept_out(&mut self, now: Timestamp, failure: JoinFailure) {
        self.refused_links += 1;
        if !self.outbox.has_entered() || self.refused_links > MAX_REFUSED_LINKS {
            return self.end(Ended::NotLetIn(failure));
        }
        let jitter = self.cx.random_millis(1_000);
        self.cx.link.retry_at = Some(now.saturating_add(STALE_DOOR_RETRY + jitter));
    }
}
