//! Moves bytes between a transport and rooms. Its only decision is when to connect.

use std::{
    fmt,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use rand_core::Rng;

use super::{
    ClientConfig,
    open::{Boxed, FULL_FOR, LAST_WORDS, Open, Woken},
    registry::Registry,
    wire::{Received, Wire},
};
use crate::{
    rng::FastKeyErasureRng,
    room::Connection,
    secret::{Payload, Secret},
    time::Timestamp,
    transport::{Closing, Transport, TransportError},
    wire::{Event, WireError},
};

/// The upper bound of the first random delay before a reconnect; the average is half of this.
const FIRST_BACKOFF: Duration = Duration::from_millis(250);
/// The timeout for the relay to accept what was queued before a shutdown.
const FLUSH: Duration = Duration::from_secs(3);
/// After a connection has lived this long, the back-off restarts at the first delay.
const STABLE: Duration = Duration::from_secs(10);

/// The future that moves a client's bytes: spawn it, on any executor. It ends after
/// [`Client::shutdown`](super::Client::shutdown), or when the client and all its rooms are
/// dropped; dropping it wipes the rooms.
#[must_use = "a client does nothing unless its driver is polled, usually in a task of its own"]
pub struct Driver(Boxed<()>);

impl Driver {
    pub(super) fn new(
        transport: Arc<dyn Transport>,
        config: ClientConfig,
        jitter: Option<Secret<32>>,
        registry: Arc<Registry>,
    ) -> Self {
        let rng = jitter.map(FastKeyErasureRng::new);
        let event_loop =
            EventLoop { transport, config, registry, state: State::Idle, failures: 0, rng };
        Self(Box::pin(event_loop.run()))
    }
}

impl Future for Driver {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        self.0.as_mut().poll(cx)
    }
}

impl fmt::Debug for Driver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Driver(..)")
    }
}

/// What the driver runs. Wipes the rooms when it is dropped, polled or not.
struct EventLoop {
    transport: Arc<dyn Transport>,
    config: ClientConfig,
    registry: Arc<Registry>,
    state: State,
    failures: u32,
    /// Used only for the jitter of the back-off.
    rng: Option<FastKeyErasureRng>,
}

enum State {
    /// No room needs a connection.
    Idle,
    Connecting(Boxed<Result<Wire, TransportError>>, Timestamp),
    Waiting(Timestamp),
    Open(Box<Open>),
}

impl EventLoop {
    /// Runs until the client is shut down or dropped.
    async fn run(mut self) {
        while !self.registry.is_closed() {
            let deadline = self.pump();
            self.step(deadline).await;
        }
        self.say_last_words().await;
        self.part().await;
    }

    /// Waits for the next event and handles it.
    async fn step(&mut self, deadline: Option<Timestamp>) {
        let woken = self.wait(deadline).await;
        if self.was_stopped() {
            // A frame that was just read is as outdated as the unread ones.
            drop(woken);
            self.renew(self.now());
        } else {
            self.act(woken).await;
        }
    }

    /// Runs until the relay has accepted everything that the rooms have queued, for at most
    /// [`FLUSH`].
    async fn say_last_words(&mut self) {
        let until = self.now().saturating_add(FLUSH);
        loop {
            let deadline = self.pump();
            let says = self.registry.rooms().iter().any(|room| room.machine().has_last_words());
            if !says || self.now() >= until {
                return;
            }
            self.step(deadline.map(|deadline| deadline.min(until)).or(Some(until))).await;
        }
    }

    fn now(&self) -> Timestamp {
        self.config.clock.now()
    }

    /// Collects the rooms' pending requests; returns the next deadline.
    fn pump(&mut self) -> Option<Timestamp> {
        let now = self.now();
        let rooms = self.registry.rooms();
        let mut deadlines = Vec::new();
        if self.registry.takes_anew() || self.is_late(now) {
            self.renew(now);
        }
        if let State::Open(open) = &mut self.state {
            let gives_up = open.gives_up(now, self.config.answer_timeout);
            if gives_up.is_some_and(|at| at <= now) {
                let why = open.mute.map_or(TransportError::Cut, |(_, why)| why);
                self.failed(now, why);
            }
        }
        match &self.state {
            State::Idle if !rooms.is_empty() => self.connect(now),
            State::Open(open) if rooms.is_empty() && open.is_drained() => self.state = State::Idle,
            State::Connecting(..) | State::Waiting(_) if rooms.is_empty() => {
                self.state = State::Idle;
            }
            _ => {}
        }
        for room in &rooms {
            let mut machine = room.machine();
            if machine.poll_timeout().is_some_and(|deadline| deadline <= now) {
                machine.handle_timeout(now);
            }
            if let State::Open(open) = &mut self.state {
                open.collect(room, &mut machine, now);
            }
            deadlines.extend(machine.poll_timeout());
            let (over, news) = (machine.is_over(), machine.has_events());
            drop(machine);
            // Also when the final event was already taken: other tasks may wait for the end.
            if news || over {
                room.events_emitted.notify_waiters();
            }
            if over {
                self.registry.remove(room);
            }
        }
        match &mut self.state {
            State::Open(open) => {
                open.send();
                deadlines.extend(open.gives_up(now, self.config.answer_timeout));
            }
            State::Waiting(until) | State::Connecting(_, until) => deadlines.push(*until),
            State::Idle => {}
        }
        let deadline = deadlines.into_iter().min();
        match &mut self.state {
            State::Open(open) => Some(open.stalls.waits(now, deadline)),
            _ => deadline,
        }
    }

    /// Whether this program was suspended while it waited on an open connection. Entries that
    /// arrived meanwhile are older than their frames state.
    fn was_stopped(&mut self) -> bool {
        let now = self.now();
        match &mut self.state {
            State::Open(open) => open.stalls.woke(now),
            _ => false,
        }
    }

    /// Whether the program was suspended while it was working. An overloaded program looks the
    /// same; requiring a stable connection keeps it from reconnecting again and again.
    fn is_late(&self, now: Timestamp) -> bool {
        matches!(&self.state, State::Open(open)
            if open.stalls.works(now) && now.saturating_duration_since(open.since) >= STABLE)
    }

    async fn wait(&mut self, deadline: Option<Timestamp>) -> Woken {
        let clock = self.config.clock.clone();
        let timer = async {
            match deadline {
                Some(deadline) => clock.sleep_until(deadline).await,
                None => std::future::pending().await,
            }
        };
        let link = async {
            match &mut self.state {
                State::Connecting(connecting, _) => Woken::Connected(connecting.await),
                State::Open(open) => open.wait().await,
                State::Idle | State::Waiting(_) => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            // The link first: callers that retry at once must not keep the queue from draining.
            woken = link => woken,
            () = timer => Woken::Deadline,
            () = self.registry.wake.notified() => Woken::Called,
        }
    }

    async fn act(&mut self, woken: Woken) {
        let now = self.now();
        match woken {
            Woken::Called | Woken::Sent(Ok(())) => {}
            Woken::Deadline => match self.state {
                State::Connecting(_, until) if until <= now => {
                    self.failed(now, TransportError::Unreachable);
                }
                // Do not reconnect while a room's event queue is full: entries would be delivered
                // with understated ages.
                State::Waiting(until) if until <= now && !self.is_hungry() => {
                    self.state = State::Waiting(now.saturating_add(FULL_FOR));
                }
                State::Waiting(until) if until <= now => self.connect(now),
                _ => {}
            },
            Woken::Connected(Ok(wire)) => {
                tracing::info!("connected");
                self.state = State::Open(Box::new(Open::new(wire, now)));
            }
            Woken::Connected(Err(error)) => self.failed(now, error),
            Woken::Sent(Err(error)) => {
                if let State::Open(open) = &mut self.state {
                    open.mute = Some((now, error));
                }
            }
            Woken::Received(Ok(Some(frame))) => {
                if self.received(now, &frame).is_err() {
                    if let State::Open(open) = &self.state {
                        let clock = &self.config.clock;
                        tokio::select! {
                            biased;
                            () = open.wire.link.close(Closing::Protocol) => {}
                            () = clock.sleep_until(now.saturating_add(LAST_WORDS)) => {}
                        }
                    }
                    self.failed(now, TransportError::Protocol);
                }
            }
            Woken::Received(Ok(None)) => self.failed(now, TransportError::Cut),
            Woken::Received(Err(error)) => self.failed(now, error),
        }
    }

    fn is_hungry(&self) -> bool {
        self.registry.rooms().iter().all(|room| room.machine().has_room_for_events())
    }

    fn connect(&mut self, now: Timestamp) {
        let ClientConfig { clock, greeting_timeout, connect_timeout, .. } = &self.config;
        let connecting = Wire::connect(self.transport.clone(), clock.clone(), *greeting_timeout);
        let until = now.saturating_add(connect_timeout.saturating_add(*greeting_timeout));
        self.state = State::Connecting(Box::pin(connecting), until);
        self.show(Connection::Connecting);
    }

    /// The connection is lost or could not be made: notifies the rooms, and waits for a random,
    /// growing delay.
    fn failed(&mut self, now: Timestamp, why: TransportError) {
        let stable = match &self.state {
            State::Open(open) => now.saturating_duration_since(open.since) >= STABLE,
            _ => false,
        };
        self.failures = if stable { 0 } else { self.failures.saturating_add(1) };
        let grown = FIRST_BACKOFF.saturating_mul(1 << self.failures.min(10));
        let most = u64::try_from(grown.min(self.config.max_backoff).as_millis()).unwrap_or(1);
        let random = self.rng.as_mut().map_or(most, |rng| rng.next_u64() % most.max(1));
        let retry_in = Duration::from_millis(random);
        tracing::info!(%why, ?retry_in, "not connected");
        self.disconnect(now, retry_in);
        self.show(Connection::Waiting { retry_in, why });
    }

    /// Reconnects without delay: the current connection, or the current back-off, is known to be
    /// useless.
    fn renew(&mut self, now: Timestamp) {
        if !matches!(self.state, State::Idle) {
            self.failures = 0;
            self.disconnect(now, Duration::ZERO);
            self.show(Connection::Connecting);
        }
    }

    /// Drops the connection and waits before the next one.
    fn disconnect(&mut self, now: Timestamp, wait: Duration) {
        if matches!(self.state, State::Open(_)) {
            for room in self.registry.rooms() {
                room.machine().disconnected(now);
            }
        }
        self.state = State::Waiting(now.saturating_add(wait));
    }

    fn show(&self, connection: Connection) {
        for room in self.registry.rooms() {
            room.machine().set_connection(connection);
        }
    }

    fn received(&mut self, now: Timestamp, frame: &Payload) -> Result<(), WireError> {
        let State::Open(open) = &mut self.state else {
            return Ok(());
        };
        match open.wire.receive(frame)? {
            Received::Reply(room, ticket, result) => {
                room.machine().handle_reply(now, ticket, result);
                // Wakes callers of `entered`, whichever task takes the event.
                room.events_emitted.notify_waiters();
            }
            Received::Event(event) => {
                if let Event::Posture(posture) = event {
                    open.wire.posture = posture;
                }
                let address = event.address().copied();
                for room in self.registry.rooms() {
                    let mut machine = room.machine();
                    if address.is_none_or(|address| address == *machine.address()) {
                        machine.handle_event(now, event.clone());
                    }
                }
            }
            Received::Stray => {}
        }
        Ok(())
    }

    /// Last step: wipes the rooms, which report what was not sent, and notifies the relay that they
    /// are gone, within a second.
    async fn part(mut self) {
        let now = self.now();
        for room in self.registry.rooms() {
            room.machine().shut_down();
        }
        self.pump();
        if let State::Open(open) = &mut self.state {
            let timeout = self.config.clock.sleep_until(now.saturating_add(Duration::from_secs(1)));
            let goodbye = async {
                if let Some(sending) = open.sending.take() {
                    let _ = sending.await;
                }
                let _ = open.wire.link.send(&open.outgoing).await;
                open.wire.link.close(Closing::Done).await;
            };
            tokio::select! {
                biased;
                () = goodbye => {}
                () = timeout => {}
            }
        }
    }
}

impl Drop for EventLoop {
    fn drop(&mut self) {
        self.registry.end();
    }
}
