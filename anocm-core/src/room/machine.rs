//! The state machine's inputs.

use super::{
    Connection, Ended, MachineConfig, NewRoom, RoomEvent,
    context::{Context, PendingRequest, Ticket},
    history::History,
    joining::{
        attempt::Joining, creating::Creating, external_join::ExternalJoin, state::JoinState,
    },
    link::Link,
    phase::Phase,
    sending::outbox::Outbox,
    sync::SyncState,
    upkeep::Upkeep,
};
use crate::{
    invite::{Invite, RelayUrl},
    name::Nickname,
    rng::FastKeyErasureRng,
    secret::Secret,
    session::{Joiner, Session, SessionError, first_invite},
    stack::StackScrubGuard,
    time::Timestamp,
    wire::{CloseReason, Event, Posture, Refusal, Reply},
};

/// Most proofs in flight. At this many, a `Lapsed` event does not start another proof: the replies
/// to the last ones are still outstanding.
const MAX_PROOFS: usize = 8;

/// One guest's view of one room.
pub struct Machine {
    pub(super) cx: Context,
    pub(super) phase: Phase,
    pub(super) joins: JoinState,
    pub(super) sync: SyncState,
    pub(super) outbox: Outbox,
    pub(super) history: History,
    pub(super) upkeep: Upkeep,
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
        let _scrub = StackScrubGuard;
        let mut rng = FastKeyErasureRng::new(seed);
        let secret = first_invite(&mut rng);
        let nickname = &new.nickname;
        let (session, genesis) =
            Session::create(&secret, new.policy(), new.retention, nickname, &mut rng)?;
        let address = *session.address();
        let joining = Joining::Creating(Creating::new(session, genesis, new.clone()));
        Ok(Self::new(Context::new(relay, address, config, rng), joining))
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
        let newcomer = Joiner::New(nickname);
        let joining = Joining::External(ExternalJoin::new(invite.secret().clone(), newcomer));
        Self::new(Context::new(invite.relay().clone(), *invite.address(), config, rng), joining)
    }

    fn new(cx: Context, joining: Joining) -> Self {
        Self {
            cx,
            phase: Phase::Joining(Box::new(joining)),
            joins: JoinState::default(),
            sync: SyncState::default(),
            outbox: Outbox::default(),
            history: History::default(),
            upkeep: Upkeep::default(),
        }
    }

    /// Handles the reply to the request of `ticket`.
    pub fn handle_reply(&mut self, now: Timestamp, ticket: Ticket, result: Result<Reply, Refusal>) {
        let _scrub = StackScrubGuard;
        self.cx.now = now;
        let Some((asked, at)) = self.cx.take_pending(ticket) else {
            return;
        };
        if let Ok(reply) = &result {
            self.sync.note_reply(reply, at);
        }
        if matches!(result, Err(Refusal::NoSuchRoom)) && !self.expects_no_room(asked) {
            // The event with the reason may be in flight: a proof, sent after that, decides.
            if self.is_inside() && !matches!(asked, PendingRequest::Enter(_)) {
                return self.sync.resync(&mut self.cx, None);
            }
            return self.on_no_such_room();
        }
        match asked {
            PendingRequest::Create | PendingRequest::Look | PendingRequest::Join(_) => {
                self.on_joining_reply(asked, result);
            }
            PendingRequest::Inspect(epoch) => self.on_door_inspected(epoch, &result),
            PendingRequest::Enter(epoch) => self.on_entered(ticket, epoch, result),
            PendingRequest::Read => self.on_page(result),
            PendingRequest::Append => self.on_appended(ticket, result),
            PendingRequest::Void | PendingRequest::TakeBack | PendingRequest::CurrentEpoch => {
                self.on_void_reply(asked, &result);
            }
            PendingRequest::Close => self.on_closed(&result),
            // If the proof of work is not accepted, the request that needed it is refused again.
            PendingRequest::Detach | PendingRequest::Work | PendingRequest::Prove => {}
        }
        self.proceed();
    }

    /// Handles an event that the relay sends without a request. Ignores events of other rooms.
    pub fn handle_event(&mut self, now: Timestamp, event: Event) {
        let _scrub = StackScrubGuard;
        self.cx.now = now;
        if event.address().is_some_and(|address| *address != self.cx.address) {
            return;
        }
        match event {
            Event::Entry { item, .. } => self.on_entry(item),
            Event::Voided { seq, epoch, .. } => self.on_voided(seq, epoch),
            Event::Lapsed { .. } => self.on_lapsed(),
            Event::Lagging { .. } => {
                self.sync.on_lagging();
                if self.is_inside() {
                    self.sync.read(&mut self.cx);
                }
            }
            Event::Closed { reason, .. } => self.end(Ended::Closed(reason)),
            Event::GoingAway { rooms_end: true } => self.end(Ended::Closed(CloseReason::Gone)),
            Event::GoingAway { .. } => {}
            Event::Posture(posture) => {
                self.cx.link.posture = posture;
                self.cx.emit(RoomEvent::Posture(posture));
            }
        }
        self.proceed();
    }

    fn on_lapsed(&mut self) {
        let proofs = self.cx.pending().filter(|asked| matches!(asked, PendingRequest::Enter(_)));
        // The replies to these proofs are in flight.
        if proofs.count() < MAX_PROOFS {
            self.sync.on_lapsed();
            self.enter();
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
            Phase::Inside(_) => {
                self.enter();
                self.request_close();
            }
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
        self.sync.on_disconnected();
        self.cx.forget_requests();
        let Link { shown, posture, .. } = self.cx.link;
        self.cx.link = Link { shown, ..Link::down(posture) };
        self.joins.pow.stop();
        self.outbox.outcome_unknown();
        if let Phase::Joining(joining) = &mut self.phase {
            joining.outcome_unknown();
        }
    }

    /// Runs after each input: updates the sync state, and sends what is due.
    pub(super) fn proceed(&mut self) {
        if !self.is_inside() {
            return;
        }
        if !self.cx.link.up {
            // The wait for a refresh is paused while this guest is offline.
            return self.pause_key_refresh();
        }
        self.request_close();
        if let Phase::Inside(session) = &self.phase {
            self.sync.update(&mut self.cx, session);
        }
        if self.sync.is_synced() && self.outbox.is_idle() {
            self.cx.link.attempts = 0;
        }
        self.pause_key_refresh();
        self.run_upkeep();
        // Upkeep may have entered the room anew.
        self.request_close();
        let in_sync = self.may_act();
        self.upkeep.key_refresh.resume(self.cx.now, in_sync);
        self.send_next();
    }

    fn pause_key_refresh(&mut self) {
        let (members, in_sync) = (self.members(), self.may_act());
        self.upkeep.key_refresh.pause(&mut self.cx, members, in_sync);
    }

    /// Sends the next job, if the room is in sync.
    fn send_next(&mut self) {
        if !self.sync.is_synced() || self.sync.is_broken() || self.cx.link.retry_at.is_some() {
            return;
        }
        if let Phase::Inside(session) = &mut self.phase {
            self.outbox.send_next(&mut self.cx, session);
        }
    }

    /// Whether this guest is in sync with the room, so that it may act on its own timers.
    pub(super) fn may_act(&self) -> bool {
        self.sync.is_synced() && !self.sync.is_broken() && !self.upkeep.leave.is_leaving()
    }

    pub(super) fn session(&self) -> Option<&Session> {
        match &self.phase {
            Phase::Inside(session) => Some(session),
            Phase::Joining(_) | Phase::Over => None,
        }
    }

    /// Returns the number of members; one while this guest is not in the room.
    pub(super) fn members(&self) -> usize {
        self.session().map_or(1, |session| session.members().len())
    }
}
