//! The state machine's inputs and outputs.

use rand_core::Rng;

use super::{
    Connection, Ended, MachineConfig, NewRoom, RoomEvent,
    context::{Context, PendingRequest, Ticket},
    history::History,
    joining::external_join::ExternalJoin,
    joining::policy_negotiation::PolicyNegotiation,
    joining::pow::PowSearch,
    joining::state::Joining,
    link::Link,
    phase::Phase,
    sending::outbox::Outbox,
    sync::age_bound::AgeBound,
    sync::counters::SenderCounters,
    sync::epoch_history::EpochHistory,
    sync::log::Log,
    sync::progress::Progress,
    sync::rollback::{JunkJoins, Rejected},
    sync::staging::Staged,
    upkeep::Upkeep,
};
use crate::{
    id::{Epoch, MemberId, RoomAddress, Seq},
    invite::{Invite, RelayUrl},
    name::Nickname,
    rng::FastKeyErasureRng,
    secret::Secret,
    session::{MemberKey, Newcomer, Session, SessionError},
    stack::StackScrubGuard,
    time::Timestamp,
    wire::{Event, Policy, Posture, Refusal, Reply},
};

/// Most proofs in flight. At this many, a `Lapsed` event does not start another proof: the replies
/// to the last ones are still outstanding.
const MAX_PROOFS: usize = 8;

/// One guest's view of one room.
pub struct Machine {
    pub(super) cx: Context,
    pub(super) phase: Phase,
    pub(super) progress: Progress,
    /// The proof of work that the relay has required.
    pub(super) pow_search: Option<PowSearch>,
    pub(super) log: Log,
    /// A join that is merged once the relay has admitted this guest to the epoch it begins.
    pub(super) staged: Option<Box<Staged>>,
    pub(super) age_bound: AgeBound,
    pub(super) outbox: Outbox,
    pub(super) counters: SenderCounters,
    pub(super) history: History,
    pub(super) upkeep: Upkeep,
    pub(super) rejected: Option<Rejected>,
    /// The last sequence number of a rejected entry, if the log may be found empty there.
    pub(super) rolled_back_at: Option<Seq>,
    pub(super) junk_joins: JunkJoins,
    pub(super) epoch_history: EpochHistory,
    /// When this guest was last in sync with the room.
    pub(super) in_sync_at: Timestamp,
    /// How often the owner has entered an epoch with the owner token since then.
    pub(super) owner_advances: u32,
    /// Set while the hashes that the relay has of the room may be false: when the owner's next
    /// commit, which corrects them, is due.
    pub(super) correct_hashes_at: Option<Timestamp>,
    pub(super) confirmed: bool,
    /// The members that were in the room when this guest joined. A message of one of them confirms
    /// this guest.
    pub(super) prior_members: Vec<MemberId>,
    /// How often the relay has required proof of work since this guest was last in the room.
    pub(super) pow_attempts: u32,
    /// How often the relay did not know the link since this guest was last in the room.
    pub(super) refused_links: u32,
    /// Sequence numbers found empty while catching up.
    pub(super) missed: u64,
    /// The epoch in which this guest last had to rejoin through the door.
    pub(super) left_in: Option<Epoch>,
    /// The room's owner, which never changes.
    pub(super) owner: Option<MemberKey>,
    /// The only door through which this guest rejoins: its epoch, and the context of that epoch.
    pub(super) only_door: Option<(Epoch, [u8; 32])>,
    /// When this guest last rejoined through the door, and how often in a row.
    pub(super) rejoined: Option<(Timestamp, u32)>,
    /// The policy the room is opened with, if that is less than was requested.
    pub(super) granted_policy: Option<Policy>,
}

impl Machine {
    /// Creates a machine that opens a room at `relay`. Ids, invite, nonces and delays come from
    /// `seed`, which must be unpredictable; the MLS library draws its keys from the system's random
    /// source.
    ///
    /// # Errors
    /// [`SessionError`] when the settings contradict each other.
    pub fn create(
        relay: RelayUrl,
        new: &NewRoom,
        config: MachineConfig,
        seed: Secret<32>,
    ) -> Result<Self, SessionError> {
        let _swept = StackScrubGuard;
        let mut rng = FastKeyErasureRng::new(seed);
        let mut address = [0; RoomAddress::LEN];
        rng.fill_bytes(&mut address);
        let address = RoomAddress::new(address);
        let secret = rng.secret();
        let nickname = &new.nickname;
        let (session, genesis) =
            Session::create(address, &secret, new.policy(), new.retention, nickname, &mut rng)?;
        let entrance = Joining::creating(session, genesis, PolicyNegotiation::new(new.clone()));
        Ok(Self::new(relay, address, config, rng, entrance))
    }

    /// Creates a machine that joins a room through its door.
    #[must_use]
    pub fn join(
        invite: &Invite,
        nickname: Nickname,
        config: MachineConfig,
        seed: Secret<32>,
    ) -> Self {
        let rng = FastKeyErasureRng::new(seed);
        let newcomer = Newcomer::New(nickname);
        let entrance = Joining::External(ExternalJoin::new(invite.secret().clone(), newcomer));
        Self::new(invite.relay().clone(), *invite.address(), config, rng, entrance)
    }

    fn new(
        relay: RelayUrl,
        address: RoomAddress,
        config: MachineConfig,
        rng: FastKeyErasureRng,
        entrance: Joining,
    ) -> Self {
        Self {
            cx: Context::new(relay, address, config, rng),
            phase: Phase::Joining(Box::new(entrance)),
            progress: Progress::default(),
            pow_search: None,
            log: Log::default(),
            staged: None,
            age_bound: AgeBound::default(),
            outbox: Outbox::default(),
            counters: SenderCounters::default(),
            history: History::default(),
            upkeep: Upkeep::default(),
            rejected: None,
            rolled_back_at: None,
            junk_joins: JunkJoins::default(),
            epoch_history: EpochHistory::default(),
            in_sync_at: Timestamp::ZERO,
            owner_advances: 0,
            correct_hashes_at: None,
            confirmed: false,
            prior_members: Vec::new(),
            pow_attempts: 0,
            refused_links: 0,
            missed: 0,
            left_in: None,
            owner: None,
            only_door: None,
            rejoined: None,
            granted_policy: None,
        }
    }

    /// Handles the reply to the request of `ticket`.
    pub fn handle_reply(&mut self, now: Timestamp, ticket: Ticket, result: Result<Reply, Refusal>) {
        let _swept = StackScrubGuard;
        self.cx.now = now;
        let Some((asked, at)) = self.cx.take_pending(ticket) else {
            return;
        };
        if let Ok(reply) = &result {
            self.note_head(reply, at);
        }
        if matches!(result, Err(Refusal::NoSuchRoom)) && !self.expects_no_room(asked) {
            // The event with the reason may be in flight: a proof, sent after that, decides.
            if matches!(self.phase, Phase::Inside(_)) && !matches!(asked, PendingRequest::Enter(_))
            {
                return self.resync(None);
            }
            return self.on_no_such_room();
        }
        match (asked, result) {
            (PendingRequest::Create, result) => self.on_created(now, result),
            (PendingRequest::Look, result) => self.on_door(now, result),
            (PendingRequest::Inspect(epoch), result) => self.on_door_inspected(epoch, &result),
            (PendingRequest::Join(epoch), result) => self.on_joined(now, epoch, result),
            (PendingRequest::Enter(epoch), result) => self.on_entered(now, ticket, epoch, result),
            (PendingRequest::Read, result) => self.on_page(now, result),
            (PendingRequest::Append, result) => self.on_appended(now, ticket, result),
            (PendingRequest::Void, result) => self.on_void_reply(now, &result),
            (PendingRequest::TakeBack, result) => self.on_take_back_reply(now, &result),
            (PendingRequest::CurrentEpoch, result) => self.on_current_epoch(now, &result),
            (PendingRequest::Close, result) => self.on_closed(&result),
            // If the proof of work is not accepted, the request that needed it is refused again.
            (PendingRequest::Detach | PendingRequest::Work | PendingRequest::Prove, _) => {}
        }
        self.proceed(now);
    }

    /// Handles an event that the relay sends without a request. Ignores events of other rooms.
    pub fn handle_event(&mut self, now: Timestamp, event: Event) {
        let _swept = StackScrubGuard;
        self.cx.now = now;
        if event.address().is_some_and(|address| *address != self.cx.address) {
            return;
        }
        match event {
            Event::Entry { item, .. } => self.on_entry(now, item),
            Event::Voided { seq, epoch, .. } => self.on_voided(now, seq, epoch),
            // The replies to these proofs are in flight.
            Event::Lapsed { .. } if self.pending_proofs() >= MAX_PROOFS => {}
            Event::Lapsed { .. } => {
                self.progress.entering = None;
                self.progress.synced = false;
                self.enter();
            }
            Event::Lagging { .. } => {
                self.progress.lagging = self.progress.reading;
                self.read();
            }
            Event::Closed { reason, .. } => self.end(Ended::Closed(reason)),
            Event::GoingAway { rooms_end: true } => {
                self.end(Ended::Closed(crate::wire::CloseReason::Gone));
            }
            Event::GoingAway { .. } => {}
            Event::Posture(posture) => {
                self.cx.link.posture = posture;
                self.cx.emit(RoomEvent::Posture(posture));
            }
        }
        self.proceed(now);
    }

    /// Handles the reply to a look at the door, by which it is checked.
    fn on_door_inspected(&mut self, epoch: Epoch, result: &Result<Reply, Refusal>) {
        if let Phase::Inside(session) = &mut self.phase {
            self.upkeep.on_door(&mut self.cx, session, &mut self.outbox, epoch, result);
        }
    }

    /// Returns the number of members; one while this guest is not in the room.
    pub(super) fn members(&self) -> usize {
        self.session().map_or(1, |session| session.members().len())
    }

    pub(super) fn session(&self) -> Option<&Session> {
        match &self.phase {
            Phase::Inside(session) => Some(session),
            Phase::Joining(_) | Phase::Over => None,
        }
    }

    /// Handles a connection that is up and has completed its hello; `posture` is the relay's
    /// statement.
    pub fn connected(&mut self, now: Timestamp, posture: Posture) {
        self.cx.now = now;
        self.disconnected_quietly();
        self.cx.link = Link::up(posture);
        self.cx.emit(RoomEvent::Posture(posture));
        self.cx.emit_connection(Connection::CatchingUp);
        match self.phase {
            Phase::Joining(_) => self.advance_joining(),
            Phase::Inside(_) => self.enter(),
            Phase::Over => {}
        }
    }

    /// Handles the loss of the connection. The outcome of requests in flight is unknown.
    pub fn disconnected(&mut self, now: Timestamp) {
        self.disconnected_quietly();
        self.cx.emit_connection(Connection::Connecting);
        if self.upkeep.leave.is_leaving() && !self.upkeep.leave.is_closing() {
            self.end(Ended::Left);
        }
        self.handle_timeout(now);
    }

    /// Sets the connection state shown in the [`RoomView`](super::RoomView), while the driver waits
    /// for its next attempt.
    pub fn set_connection(&mut self, connection: Connection) {
        self.cx.emit_connection(connection);
    }

    fn disconnected_quietly(&mut self) {
        self.unstage();
        self.cx.forget_requests();
        let Link { shown, posture, .. } = self.cx.link;
        self.cx.link = Link { shown, ..Link::down(posture) };
        self.progress = Progress::default();
        self.pow_search = None;
        self.outbox.outcome_unknown();
        if let Phase::Joining(entrance) = &mut self.phase {
            entrance.outcome_unknown();
        }
    }
}
