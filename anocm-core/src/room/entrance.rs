//! Opening a room, getting in, and getting back in.

use std::time::Duration;

use super::{
    Connection, Ended, JoinFailure, Machine, NewRoom, RoomEvent, Trouble,
    knock::{Candidate, Knock, returning},
    link::LONGEST_WAIT,
    machine::{Asked, Phase},
    senders::Senders,
    wish::Wish,
};
use crate::{
    id::{Epoch, RoomAddress, Seq},
    session::{Outgoing, Session, door_token},
    time::Timestamp,
    wire::{CloseReason, Genesis, Refusal, Reply, Request},
};

/// Whoever opens a room gives up when its address is in use, and yet not by that room, this often.
const MAX_IN_USE: u32 = 8;
/// Who goes through the door again within this has to wait a while that grows.
const REJOIN_AGAIN: Duration = Duration::from_secs(60);

/// How a guest is getting in.
pub(super) enum Entrance {
    /// The guest opens the room.
    Opening {
        session: Session,
        genesis: Genesis,
        /// A creation was sent and its outcome is unknown.
        unknown: bool,
        /// How often the address was said to be in use.
        in_use: u32,
        /// The room as it is asked for now.
        wish: Wish,
    },
    /// The guest stands at the door.
    Knocking(Knock),
}

impl Entrance {
    pub(super) const fn opening(session: Session, genesis: Genesis, wish: Wish) -> Self {
        Self::Opening { session, genesis, unknown: false, in_use: 0, wish }
    }

    /// Whether the proof of `epoch` is to tell what became of a creation or join.
    fn awaits(&self, epoch: Epoch) -> bool {
        match self {
            Self::Opening { unknown, session, .. } => *unknown && session.epoch() == epoch,
            Self::Knocking(Knock { candidate: Some(candidate), .. }) => {
                candidate.unknown && candidate.session.epoch() == epoch
            }
            Self::Knocking(_) => false,
        }
    }

    /// The connection was cut.
    pub(super) fn outcome_unknown(&mut self) {
        if let Self::Knocking(Knock { candidate: Some(candidate), .. }) = self {
            candidate.unknown = true;
        }
    }

    /// The next step towards the room at `address`.
    fn step(&mut self, address: RoomAddress) -> Option<(Asked, Request)> {
        Some(match self {
            // A creation or join that may have come through: its member token tells.
            Self::Opening { session, unknown: true, .. } => prove(address, session)?,
            Self::Knocking(Knock {
                candidate: Some(Candidate { session, unknown: true, .. }),
                ..
            }) => prove(address, session)?,
            Self::Opening { genesis, unknown, .. } => {
                *unknown = true;
                (Asked::Create, Request::Create { address, genesis: genesis.clone() })
            }
            Self::Knocking(Knock {
                token,
                candidate: Some(Candidate { session, outgoing, .. }),
                ..
            }) => {
                let Outgoing { entry, next } = outgoing.clone();
                (
                    Asked::Join(session.epoch()),
                    Request::Join { address, door: token.clone()?, entry, next },
                )
            }
            Self::Knocking(Knock { token, secret, candidate: None, .. }) => {
                *token = door_token(&address, secret);
                (Asked::Look, Request::Look { address, door: token.clone()? })
            }
        })
    }
}

fn prove(address: RoomAddress, session: &Session) -> Option<(Asked, Request)> {
    let (epoch, member) = (session.epoch(), session.member_token().ok()?.clone());
    Some((Asked::Enter(epoch), Request::Enter { address, epoch, member }))
}

impl Machine {
    /// Does the next step towards the room.
    pub(super) fn knock(&mut self) {
        let Phase::Entering(entrance) = &mut self.phase else { return };
        match entrance.step(self.address) {
            Some((asked, request)) => drop(self.ask(asked, request)),
            None => self.end(Ended::NotLetIn(JoinFailure::BadDoor)),
        }
    }

    /// Whether "no such room" is an ordinary answer to what was asked.
    pub(super) fn expects_no_room(&self, asked: Asked) -> bool {
        let opening = matches!(&self.phase, Phase::Entering(entrance)
            if matches!(entrance.as_ref(), Entrance::Opening { .. }));
        opening && matches!(asked, Asked::Enter(_))
    }

    pub(super) fn no_such_room(&mut self) {
        self.end(match self.phase {
            Phase::Entering(_) if !self.outbox.has_entered() => {
                Ended::NotLetIn(JoinFailure::NoSuchRoom)
            }
            _ => Ended::Closed(CloseReason::Gone),
        });
    }

    /// The answer to the creation.
    pub(super) fn created(&mut self, now: Timestamp, result: Result<Reply, Refusal>) {
        match result {
            Ok(Reply::Done) => self.go_inside(now, Seq::START),
            Ok(_) => self.disbelieve(now),
            Err(Refusal::AddressInUse) => self.address_in_use(),
            Err(refusal @ (Refusal::RetentionTooLong { .. } | Refusal::Unlawful)) => {
                self.ask_for_less(refusal);
            }
            Err(refusal) => {
                if let Phase::Entering(entrance) = &mut self.phase
                    && let Entrance::Opening { unknown, .. } = entrance.as_mut()
                {
                    *unknown = refusal == Refusal::Unavailable;
                }
                self.not_let_in(now, refusal);
            }
        }
    }

    /// The relay allows no such room: it is asked for one that takes less.
    fn ask_for_less(&mut self, refusal: Refusal) {
        let Phase::Entering(entrance) = &mut self.phase else { return };
        let Entrance::Opening { session, genesis, unknown, wish, .. } = entrance.as_mut() else {
            return;
        };
        *unknown = false;
        if !wish.lower(refusal) {
            return self.end(Ended::NotLetIn(JoinFailure::Settings));
        }
        let NewRoom { retention, nickname, .. } = &wish.new;
        let (secret, policy) = (self.rng.secret(), wish.new.policy());
        let rng = &mut self.rng;
        match Session::create(self.address, &secret, policy, *retention, nickname, rng) {
            Ok(lower) => (*session, *genesis) = lower,
            Err(_) => return self.end(Ended::NotLetIn(JoinFailure::Settings)),
        }
        self.less = Some(policy);
        self.knock();
    }

    /// A creation whose answer was lost may have come through.
    fn address_in_use(&mut self) {
        if let Phase::Entering(entrance) = &mut self.phase
            && let Entrance::Opening { in_use, .. } = entrance.as_mut()
        {
            *in_use += 1;
            if *in_use > MAX_IN_USE {
                let failure = JoinFailure::Refused(Refusal::AddressInUse);
                return self.end(Ended::NotLetIn(failure));
            }
        }
        self.knock();
    }

    /// The answer to a proof made to find out whether a creation or join came through.
    pub(super) fn entrance_answered(
        &mut self,
        now: Timestamp,
        epoch: Epoch,
        result: Result<Reply, Refusal>,
    ) {
        let awaited = matches!(&self.phase, Phase::Entering(entrance) if entrance.awaits(epoch));
        if !awaited {
            // Asked before this guest went to the door again.
            return;
        }
        match result {
            Ok(Reply::Entered(entered)) => self.go_inside(now, entered.began),
            Ok(_) => self.disbelieve(now),
            Err(Refusal::NotAdmitted | Refusal::NoSuchRoom) => {
                if let Some(candidate) = self.candidate() {
                    candidate.unknown = false;
                    if candidate.stale {
                        return self.overtaken(now);
                    }
                }
                if let Phase::Entering(entrance) = &mut self.phase
                    && let Entrance::Opening { unknown, .. } = entrance.as_mut()
                {
                    *unknown = false;
                }
                self.knock();
            }
            Err(refusal) => self.not_let_in(now, refusal),
        }
    }

    /// A refusal on the way in: try again where that can help.
    pub(super) fn not_let_in(&mut self, now: Timestamp, refusal: Refusal) {
        if let Refusal::WorkNeeded(puzzle) = refusal {
            return self.asked_for_work(now, puzzle);
        }
        let wait = match refusal {
            Refusal::Unavailable => Duration::from_secs(1),
            // Whoever was in the room before waits until there is room again.
            Refusal::Full | Refusal::ReadOnly if self.outbox.has_entered() => {
                Duration::from_secs(5)
            }
            _ => match refusal.retry_after() {
                Some(wait) => wait,
                None => return self.end(Ended::NotLetIn(JoinFailure::Refused(refusal))),
            },
        };
        // A turn at the door is one's own.
        let jitter = match refusal {
            Refusal::Crowded { .. } => Duration::ZERO,
            _ => Duration::from_millis(250 + self.random_below(500)),
        };
        let retry_in = wait.min(LONGEST_WAIT) + jitter;
        self.link.retry_at = Some(now.after(retry_in));
        self.tell(RoomEvent::Delayed { why: refusal, retry_in });
    }

    /// The guest is in the room; what follows `seq` is theirs to read.
    pub(super) fn go_inside(&mut self, now: Timestamp, seq: Seq) {
        let (session, opened) = match std::mem::replace(&mut self.phase, Phase::Over) {
            Phase::Entering(entrance) => match *entrance {
                Entrance::Opening { session, .. } => (session, true),
                Entrance::Knocking(Knock { candidate: Some(candidate), .. }) => {
                    (candidate.session, false)
                }
                waiting @ Entrance::Knocking(_) => {
                    self.phase = Phase::Entering(Box::new(waiting));
                    return;
                }
            },
            other => {
                self.phase = other;
                return;
            }
        };
        let returned = self.outbox.has_entered();
        self.past.begin(seq, (!opened && !returned).then(|| session.key()), now);
        self.only_door = None;
        self.owner = Some(session.settings().owner);
        // One's own join has told the relay what is right.
        self.puts_right_at = None;
        let others = session.members().iter().filter(|member| member.id != session.me());
        self.renewal.done();
        self.elders = others.map(|member| member.id).collect();
        // Whoever is alone has nobody to be kept from.
        self.confirmed = opened || self.elders.is_empty();
        self.log.start_after(seq);
        self.phase = Phase::Inside(Box::new(session));
        self.outbox.enter();
        self.refresh_soon();
        self.review_moderators(now, &[]);
        self.refused_links = 0;
        self.puzzles = 0;
        if returned {
            self.tell(RoomEvent::Trouble(Trouble::Rejoined));
        } else {
            self.tell(RoomEvent::Entered);
        }
        if let Some(policy) = self.less.take() {
            self.tell(RoomEvent::Trouble(Trouble::LessThanAsked { policy }));
        }
        self.tell_epoch();
        self.link.retry_at = None;
        self.show(Connection::CatchingUp);
        self.enter();
        let wait = self.random_below(300);
        self.presence.answer(now.after(Duration::from_millis(wait)));
    }

    /// The log no longer reaches back to this guest's epoch: through the door again, replacing
    /// one's own leaf.
    pub(super) fn rejoin(&mut self, now: Timestamp) {
        match std::mem::replace(&mut self.phase, Phase::Over) {
            Phase::Inside(session) => {
                self.left_in = Some(session.epoch());
                let secret = session.invite_secret().clone();
                let knock = Knock::new(secret, returning(*session));
                self.phase = Phase::Entering(Box::new(Entrance::Knocking(knock)));
                self.broken = None;
                self.staged = None;
                self.link.entering = None;
                self.link.owner_is_done();
                self.link.is_owners = false;
                self.link.synced = false;
                self.outbox.new_session();
                self.show(Connection::CatchingUp);
                // What was missed on the way cannot be told from a gap.
                self.senders = Senders::default();
                self.knock_again(now);
            }
            other => self.phase = other,
        }
    }

    /// Knocks at once the first time. Every return begins an epoch for everybody: who has to come
    /// again and again does so ever more seldom.
    fn knock_again(&mut self, now: Timestamp) {
        let times = match self.rejoined {
            Some((last, times)) if now < last.after(REJOIN_AGAIN) => times.saturating_add(1),
            _ => 0,
        };
        self.rejoined = Some((now, times));
        if times == 0 {
            return self.knock();
        }
        let most = 500_u64 << times.min(6);
        let wait = Duration::from_millis(most / 2 + self.random_below(most / 2));
        self.link.retry_at = Some(now.after(wait));
    }
}
