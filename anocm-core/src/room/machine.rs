//! The state machine's inputs and outputs.

use std::collections::{HashMap, VecDeque};

use rand_core::Rng;

use super::{
    Ended, MachineConfig, NewRoom, RoomEvent,
    age_bound::AgeBound,
    doorkeeping::Doorkeeping,
    entrance::Entrance,
    farewell::Farewell,
    history::History,
    key_refresh::KeyRefresh,
    knock::Knock,
    link::LinkState,
    log::Log,
    outbox::Outbox,
    past::Past,
    presence::Presence,
    renewal::Renewal,
    repair::{Broken, JunkJoins},
    roles::Strikes,
    senders::Senders,
    staging::Staged,
    wish::Wish,
    working::Working,
};
use crate::{
    entropy::Entropy,
    id::{Epoch, MemberId, RoomAddress, Seq},
    invite::{Invite, RelayUrl},
    name::Nickname,
    retention::GuestRetention,
    secret::Secret,
    session::{MemberKey, Newcomer, Session, SessionError},
    stack::Swept,
    time::Timestamp,
    wire::{Event, Policy, Posture, Refusal, Reply, Request},
};

/// So many proofs may be on their way before the relay is not believed that the last one has lapsed.
const MAX_PROOFS: usize = 8;

/// Names a request of one machine; the reply is given back under it.
pub type Ticket = u32;

/// One guest's view of one room.
pub struct Machine {
    pub(super) relay: RelayUrl,
    pub(super) address: RoomAddress,
    pub(super) config: MachineConfig,
    pub(super) rng: Entropy,
    pub(super) phase: Phase,
    pub(super) link: LinkState,
    pub(super) log: Log,
    /// A join that is followed once the relay has admitted this guest to the epoch it begins.
    pub(super) staged: Option<Box<Staged>>,
    pub(super) age_bound: AgeBound,
    pub(super) outbox: Outbox,
    pub(super) senders: Senders,
    pub(super) history: History,
    pub(super) presence: Presence,
    pub(super) farewell: Farewell,
    pub(super) doorkeeping: Doorkeeping,
    pub(super) renewal: Renewal,
    pub(super) key_refresh: KeyRefresh,
    pub(super) strikes: Strikes,
    pub(super) guest: GuestRetention,
    pub(super) broken: Option<Broken>,
    /// Where what broke the room stood last, if the place may be found empty.
    pub(super) repaired_at: Option<Seq>,
    pub(super) junk_joins: JunkJoins,
    pub(super) past: Past,
    /// When this guest was last in step with the room.
    pub(super) in_step_at: Timestamp,
    /// How often the owner has entered an epoch by the own token since then.
    pub(super) walks: u32,
    /// What the relay was told of the room may be false. The owner's next commit puts it right,
    /// which is due then.
    pub(super) puts_right_at: Option<Timestamp>,
    /// How the room came to be over.
    pub(super) ended: Option<Ended>,
    /// The owner wants the room to end.
    pub(super) closing: bool,
    pub(super) confirmed: bool,
    /// Who was in the room when this guest came: one of them must be heard.
    pub(super) elders: Vec<MemberId>,
    pub(super) distrusted: bool,
    /// How often the relay has asked for work since this guest was inside.
    pub(super) puzzles: u32,
    /// How often the relay did not know the link since this guest was inside.
    pub(super) refused_links: u32,
    /// Places that turned out empty while catching up.
    pub(super) missed: u64,
    /// The epoch in which this guest last had to go back to the door.
    pub(super) left_in: Option<Epoch>,
    /// Who owns the room, which never changes.
    pub(super) owner: Option<MemberKey>,
    /// The only door by which this guest comes back: its epoch, and what that agrees on.
    pub(super) only_door: Option<(Epoch, [u8; 32])>,
    /// When this guest last went through the door again, and how often in a row.
    pub(super) rejoined: Option<(Timestamp, u32)>,
    /// What was asked, and when.
    pub(super) asked: HashMap<Ticket, (Asked, Timestamp)>,
    /// The time of the input that is being taken in.
    pub(super) now: Timestamp,
    next_ticket: Ticket,
    /// What the room is opened with, if that is less than was asked for.
    pub(super) less: Option<Policy>,
    pub(super) requests: VecDeque<(Ticket, Request)>,
    pub(super) events: VecDeque<RoomEvent>,
}

pub(super) enum Phase {
    /// Not in the room yet, or not any more and on the way back in.
    Entering(Box<Entrance>),
    /// In the room.
    Inside(Box<Session>),
    Over,
}

/// What a ticket stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Asked {
    Create,
    Look,
    /// A look at the door by somebody inside.
    Inspect(Epoch),
    /// A join that begins this epoch.
    Join(Epoch),
    Enter(Epoch),
    Read,
    Append,
    Void,
    /// A join that a member wants taken back.
    TakeBack,
    /// Which epoch the room is in.
    CurrentEpoch,
    /// A proof by the owner's own token, on the way back in.
    Prove,
    Close,
    Detach,
    Work,
}

impl Machine {
    /// A room to be opened at `relay`. Ids, invite, nonces and waits come from `seed`, which must be
    /// unpredictable; the MLS library draws its keys from the system's random source.
    ///
    /// # Errors
    /// [`SessionError`] when the settings contradict each other.
    pub fn create(
        relay: RelayUrl,
        new: &NewRoom,
        config: MachineConfig,
        seed: Secret<32>,
    ) -> Result<Self, SessionError> {
        let _swept = Swept;
        let mut rng = Entropy::new(seed);
        let mut address = [0; RoomAddress::LEN];
        rng.fill_bytes(&mut address);
        let address = RoomAddress::new(address);
        let secret = rng.secret();
        let nickname = &new.nickname;
        let (session, genesis) =
            Session::create(address, &secret, new.policy(), new.retention, nickname, &mut rng)?;
        let entrance = Entrance::opening(session, genesis, Wish::new(new.clone()));
        Ok(Self::new(relay, address, config, rng, entrance))
    }

    /// A room to be entered through its door.
    #[must_use]
    pub fn join(
        invite: &Invite,
        nickname: Nickname,
        config: MachineConfig,
        seed: Secret<32>,
    ) -> Self {
        let rng = Entropy::new(seed);
        let newcomer = Newcomer::New(nickname);
        let entrance = Entrance::Knocking(Knock::new(invite.secret().clone(), newcomer));
        Self::new(invite.relay().clone(), *invite.address(), config, rng, entrance)
    }

    fn new(
        relay: RelayUrl,
        address: RoomAddress,
        config: MachineConfig,
        rng: Entropy,
        entrance: Entrance,
    ) -> Self {
        Self {
            relay,
            address,
            config,
            rng,
            phase: Phase::Entering(Box::new(entrance)),
            link: LinkState::down(Posture::Unknown),
            log: Log::default(),
            staged: None,
            age_bound: AgeBound::default(),
            outbox: Outbox::default(),
            senders: Senders::default(),
            history: History::default(),
            presence: Presence::default(),
            farewell: Farewell::default(),
            doorkeeping: Doorkeeping::default(),
            renewal: Renewal::default(),
            key_refresh: KeyRefresh::default(),
            strikes: Strikes::default(),
            guest: GuestRetention::default(),
            broken: None,
            repaired_at: None,
            junk_joins: JunkJoins::default(),
            past: Past::default(),
            in_step_at: Timestamp::ZERO,
            walks: 0,
            puts_right_at: None,
            ended: None,
            closing: false,
            confirmed: false,
            elders: Vec::new(),
            distrusted: false,
            puzzles: 0,
            refused_links: 0,
            missed: 0,
            left_in: None,
            owner: None,
            only_door: None,
            rejoined: None,
            asked: HashMap::new(),
            now: Timestamp::ZERO,
            next_ticket: 0,
            less: None,
            requests: VecDeque::new(),
            events: VecDeque::new(),
        }
    }

    /// The answer to the request of `ticket`.
    pub fn reply(&mut self, now: Timestamp, ticket: Ticket, result: Result<Reply, Refusal>) {
        let _swept = Swept;
        self.comes_at(now);
        let Some((asked, at)) = self.asked.remove(&ticket) else {
            return;
        };
        if let Ok(reply) = &result {
            self.note_head(reply, at);
        }
        if matches!(result, Err(Refusal::NoSuchRoom)) && !self.expects_no_room(asked) {
            // Why it ended may be on its way: a proof, asked for after that, decides.
            if matches!(self.phase, Phase::Inside(_)) && !matches!(asked, Asked::Enter(_)) {
                return self.out_of_step(now, None);
            }
            return self.no_such_room();
        }
        match (asked, result) {
            (Asked::Create, result) => self.created(now, result),
            (Asked::Look, result) => self.looked(now, result),
            (Asked::Inspect(epoch), result) => self.inspected(now, epoch, &result),
            (Asked::Join(epoch), result) => self.joined(now, epoch, result),
            (Asked::Enter(epoch), result) => self.entered(now, ticket, epoch, result),
            (Asked::Read, result) => self.page(now, result),
            (Asked::Append, result) => self.appended(now, ticket, result),
            (Asked::Void, result) => self.void_answered(now, &result),
            (Asked::TakeBack, result) => self.take_back_answered(now, &result),
            (Asked::CurrentEpoch, result) => self.current_epoch(now, &result),
            (Asked::Close, result) => self.close_answered(now, &result),
            // If the work is not good enough, what it was for is refused again.
            (Asked::Detach | Asked::Work | Asked::Prove, _) => {}
        }
        self.proceed(now);
    }

    /// Something the relay tells unasked. Events of other rooms are passed over.
    pub fn event(&mut self, now: Timestamp, event: Event) {
        let _swept = Swept;
        self.comes_at(now);
        if event.address().is_some_and(|address| *address != self.address) {
            return;
        }
        match event {
            Event::Entry { item, .. } => self.told(now, item),
            Event::Voided { seq, epoch, .. } => self.voided(now, seq, epoch),
            // The answers to these are on their way.
            Event::Lapsed { .. } if self.proofs_on_their_way() >= MAX_PROOFS => {}
            Event::Lapsed { .. } => {
                self.link.entering = None;
                self.link.synced = false;
                self.enter();
            }
            Event::Lagging { .. } => {
                self.link.lagging = self.link.reading;
                self.read();
            }
            Event::Closed { reason, .. } => self.end(Ended::Closed(reason)),
            Event::GoingAway { rooms_end: true } => {
                self.end(Ended::Closed(crate::wire::CloseReason::Gone));
            }
            Event::GoingAway { .. } => {}
            Event::Posture(posture) => {
                self.link.posture = posture;
                self.tell(RoomEvent::Posture(posture));
            }
        }
        self.proceed(now);
    }

    /// Time has passed.
    pub fn tick(&mut self, now: Timestamp) {
        let _swept = Swept;
        self.comes_at(now);
        for id in self.history.expire(now) {
            self.expired(id);
        }
        self.log.expire(now);
        let expired = self.outbox.expire(now);
        self.given_up(expired);
        for member in self.presence.silent(now) {
            self.tell(RoomEvent::Presence { member, here: false });
        }
        self.farewell.tick(now);
        if self.farewell.patience_ends().is_some_and(|until| until <= now) {
            self.end(Ended::Left);
        }
        if self.outbox.is_overdue(now) && self.link.up {
            self.out_of_step(now, None);
        }
        self.work(now);
        if self.link.retry_at.is_some_and(|at| at <= now) {
            self.link.retry_at = None;
            if self.link.up && matches!(self.phase, Phase::Entering(_)) {
                self.knock();
            }
            if self.link.up && self.link.entering.is_none() {
                self.enter();
            }
        }
        self.proceed(now);
    }

    /// When [`tick`](Self::tick) is to be called next.
    #[must_use]
    pub fn deadline(&self) -> Option<Timestamp> {
        let members = self.session().map_or(0, |session| session.members().len());
        let acts = self.may_act();
        let speaks = acts && self.config.presence && self.outbox.is_idle();
        [
            self.history.deadline(),
            self.log.deadline(),
            self.outbox.deadline(),
            self.presence.silence_at(),
            self.presence.say_at(members).filter(|_| speaks),
            self.farewell.carry_out_at().filter(|_| acts),
            self.doorkeeping.look_at().filter(|_| acts),
            self.renewal.due().filter(|_| acts),
            self.key_refresh.due().filter(|_| acts),
            self.strikes.at().filter(|_| acts),
            self.puts_right_at.filter(|_| acts && !self.outbox.has_renewal()),
            self.farewell.patience_ends(),
            self.take_back_at(),
            self.farewell.words_end(),
            self.link.retry_at,
            self.link.working.as_ref().map(Working::due),
        ]
        .into_iter()
        .flatten()
        .min()
    }

    /// Whether this guest is in step with the room, so that what it does of itself can be done.
    pub(super) fn may_act(&self) -> bool {
        self.link.synced && self.broken.is_none() && !self.farewell.is_leaving()
    }

    pub(super) fn session(&self) -> Option<&Session> {
        match &self.phase {
            Phase::Inside(session) => Some(session),
            Phase::Entering(_) | Phase::Over => None,
        }
    }

    pub(super) fn ask(&mut self, asked: Asked, request: Request) -> Ticket {
        self.next_ticket = self.next_ticket.wrapping_add(1);
        self.asked.insert(self.next_ticket, (asked, self.now));
        self.requests.push_back((self.next_ticket, request));
        self.next_ticket
    }

    /// A random whole number below `bound`, which must not be zero.
    pub(super) fn random_below(&mut self, bound: u64) -> u64 {
        self.rng.next_u64() % bound.max(1)
    }
}
