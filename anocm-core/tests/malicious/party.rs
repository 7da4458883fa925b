//! The honest guests of a room, and the guarantees that they keep whatever another member does.

use std::{collections::HashSet, sync::Arc, time::Duration};

use anocm_core::{
    Command, MemberId, MessageId, NewRoom, Nickname, Retention, RoomEvent,
    room::{Connection, Ended, Trouble},
    session::Departure,
    testing::network::Network,
};
use futures_util::future::join_all;
use tokio::time::Instant;

use super::common::{Guest, Stage};

/// The interval at which the guests' events are collected.
const STEP: Duration = Duration::from_millis(250);
/// A text that was not received by then is sent again with a new number.
const AGAIN: Duration = Duration::from_secs(3);

/// The reason why the room cannot continue, as a sentence.
pub type Fault = String;

pub struct Honest {
    pub name: &'static str,
    pub guest: Guest,
    line: usize,
    here: bool,
    events: Vec<RoomEvent>,
    texts: HashSet<String>,
    /// The honest guests' messages, all with a retention longer than a trial takes.
    kept: HashSet<MessageId>,
    /// One of these was reported as expired.
    lost: bool,
    ended: Option<Ended>,
}

impl Honest {
    fn take(&mut self, events: Vec<RoomEvent>) {
        for event in &events {
            match event {
                RoomEvent::Message(message) => {
                    self.texts.insert(message.text.as_str().to_owned());
                    if message.text.as_str().contains(" says ") {
                        self.kept.insert(message.id);
                    }
                }
                RoomEvent::Expired { id } if self.kept.contains(id) => {
                    self.lost = true;
                }
                RoomEvent::Ended(ended) => self.ended = Some(*ended),
                _ => {}
            }
        }
        self.events.extend(events);
    }

    fn has(&self, event: impl Fn(&RoomEvent) -> bool) -> bool {
        self.events.iter().any(event)
    }

    /// Whether the guest has been in the room all the time, without rejoining through the door.
    fn stayed(&self) -> bool {
        let rejoined = |event: &_| matches!(event, RoomEvent::Trouble(Trouble::Rejoined));
        self.name != "Dave" && !self.has(rejoined)
    }

    /// Whether the guest was told that the room does not work normally.
    pub fn is_told(&self) -> bool {
        self.ended.is_some()
            || self.has(|event| matches!(event, RoomEvent::Trouble(Trouble::Broken { .. })))
            || self.guest.room.view().connection != Connection::Online
    }
}

pub struct Party {
    pub stage: Stage,
    pub honest: Vec<Honest>,
    /// The retention of the guests' messages.
    pub kept: Retention,
    network: Network,
    rounds: u32,
    /// The guests who sent a message just before the attempt.
    spoken: Vec<&'static str>,
}

impl Party {
    /// Alice, who opened the room, Bob and Carol, each of whom has sent a message.
    pub async fn new() -> Self {
        let (stage, network) = (Stage::new(), Network::new(1, Duration::ZERO));
        let mut party = Self {
            stage,
            honest: Vec::new(),
            kept: super::hour(),
            network,
            rounds: 0,
            spoken: Vec::new(),
        };
        let reach = Arc::new(party.network.transport(0, party.stage.reach()));
        party.welcome("Alice", 0, Guest::opening(reach, "Alice", NewRoom::default()));
        party.passes(STEP).await;
        for (line, name) in [(1, "Bob"), (2, "Carol")] {
            party.knocks(name, line);
            while !party.honest[line].has(|event| matches!(event, RoomEvent::Entered)) {
                party.passes(STEP).await;
            }
        }
        party.talk(Duration::from_secs(10)).await.unwrap();
        party
    }

    fn welcome(&mut self, name: &'static str, line: usize, guest: Guest) {
        self.honest.push(Honest {
            name,
            guest,
            line,
            here: true,
            events: Vec::new(),
            texts: HashSet::new(),
            kept: HashSet::new(),
            lost: false,
            ended: None,
        });
    }

    fn knocks(&mut self, name: &'static str, line: usize) {
        let reach = Arc::new(self.network.transport(line, self.stage.reach()));
        let invite = self.present().next().unwrap().guest.invite();
        self.welcome(name, line, Guest::knocking(reach, &invite, name));
    }

    fn present(&self) -> impl Iterator<Item = &Honest> {
        self.honest.iter().filter(|honest| honest.here)
    }

    /// Cuts a guest's connection, or lets the guest reconnect.
    pub fn away(&mut self, name: &str, away: bool) {
        let honest = self.honest.iter_mut().find(|honest| honest.name == name).unwrap();
        honest.here = !away;
        self.network.block(honest.line, away);
        if !away {
            // Like a program that learns that the network is back.
            honest.guest.client.reconnect();
        }
    }

    /// Lets time pass and collects the guests' events.
    pub async fn passes(&mut self, time: Duration) {
        let listening = self.honest.iter_mut().map(|honest| async {
            let events = honest.guest.meanwhile(time).await;
            honest.take(events);
        });
        tokio::join!(join_all(listening), tokio::time::sleep(time));
    }

    fn has_ended(&self) -> Option<Fault> {
        let over = self.present().find_map(|honest| Some((honest.name, honest.ended?)));
        over.map(|(name, ended)| format!("the room is over for {name}: {ended:?}"))
    }

    /// Returns a sender and a guest who did not receive the sender's message.
    fn unheard(&self, says: impl Fn(&str) -> String) -> Option<(&'static str, &'static str)> {
        let mut pairs = self.present().flat_map(|by| self.present().map(move |to| (by, to)));
        let missing = pairs.find(|(by, to)| !to.texts.contains(&says(by.name)));
        missing.map(|(by, to)| (by.name, to.name))
    }

    /// Every present guest sends a message that every present guest must receive.
    pub async fn talk(&mut self, within: Duration) -> Result<(), Fault> {
        let until = Instant::now() + within;
        loop {
            self.rounds += 1;
            let rounds = self.rounds;
            let says = |name: &str| format!("{name} says {rounds}");
            for honest in self.present() {
                let text = says(honest.name);
                let retention = Some(self.kept);
                // Refused while the room is broken.
                let _ = honest.guest.room.command(Command::Send { text, retention });
            }
            let again = Instant::now() + AGAIN;
            let (by, to) = loop {
                self.passes(STEP).await;
                if let Some(fault) = self.has_ended() {
                    return Err(fault);
                }
                let Some(missing) = self.unheard(says) else { return Ok(()) };
                if Instant::now() >= again {
                    break missing;
                }
            };
            if Instant::now() >= until {
                return Err(format!("{to} does not hear {by} within {within:?}"));
            }
        }
    }

    /// A new guest joins by the members' current link.
    pub async fn newcomer(&mut self, within: Duration) -> Result<(), Fault> {
        let until = Instant::now() + within;
        self.knocks("Dave", 3);
        loop {
            self.passes(STEP).await;
            let dave = self.honest.last().unwrap();
            if dave.has(|event| matches!(event, RoomEvent::Entered)) {
                return Ok(());
            }
            let ended = dave.ended;
            if Instant::now() >= until {
                return Err(format!("no newcomer gets in within {within:?} ({ended:?})"));
            }
            if ended.is_some() {
                // Like a person who is told that the link does not work.
                self.honest.pop();
                self.passes(Duration::from_secs(5)).await;
                self.knocks("Dave", 3);
            }
        }
    }

    /// The owner removes `member`, or the newcomer when there is no such member.
    pub async fn removal(
        &mut self,
        member: Option<MemberId>,
        within: Duration,
    ) -> Result<(), Fault> {
        let until = Instant::now() + within;
        let knows = |honest: &Honest, id| {
            honest.guest.room.view().members.iter().any(|member| member.id == id)
        };
        let removed = match member.filter(|id| knows(&self.honest[0], *id)) {
            Some(id) => id,
            None => {
                let dave = self.honest.pop().unwrap();
                dave.guest.me()
            }
        };
        while self.present().any(|honest| knows(honest, removed)) {
            if Instant::now() >= until {
                return Err(format!("the owner can remove nobody within {within:?}"));
            }
            let _ = self.honest[0].guest.room.command(Command::Remove(removed));
            for _ in 0..12 {
                self.passes(STEP).await;
                if !self.present().any(|honest| knows(honest, removed)) {
                    break;
                }
            }
            if let Some(fault) = self.has_ended() {
                return Err(fault);
            }
        }
        Ok(())
    }

    /// Every present guest sends a message, without waiting for any guest.
    pub fn speaks(&mut self) {
        self.spoken = self.present().map(|honest| honest.name).collect();
        for honest in self.present() {
            let text = meanwhile(honest.name);
            let retention = Some(super::hour());
            honest.guest.room.command(Command::Send { text, retention }).unwrap();
        }
    }

    /// Each of these messages was received by every guest who has been in the room since, or its
    /// author was told that it was not sent.
    fn nothing_was_hidden(&self) -> Result<(), Fault> {
        for name in &self.spoken {
            let by = self.honest.iter().find(|honest| honest.name == *name);
            if by.is_some_and(|by| by.has(|event| matches!(event, RoomEvent::NotSent { .. }))) {
                continue;
            }
            let mut others = self.honest.iter().filter(|other| other.stayed());
            if let Some(deaf) = others.find(|other| !other.texts.contains(&meanwhile(name))) {
                return Err(format!("{} never heard what {name} said meanwhile", deaf.name));
            }
        }
        Ok(())
    }

    /// Every present guest commits a change that every present guest must follow.
    pub async fn changes(&mut self, within: Duration) -> Result<(), Fault> {
        let names: Vec<_> = self.present().map(|honest| honest.name).collect();
        for name in names {
            self.renames(name, within).await?;
        }
        Ok(())
    }

    async fn renames(&mut self, name: &'static str, within: Duration) -> Result<(), Fault> {
        let until = Instant::now() + within;
        let me = self.present().find(|honest| honest.name == name).unwrap().guest.me();
        self.rounds += 1;
        let new: Nickname = format!("{name} {}", self.rounds).parse().unwrap();
        let sees = |honest: &Honest| {
            let members = honest.guest.room.view().members;
            members.iter().any(|member| member.id == me && member.nickname == new)
        };
        while !self.present().all(sees) {
            if Instant::now() >= until {
                return Err(format!("{name} can change nothing within {within:?}"));
            }
            let guest = self.present().find(|honest| honest.name == name).unwrap();
            let _ = guest.guest.room.command(Command::Rename(new.clone()));
            let again = Instant::now() + AGAIN;
            while Instant::now() < again && !self.present().all(sees) {
                self.passes(STEP).await;
                if let Some(fault) = self.has_ended() {
                    return Err(fault);
                }
            }
        }
        Ok(())
    }

    /// Excludes, from here on, the guests who were told that something is wrong.
    pub fn leave_out_who_is_told(&mut self) {
        for honest in &mut self.honest {
            honest.here &= !honest.is_told();
        }
    }

    /// Every present guest was told that something is wrong.
    pub fn told(&self) -> Result<(), Fault> {
        match self.present().find(|honest| !honest.is_told()) {
            Some(honest) => Err(format!("{} is told nothing", honest.name)),
            None => Ok(()),
        }
    }

    /// No honest guest was accused or removed, and all guests agree on the group.
    pub fn judge(&self, words_are_lost: bool) -> Result<(), Fault> {
        let ids: Vec<_> =
            self.honest.iter().filter_map(|honest| honest.guest.room.view().me).collect();
        for honest in &self.honest {
            let accused = honest.events.iter().find_map(|event| accusation(event, &ids));
            if let Some(what) = accused {
                return Err(format!("{} is told: {what}", honest.name));
            }
        }
        let views: Vec<_> = self.present().map(|honest| honest.guest.room.view()).collect();
        let alike = views.iter().all(|view| {
            let first = &views[0];
            view.epoch == first.epoch
                && view.safety == first.safety
                && view.members == first.members
                && view.invite == first.invite
        });
        if !alike {
            return Err("the guests are in different groups".to_owned());
        }
        if let Some(honest) = self.honest.iter().find(|honest| honest.lost) {
            return Err(format!("{} is told that what somebody honest said is over", honest.name));
        }
        if words_are_lost {
            return Ok(());
        }
        self.nothing_was_hidden()?;
        self.same_words()
    }

    /// All guests who were in the room all the time have the same messages.
    fn same_words(&self) -> Result<(), Fault> {
        let stayed: Vec<_> = self
            .present()
            .filter(|honest| honest.stayed())
            .map(|honest| (honest.name, honest.guest.kept()))
            .collect();
        let Some(((first, words), others)) = stayed.split_first() else { return Ok(()) };
        match others.iter().find(|(_, kept)| kept != words) {
            Some((other, kept)) => {
                Err(format!("{other} has other words than {first}: {kept:?}, {words:?}"))
            }
            None => Ok(()),
        }
    }
}

fn meanwhile(name: &str) -> String {
    format!("{name} says this meanwhile")
}

/// Returns an accusation of the relay or of one of these members, none of whom deviated from the
/// protocol.
fn accusation(event: &RoomEvent, honest: &[MemberId]) -> Option<String> {
    let accused = match event {
        RoomEvent::Trouble(Trouble::DishonestRelay) => true,
        RoomEvent::Trouble(Trouble::Broken { by: Some(by) } | Trouble::Repeated { by }) => {
            honest.contains(by)
        }
        RoomEvent::Trouble(Trouble::Gap { from, .. }) => honest.contains(from),
        RoomEvent::Departed { member, how } => {
            honest.contains(&member.id) || *how == Departure::Left && honest.contains(&member.id)
        }
        _ => false,
    };
    accused.then(|| format!("{event:?}"))
}
