//! Chooses the next step from the seed.

use std::time::Duration;

use super::world::{MARKER, World};
use crate::{name::Nickname, retention::Retention, room::Command, session::Role};

impl World {
    /// Executes one random step, then waits for a random time.
    pub(super) async fn step(&mut self) {
        match self.below(100) {
            0..=29 => self.say(),
            30..=47 => self.a_guest_joins(),
            48..=53 => self.a_member_leaves(),
            54..=58 => self.a_member_is_removed(),
            59..=69 => self.a_member_is_disconnected(),
            70..=75 => self.a_member_is_blocked(),
            76..=82 => self.a_member_is_renamed(),
            83..=88 => self.whisper(),
            89..=91 => self.role_changes(),
            92..=94 => self.invite_is_replaced(),
            _ => self.typing(),
        }
        // Mostly at once, so that steps collide; sometimes after a delay.
        let wait = match self.below(4) {
            0 => 0,
            1 => self.below(40),
            2 => self.below(400),
            _ => self.below(4_000),
        };
        let wait = u64::try_from(wait).unwrap_or(0);
        self.pause(Duration::from_millis(wait)).await;
    }

    fn any_member(&mut self) -> Option<usize> {
        let inside = self.inside();
        inside.get(self.below(inside.len())).copied()
    }

    fn a_member_but_the_owner(&mut self) -> Option<usize> {
        self.any_member().filter(|&number| number != 0)
    }

    fn give(&self, number: usize, command: Command, text: Option<String>) {
        if let Some(guest) = self.guests.get(number) {
            guest.command(command, text);
        }
    }

    fn words(&mut self) -> String {
        self.said += 1;
        format!("{MARKER}{}", self.said)
    }

    fn retention(&mut self) -> Option<Retention> {
        match self.below(6) {
            0 => Some(Retention::Live),
            1 => Retention::keep(Duration::from_secs(1)).ok(),
            2 => Retention::keep(Duration::from_secs(20)).ok(),
            3 => None,
            _ => Retention::keep(Duration::from_secs(3_600)).ok(),
        }
    }

    fn say(&mut self) {
        for _ in 0..=self.below(3) {
            let Some(by) = self.any_member() else { return };
            let (text, retention) = (self.words(), self.retention());
            let shown = retention.map_or("default".to_owned(), |retention| retention.to_string());
            let number = self.said;
            self.note(format_args!("guest {by} says {number} ({shown})"));
            self.give(by, Command::Send { text: text.clone(), retention }, Some(text));
        }
    }

    fn whisper(&mut self) {
        let (Some(by), Some(to)) = (self.any_member(), self.any_member()) else { return };
        let to_id = self.guests.get(to).and_then(|guest| guest.view().me);
        if let (Some(id), true) = (to_id, by != to) {
            let (text, retention) = (self.words(), self.retention());
            let number = self.said;
            self.note(format_args!("guest {by} whispers {number} to guest {to}"));
            self.give(by, Command::Whisper { to: id, text: text.clone(), retention }, Some(text));
        }
    }

    fn a_guest_joins(&mut self) {
        for _ in 0..=self.below(3) {
            if self.guests.len() >= self.plan.guests {
                return;
            }
            let Some(invite) = self.invite() else { return };
            self.note(format_args!("guest {} joins", self.guests.len()));
            self.join(&invite);
        }
    }

    fn a_member_leaves(&mut self) {
        if let Some(by) = self.a_member_but_the_owner() {
            self.note(format_args!("guest {by} leaves"));
            self.give(by, Command::Leave, None);
        }
    }

    fn a_member_is_removed(&mut self) {
        let (Some(by), Some(whom)) = (self.any_member(), self.a_member_but_the_owner()) else {
            return;
        };
        // Mostly by the owner; moderators may remove, and other members are refused.
        let by = if self.below(2) == 0 { 0 } else { by };
        let id = self.guests.get(whom).and_then(|guest| guest.view().me);
        if let (Some(id), true) = (id, by != whom) {
            self.note(format_args!("guest {by} removes guest {whom}"));
            self.give(by, Command::Remove(id), None);
        }
    }

    fn a_member_is_disconnected(&mut self) {
        if let Some(whom) = self.any_member() {
            let frames = self.below(6);
            self.note(format_args!("guest {whom} is cut after {frames} frames"));
            match u64::try_from(frames) {
                Ok(0) | Err(_) => self.network.cut(whom),
                Ok(frames) => self.network.cut_after(whom, frames),
            }
        }
    }

    fn a_member_is_blocked(&mut self) {
        if let Some(whom) = self.any_member() {
            let seconds = 1 + self.below(15);
            self.note(format_args!("guest {whom} is cut off for {seconds} s"));
            self.network.block(whom, true);
            let network = self.network.clone();
            tokio::spawn(async move {
                let seconds = u64::try_from(seconds).unwrap_or(1);
                tokio::time::sleep(Duration::from_secs(seconds)).await;
                network.block(whom, false);
            });
        }
    }

    fn a_member_is_renamed(&mut self) {
        if let Some(by) = self.any_member() {
            let name = format!("name {}", self.below(1_000));
            self.note(format_args!("guest {by} is called {name}"));
            self.give(by, Command::Rename(name.parse::<Nickname>().unwrap_or_default()), None);
        }
    }

    fn role_changes(&mut self) {
        let Some(whom) = self.a_member_but_the_owner() else { return };
        if let Some(id) = self.guests.get(whom).and_then(|guest| guest.view().me) {
            let role = if self.below(3) == 0 { Role::Member } else { Role::Moderator };
            self.note(format_args!("guest {whom} becomes {role:?}"));
            self.give(0, Command::SetRole(id, role), None);
        }
    }

    fn invite_is_replaced(&mut self) {
        self.note("the owner replaces the invite");
        self.give(0, Command::ReplaceInvite, None);
    }

    fn typing(&mut self) {
        if let Some(by) = self.any_member() {
            self.give(by, Command::Typing, None);
        }
    }
}
