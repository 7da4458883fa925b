//! The room, its guests, their network, and an inspection of all frames.

use std::{
    fmt::Write,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use chacha20::ChaCha20Rng;
use rand_core::{Rng, SeedableRng};

use super::{Plan, Report, Simulation, SimulationConfig, check, guest::Guest};
use crate::{
    SettingError, invite::Invite, name::Nickname, room::NewRoom, testing::network::Network,
};

/// Part of every message; must occur in no frame.
pub(super) const MARKER: &str = "said in confidence, number ";

pub(super) struct World {
    pub(super) plan: Plan,
    pub(super) rng: ChaCha20Rng,
    pub(super) network: Network,
    pub(super) guests: Vec<Guest>,
    pub(super) said: usize,
    simulation: Simulation,
    leaked: Arc<AtomicBool>,
    script: String,
    started: tokio::time::Instant,
}

impl World {
    pub(super) fn new(seed: u64, plan: Plan) -> Result<Self, SettingError> {
        let max_delay = plan.max_delay;
        let simulation =
            Simulation::new(SimulationConfig { seed, max_delay, ..SimulationConfig::default() })?;
        let network = simulation.network().clone();
        let leaked = Arc::new(AtomicBool::new(false));
        let found = leaked.clone();
        network.inspect(Arc::new(move |_, frame| {
            if frame.windows(MARKER.len()).any(|window| window == MARKER.as_bytes()) {
                found.store(true, Ordering::Relaxed);
            }
        }));
        Ok(Self {
            plan,
            rng: ChaCha20Rng::seed_from_u64(seed ^ 0xa0c3),
            network,
            guests: Vec::new(),
            said: 0,
            simulation,
            leaked,
            script: String::new(),
            started: tokio::time::Instant::now(),
        })
    }

    pub(super) async fn play(&mut self) -> Result<Report, String> {
        self.open().await?;
        for _ in 0..self.plan.steps {
            self.step().await;
        }
        self.note("everybody may connect again");
        for line in 0..self.guests.len() {
            self.network.block(line, false);
        }
        self.pause(Duration::from_secs(70)).await;
        check::promises(self)?;
        if self.leaked.load(Ordering::Relaxed) {
            return Err("plaintext in a frame".to_owned());
        }
        let report = self.report();
        self.close().await?;
        Ok(report)
    }

    pub(super) fn below(&mut self, bound: usize) -> usize {
        let bound = u64::try_from(bound.max(1)).unwrap_or(1);
        usize::try_from(self.rng.next_u64() % bound).unwrap_or(0)
    }

    pub(super) fn note(&mut self, what: impl std::fmt::Display) {
        let at = self.started.elapsed().as_millis();
        let _ = writeln!(self.script, "{at:>8} ms  {what}");
    }

    pub(super) fn script(&self) -> &str {
        &self.script
    }

    pub(super) async fn pause(&self, duration: Duration) {
        tokio::time::sleep(duration).await;
    }

    async fn open(&mut self) -> Result<(), String> {
        self.note("guest 0 opens the room");
        let client = self.simulation.client();
        let room = client.create(&NewRoom::default()).map_err(|error| error.to_string())?;
        self.guests.push(Guest::new(client, room));
        self.pause(Duration::from_secs(3)).await;
        if self.owner().is_some_and(Guest::is_inside) {
            Ok(())
        } else {
            Err("the room did not open".to_owned())
        }
    }

    pub(super) fn owner(&self) -> Option<&Guest> {
        self.guests.first()
    }

    /// Returns the invite that a member would share now.
    pub(super) fn invite(&mut self) -> Option<Invite> {
        let inside = self.inside();
        let by = *inside.get(self.below(inside.len()))?;
        self.guests.get(by)?.view().invite
    }

    pub(super) fn inside(&self) -> Vec<usize> {
        let guests = self.guests.iter().enumerate();
        guests.filter(|(_, guest)| guest.is_inside()).map(|(number, _)| number).collect()
    }

    pub(super) fn join(&mut self, invite: &Invite) {
        let number = self.guests.len();
        let nickname = format!("guest {number}").parse::<Nickname>().unwrap_or_default();
        let client = self.simulation.client();
        if let Ok(room) = client.join(invite, nickname) {
            self.guests.push(Guest::new(client, room));
        }
    }

    fn report(&self) -> Report {
        Report {
            guests: self.guests.iter().filter(|guest| guest.notes().entered.is_some()).count(),
            shown: self.guests.iter().map(|guest| guest.notes().shown.len()).sum(),
            epochs: self.owner().map_or(0, |owner| owner.view().epoch.value()),
            frames: (0..self.guests.len()).map(|line| self.network.passed(line)).sum(),
        }
    }

    /// The owner closes the room; nothing of it remains, and every guest's room ends.
    async fn close(&mut self) -> Result<(), String> {
        if let Some(owner) = self.owner() {
            owner.command(crate::room::Command::Close, None);
        }
        self.pause(Duration::from_secs(3)).await;
        let waiting = self.inside();
        if !waiting.is_empty() {
            return Err(format!("guests {waiting:?} do not know that the room was closed"));
        }
        Ok(())
    }
}
