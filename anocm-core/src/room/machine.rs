//! The state machine's inputs and outputs.

use std::collections::{HashMap, VecDeque};

use rand_core::Rng;

use super::{
    Ended, MachineConfig, NewRoom, RoomEvent,
    history::History,
    joining::external_join::ExternalJoin,
    joining::policy_negotiation::PolicyNegotiation,
    joining::state::Joining,
    link::LinkState,
    sending::outbox::Outbox,
    sync::age_bound::AgeBound,
    sync::counters::SenderCounters,
    sync::epoch_history::EpochHistory,
    sync::log::Log,
    sync::rollback::{JunkJoins, Rejected},
    sync::staging::Staged,
    upkeep::demotion::Demotions,
    upkeep::door_check::DoorCheck,
    upkeep::forced_refresh::ForcedRefresh,
    upkeep::key_refresh::KeyRefresh,
    upkeep::leave::LeaveState,
    upkeep::presence::Presence,
};
use crate::{
    id::{Epoch, MemberId, RoomAddress, Seq},
    invite::{Invite, RelayUrl},
    name::Nickname,
    retention::GuestRetention,
    rng::FastKeyErasureRng,
    secret::Secret,
    session::{MemberKey, Newcomer, Session, SessionError},
    stack::StackScrubGuard,
    time::Timestamp,
    wire::{Event, Policy, Posture, Refusal, Reply, Request},
};

/// Most proofs in flight. At this many, a `Lapsed` event does not start another proof: the replies
/// to the last ones are still outstanding.
const MAX_PROOFS: usize = 8;

/// Identifies a request of one machine; its reply is passed back under the same ticket.
pub type Ticket = u32;

/// One guest's view of one room.
pub struct Machine {
    pub(crate) relay: RelayUrl,
    pub(crate) address: RoomAddress,
    pub(crate) config: MachineConfig,
    pub(crate) rng: FastKeyErasureRng,
    pub(crate) phase: Phase,
    pub(crate) link: LinkState,
    pub(crate) log: Log,
    /// A join that is merged once the relay has admitted this guest to the epoch it begins.
    pub(crate) staged: Option<Box<Staged>>,
    pub(crate) age_bound: AgeBound,
    pub(crate) outbox: Outbox,
    pub(crate) counters: SenderCounters,
    pub(super) history: History,
    pub(crate) presence: Presence,
    pub(crate) leave: LeaveState,
    pub(crate) door_check: DoorCheck,
    pub(crate) forced_refresh: ForcedRefresh,
    pub(crate) key_refresh: KeyRefresh,
    pub(crate) demotions: Demotions,
    pub(crate) guest: GuestRetention,
    pub(crate) rejected: Option<Rejected>,
    /// The last sequence number of a rejected entry, if the log may be found empty there.
    pub(crate) rolled_back_at: Option<Seq>,
    pub(crate) junk_joins: JunkJoins,
    pub(crate) epoch_history: EpochHistory,
    /// When this guest was last in sync with the room.
    pub(crate) in_sync_at: Timestamp,
    /// How often the owner has entered an epoch with the owner token since then.
    pub(crate) owner_advances: u32,
    /// Set while the hashes that the relay has of the room may be false: when the owner's next
    /// commit, which corrects them, is due.
    pub(crate) correct_hashes_at: Option<Timestamp>,
    /// Why the room ended.
    pub(crate) ended: Option<Ended>,
    /// The owner has requested the end of the room.
    pub(crate) closing: bool,
    pub(crate) confirmed: bool,
    /// The members that were in the room when this guest joined. A message of one of them confirms
    /// this guest.
    pub(crate) prior_members: Vec<MemberId>,
    pub(crate) inconsistency_reported: bool,
    /// How often the relay has required proof of work since this guest was last in the room.
    pub(crate) pow_attempts: u32,
    /// How often the relay did not know the link since this guest was last in the room.
    pub(crate) refused_links: u32,
    /// Sequence numbers found empty while catching up.
    pub(crate) missed: u64,
    /// The epoch in which this guest last had to rejoin through the door.
    pub(crate) left_in: Option<Epoch>,
    /// The room's owner, which never changes.
    pub(crate) owner: Option<MemberKey>,
    /// The only door through which this guest rejoins: its epoch, and the context of that epoch.
    pub(crate) only_door: Option<(Epoch, [u8; 32])>,
    /// When this guest last rejoined through the door, and how often in a row.
    pub(crate) rejoined: Option<(Timestamp, u32)>,
    /// Requests in flight, and when each was sent.
    pub(crate) pending_requests: HashMap<Ticket, (PendingRequest, Timestamp)>,
    /// The time of the input that is being processed.
    pub(crate) now: Timestamp,
    next_ticket: Ticket,
    /// The policy the room is opened with, if that is less than was requested.
    pub(crate) granted_policy: Option<Policy>,
    pub(crate) requests: VecDeque<(Ticket, Request)>,
    pub(crate) events: VecDeque<RoomEvent>,
}

pub(crate) enum Phase {
    /// Not in the room yet, or rejoining.
    Joining(Box<Joining>),
    /// In the room.
    Inside(Box<Session>),
    Over,
}

/// The kind of request that a ticket stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PendingRequest {
    Create,
    Look,
    /// A look at the door by a member.
    Inspect(Epoch),
    /// A join that begins this epoch.
    Join(Epoch),
    Enter(Epoch),
    Read,
    Append,
    Void,
    /// A member's request to void a join.
    TakeBack,
    /// A request for the room's current epoch.
    CurrentEpoch,
    /// A proof with the owner token, while rejoining.
    Prove,
    Close,
    Detach,
    Work,
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
            relay,
            address,
            config,
            rng,
            phase: Phase::Joining(Box::new(entrance)),
            link: LinkState::down(Posture::Unknown),
            log: Log::default(),
            staged: None,
            age_bound: AgeBound::default(),
            outbox: Outbox::default(),
            counters: SenderCounters::default(),
            history: History::default(),
            presence: Presence::default(),
            leave: LeaveState::default(),
            door_check: DoorCheck::default(),
            forced_refresh: ForcedRefresh::default(),
            key_refresh: KeyRefresh::default(),
            demotions: Demotions::default(),
            guest: GuestRetention::default(),
            rejected: None,
            rolled_back_at: None,
            junk_joins: JunkJoins::default(),
            epoch_history: EpochHistory::default(),
            in_sync_at: Timestamp::ZERO,
            owner_advances: 0,
            correct_hashes_at: None,
            ended: None,
            closing: false,
            confirmed: false,
            prior_members: Vec::new(),
            inconsistency_reported: false,
            pow_attempts: 0,
            refused_links: 0,
            missed: 0,
            left_in: None,
            owner: None,
            only_door: None,
            rejoined: None,
            pending_requests: HashMap::new(),
            now: Timestamp::ZERO,
            next_ticket: 0,
            granted_policy: None,
            requests: VecDeque::new(),
            events: VecDeque::new(),
        }
    }

    /// Handles the reply to the request of `ticket`.
    pub fn handle_reply(&mut self, now: Timestamp, ticket: Ticket, result: Result<Reply, Refusal>) {
        let _swept = StackScrubGuard;
        self.set_now(now);
        let Some((asked, at)) = self.pending_requests.remove(&ticket) else {
            return;
        };
        if let Ok(reply) = &result {
            self.note_head(reply, at);
        }
        if matches!(result, Err(Refusal::NoSuchRoom)) && !self.expects_no_room(asked) {
            // The event with the reason may be in flight: a proof, sent after that, decides.
            if matches!(self.phase, Phase::Inside(_)) && !matches!(asked, PendingRequest::Enter(_))
            {
                return self.resync(now, None);
            }
            return self.on_no_such_room();
        }
        match (asked, result) {
            (PendingRequest::Create, result) => self.on_created(now, result),
            (PendingRequest::Look, result) => self.on_door(now, result),
            (PendingRequest::Inspect(epoch), result) => self.on_door_inspected(now, epoch, &result),
            (PendingRequest::Join(epoch), result) => self.on_joined(now, epoch, result),
            (PendingRequest::Enter(epoch), result) => self.on_entered(now, ticket, epoch, result),
            (PendingRequest::Read, result) => self.on_page(now, result),
            (PendingRequest::Append, result) => self.on_appended(now, ticket, result),
            (PendingRequest::Void, result) => self.on_void_reply(now, &result),
            (PendingRequest::TakeBack, result) => self.on_take_back_reply(now, &result),
            (PendingRequest::CurrentEpoch, result) => self.on_current_epoch(now, &result),
            (PendingRequest::Close, result) => self.on_closed(now, &result),
            // If the proof of work is not accepted, the request that needed it is refused again.
            (PendingRequest::Detach | PendingRequest::Work | PendingRequest::Prove, _) => {}
        }
        self.proceed(now);
    }

    /// Handles an event that the relay sends without a request. Ignores events of other rooms.
    pub fn handle_event(&mut self, now: Timestamp, event: Event) {
        let _swept = StackScrubGuard;
        self.set_now(now);
        if event.address().is_some_and(|address| *address != self.address) {
            return;
        }
        match event {
            Event::Entry { item, .. } => self.on_entry(now, item),
            Event::Voided { seq, epoch, .. } => self.on_voided(now, seq, epoch),
            // The replies to these proofs are in flight.
            Event::Lapsed { .. } if self.pending_proofs() >= MAX_PROOFS => {}
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
                self.emit(RoomEvent::Posture(posture));
            }
        }
        self.proceed(now);
    }

    pub(crate) fn session(&self) -> Option<&Session> {
        match &self.phase {
            Phase::Inside(session) => Some(session),
            Phase::Joining(_) | Phase::Over => None,
        }
    }

    pub(crate) fn send_request(&mut self, asked: PendingRequest, request: Request) -> Ticket {
        self.next_ticket = self.next_ticket.wrapping_add(1);
        self.pending_requests.insert(self.next_ticket, (asked, self.now));
        self.requests.push_back((self.next_ticket, request));
        self.next_ticket
    }

    /// Returns a random whole number below `bound`, which must not be zero.
    pub(crate) fn random_below(&mut self, bound: u64) -> u64 {
        self.rng.next_u64() % bound.max(1)
    }
}
