//! At the door: looking at it, joining, and handling joins that were overtaken.

use super::state::{JoinProgress, JoinState, failed, look_later, on_inconsistency, prove, send};
use crate::{
    id::Epoch,
    room::{
        Ended, JoinFailure,
        context::{Context, PendingRequest},
    },
    secret::{Secret, Token},
    session::{CommitBundle, JoinError, Joiner, NotJoined, Session, door_context, door_token},
    wire::{Door, Refusal, Reply, Request},
};

/// A joiner gives up after this many overtaken joins.
const MAX_TRIES: u32 = 64;

/// The state of a guest at the door.
pub(crate) struct ExternalJoin {
    secret: Secret<32>,
    /// The door token shown to the relay; derived from the secret.
    token: Option<Token>,
    joiner: Option<Joiner>,
    /// A join that was sent, or is to be sent again.
    pub(crate) candidate: Option<Candidate>,
    tries: u32,
}

/// A join, and the session that it begins.
pub(crate) struct Candidate {
    pub(crate) session: Session,
    bundle: CommitBundle,
    /// The join was sent and its outcome is unknown.
    pub(crate) unknown: bool,
    /// The room has moved on since it was made: it is in the log already or will never be.
    stale: bool,
}

/// Returns the identity and name of `session`, to join again as the same guest.
fn returning(session: Session) -> Joiner {
    let me = session.me();
    let nickname = session.member(me).map(|member| member.nickname.clone()).unwrap_or_default();
    Joiner::Returning(session.into_identity(), nickname)
}

impl ExternalJoin {
    pub(crate) const fn new(secret: Secret<32>, joiner: Joiner) -> Self {
        Self { token: None, secret, joiner: Some(joiner), candidate: None, tries: 0 }
    }

    /// Joins again as the member of `session`, whose leaf the join replaces.
    pub(crate) fn rejoin(session: Session) -> Self {
        Self::new(session.invite_secret().clone(), returning(session))
    }

    /// Sends the next request: a look at the door, the join, or if that may have been accepted, a
    /// proof with its member token, which finds out.
    pub(crate) fn advance(&mut self, cx: &mut Context) -> JoinProgress {
        let address = cx.address;
        let next = match &self.candidate {
            Some(Candidate { session, unknown: true, .. }) => prove(address, session),
            Some(Candidate { session, bundle, .. }) => self.token.clone().map(|door| {
                let CommitBundle { entry, next } = bundle.clone();
                let join = Request::Join { address, door, entry, next };
                (PendingRequest::Join(session.epoch()), join)
            }),
            None => {
                self.token = door_token(&address, &self.secret);
                let look = |door| (PendingRequest::Look, Request::Look { address, door });
                self.token.clone().map(look)
            }
        };
        send(cx, next)
    }

    /// Handles the reply to a look at the door.
    pub(crate) fn on_door(
        &mut self,
        cx: &mut Context,
        state: &mut JoinState,
        result: Result<Reply, Refusal>,
    ) -> JoinProgress {
        let door = match result {
            Ok(Reply::Door(door)) => door,
            Ok(_) => return on_inconsistency(cx),
            Err(Refusal::NotAdmitted) => return state.on_kept_out(cx, JoinFailure::LinkReplaced),
            Err(refusal) => return state.on_refused(cx, refusal),
        };
        if door.address != cx.address {
            return failed(JoinFailure::BadDoor);
        }
        if state.is_older_than_stay(door.epoch) {
            // An older epoch may include members that have left since. Queued messages must not be
            // sealed for them, so this door is not used.
            cx.report_inconsistency();
            return look_later(cx);
        }
        if let Some((epoch, context)) = state.only_door()
            && (door.epoch != epoch || door_context(&door, &self.secret) != Ok(context))
        {
            // The epoch that continues is not the one that this guest was in.
            return JoinProgress::Failed(Ended::DishonestRelay);
        }
        match self.joiner.take() {
            Some(joiner) => self.join(cx, state, &door, joiner),
            None => JoinProgress::Waiting,
        }
    }

    /// Makes the join through `door`, and sends it.
    fn join(
        &mut self,
        cx: &mut Context,
        state: &mut JoinState,
        door: &Door,
        joiner: Joiner,
    ) -> JoinProgress {
        let was_inside = matches!(joiner, Joiner::Returning(..));
        let nickname = match &joiner {
            Joiner::New(nickname) | Joiner::Returning(_, nickname) => nickname.clone(),
        };
        match Session::join(door, &self.secret, joiner, &mut cx.rng) {
            Ok((session, _)) if state.is_behind(session.settings()) => {
                // Genuine settings of the past: they may give a role that was taken away since. The
                // last member that committed or joined can have shown the relay their door.
                self.joiner = Some(returning(session));
                state.on_kept_out(cx, JoinFailure::BadDoor)
            }
            Ok((session, bundle)) => {
                state.allow_any_door();
                let owner = session.owner_token().ok().flatten().filter(|_| was_inside);
                self.candidate = Some(Candidate { session, bundle, unknown: false, stale: false });
                if let Some(member) = owner {
                    // Proves the epoch first, so that the relay attributes the join to a member of
                    // this epoch, and no other member can void it.
                    let (address, epoch) = (cx.address, door.epoch);
                    let proof = Request::Enter { address, epoch, member };
                    cx.send_request(PendingRequest::Prove, proof);
                }
                self.advance(cx)
            }
            Err(NotJoined { why, identity }) => {
                self.joiner = Some(match identity {
                    Some(identity) => Joiner::Returning(identity, nickname),
                    None => Joiner::New(nickname),
                });
                match why {
                    JoinError::PolicyMismatch => JoinProgress::Failed(Ended::DishonestRelay),
                    JoinError::NewerProgram => state.on_kept_out(cx, JoinFailure::NewerProgram),
                    JoinError::Full => failed(JoinFailure::Refused(Refusal::Full)),
                    _ => state.on_kept_out(cx, JoinFailure::BadDoor),
                }
            }
        }
    }

    /// Handles the reply to a join that begins `epoch`.
    pub(crate) fn on_joined(
        &mut self,
        cx: &mut Context,
        state: &mut JoinState,
        epoch: Epoch,
        result: Result<Reply, Refusal>,
    ) -> JoinProgress {
        let candidate = self.candidate.as_mut();
        let Some(candidate) = candidate.filter(|candidate| candidate.session.epoch() == epoch)
        else {
            // Requested before this guest went to the door again.
            return JoinProgress::Waiting;
        };
        match result {
            Ok(Reply::Accepted { seq }) => JoinProgress::Joined(seq),
            Ok(_) => {
                candidate.unknown = true;
                on_inconsistency(cx)
            }
            Err(Refusal::StaleEpoch { .. }) => self.on_overtaken(cx),
            Err(Refusal::NotAdmitted) => state.on_kept_out(cx, JoinFailure::LinkReplaced),
            Err(refusal) => {
                candidate.unknown = refusal == Refusal::Unavailable;
                state.on_refused(cx, refusal)
            }
        }
    }

    /// Handles a refused proof of a join: it was not accepted.
    pub(crate) fn on_not_accepted(&mut self, cx: &mut Context) -> JoinProgress {
        if let Some(candidate) = &mut self.candidate {
            candidate.unknown = false;
            if candidate.stale {
                return self.on_overtaken(cx);
            }
        }
        self.advance(cx)
    }

    /// Handles an overtaken join: the room moved on before it was appended. Makes another join
    /// after a random delay with exponential backoff, so that concurrent joins spread out. Uses the
    /// same keys again, so that a join that was accepted after all is replaced, not doubled.
    fn on_overtaken(&mut self, cx: &mut Context) -> JoinProgress {
        let Some(candidate) = &mut self.candidate else {
            return JoinProgress::Waiting;
        };
        if candidate.unknown {
            // This very join may have moved the room on.
            candidate.stale = true;
            return self.advance(cx);
        }
        if let Some(candidate) = self.candidate.take() {
            self.joiner = Some(returning(candidate.session));
        }
        self.tries += 1;
        if self.tries > MAX_TRIES {
            return failed(JoinFailure::TooManyTries);
        }
        let wait = cx.random_millis(20_u64 << self.tries.min(7));
        cx.retry_after(wait);
        JoinProgress::Waiting
    }
}
