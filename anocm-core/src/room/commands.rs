//! Carrying out the guest's commands.

use super::{Command, CommandError, Machine, MessageText, phase::Phase, sending::outbox::Job};
use crate::{
    id::{MemberId, MessageId},
    retention::{Retention, RoomRetention},
    secret::Payload,
    session::{Change, MAX_CUSTOM_KIND, Member, Role, Session},
    time::Timestamp,
};

/// The longest text or custom content in bytes.
pub(super) const MAX_TEXT: usize = 15_000;

impl Machine {
    /// Carries out a command, or queues it. Returns the id of a command that can still fail later;
    /// [`RoomEvent::NotSent`](super::RoomEvent::NotSent) then reports that id.
    ///
    /// # Errors
    /// [`CommandError`]; the room is unchanged then.
    pub fn command(
        &mut self,
        now: Timestamp,
        command: Command,
    ) -> Result<Option<MessageId>, CommandError> {
        self.cx.now = now;
        match command {
            Command::Leave => self.leave(),
            Command::Typing => self.typing(now)?,
            Command::SetGuestRetention(guest) => {
                self.cx.guest_retention = guest;
                if let Some(room) = self.session().map(|session| session.settings().retention) {
                    self.history.cut(&room, guest);
                }
            }
            Command::Close => {
                self.inside()?.owner_token().ok().flatten().ok_or(CommandError::NotAllowed)?;
                self.upkeep.leave.begin_to_close(now);
            }
            queued => {
                let id = self.queue_command(now, queued)?;
                self.sync.end_silence();
                return Ok(Some(id));
            }
        }
        self.handle_timeout(now);
        Ok(None)
    }

    /// Queues a command that can still fail later, and returns its id.
    ///
    /// # Errors
    /// [`CommandError`]; the room is unchanged then. [`CommandError::NotAllowed`] for a command that
    /// is not queued.
    pub(crate) fn queue_command(
        &mut self,
        now: Timestamp,
        command: Command,
    ) -> Result<MessageId, CommandError> {
        self.cx.now = now;
        let id = self.queue(now, command)?;
        self.handle_timeout(now);
        Ok(id)
    }

    fn queue(&mut self, now: Timestamp, command: Command) -> Result<MessageId, CommandError> {
        self.inside()?;
        if self.upkeep.leave.is_closing() {
            return Err(CommandError::NotInRoom);
        }
        if self.sync.is_broken() {
            return Err(CommandError::Broken);
        }
        if self.outbox.waiting() >= self.cx.config.max_waiting {
            return Err(CommandError::QueueFull);
        }
        let id = self.cx.new_message_id();
        let job = match command {
            Command::Send { text, retention } => {
                let retention = self.choose(retention)?;
                Job::Send { id, text: checked(text)?, retention, queued: now }
            }
            Command::Whisper { to, text, retention } => {
                let to = self.member(to)?.clone();
                let retention = self.choose(retention)?;
                Job::Whisper { id, to, text: checked(text)?, retention, queued: now }
            }
            Command::Custom { kind, body, retention } => {
                if body.len() > MAX_TEXT {
                    return Err(CommandError::TooLong { limit: MAX_TEXT });
                }
                if kind > MAX_CUSTOM_KIND {
                    return Err(CommandError::BadKind);
                }
                let retention = self.choose(retention)?;
                Job::Custom { id, kind, body: Payload::from(body), retention, queued: now }
            }
            other => Job::Change(Some(id), self.change(other)?),
        };
        self.outbox.push(job);
        Ok(id)
    }

    fn change(&self, command: Command) -> Result<Change, CommandError> {
        let session = self.inside()?;
        let role = self.member(session.me())?.role;
        let owner_only = || {
            if role == Role::Owner { Ok(()) } else { Err(CommandError::NotAllowed) }
        };
        Ok(match command {
            Command::Rename(nickname) => Change::Rename(nickname),
            Command::RefreshKeys => Change::Refresh,
            Command::Remove(id) => {
                let member = self.member(id)?;
                let may = match role {
                    Role::Owner => member.role != Role::Owner,
                    Role::Moderator => member.role == Role::Member,
                    Role::Member => false,
                };
                if !may {
                    return Err(CommandError::NotAllowed);
                }
                Change::Remove(member.key)
            }
            Command::SetRole(id, role) => {
                owner_only()?;
                let member = self.member(id)?;
                if member.role == Role::Owner || role == Role::Owner {
                    return Err(CommandError::NotAllowed);
                }
                Change::SetRole(member.key, role)
            }
            Command::SetRoomRetention(retention) => {
                owner_only()?;
                self.within_policy(&retention)?;
                Change::SetRetention(retention)
            }
            Command::ReplaceInvite if role != Role::Member => Change::ReplaceInvite,
            _ => return Err(CommandError::NotAllowed),
        })
    }

    fn within_policy(&self, retention: &RoomRetention) -> Result<(), CommandError> {
        let policy = self.inside()?.settings().policy;
        if retention.max() <= policy.max_retention {
            Ok(())
        } else {
            Err(CommandError::BeyondPolicy)
        }
    }

    fn typing(&mut self, now: Timestamp) -> Result<(), CommandError> {
        let members = self.inside()?.members().len();
        let free = self.sync.is_synced() && self.outbox.is_idle() && !self.sync.is_broken();
        if members > 1 && free && self.upkeep.presence.may_type(now) {
            self.outbox.push(Job::Typing);
        }
        Ok(())
    }

    /// Leaves the room, with a leave statement if the relay can be reached.
    fn leave(&mut self) {
        let can_be_sent = self.session().is_some() && self.cx.link.up && !self.sync.is_broken();
        let leave = &mut self.upkeep.leave;
        if let Some(ended) = leave.leave(&self.cx, &mut self.outbox, can_be_sent) {
            self.end(ended);
        }
    }

    fn inside(&self) -> Result<&Session, CommandError> {
        match &self.phase {
            Phase::Inside(session) if !self.upkeep.leave.is_leaving() => Ok(session),
            _ => Err(CommandError::NotInRoom),
        }
    }

    fn member(&self, id: MemberId) -> Result<&Member, CommandError> {
        self.inside()?.member(id).ok_or(CommandError::NoSuchMember)
    }

    fn choose(&self, asked: Option<Retention>) -> Result<Retention, CommandError> {
        Ok(self.inside()?.settings().retention.choose(asked, self.cx.guest_retention))
    }
}

fn checked(text: String) -> Result<MessageText, CommandError> {
    let text = MessageText::new(text);
    match text.as_str().len() {
        0 => Err(CommandError::Empty),
        1..=MAX_TEXT => Ok(text),
        _ => Err(CommandError::TooLong { limit: MAX_TEXT }),
    }
}
