//! What an applied entry does to the rest of the room: messages are kept and shown, a new epoch
//! concerns all parts.

use super::{
    Ended, Machine, Message, MessageText, RoomEvent, Trouble,
    phase::Phase,
    sending::outbox::Job,
    sync::step::{MessageMeta, Step},
    upkeep::presence::answer_due,
};
use crate::{
    id::MessageId,
    session::{Content, EpochChange, LeaveStatement, Member},
};

impl Machine {
    /// Carries out what follows from an applied entry.
    pub(super) fn on_step(&mut self, step: Step) {
        match step {
            Step::Done => {}
            Step::Message { from, id, content, meta } => self.on_content(from, id, content, meta),
            Step::Own { job, meta } => self.on_own(job, meta),
            Step::EpochBegan { change, own } => self.on_epoch_began(*change, own),
            Step::RatchetSkipped => {
                let members = self.members();
                self.upkeep.forced_refresh.on_ratchet_skipped(&mut self.cx, members);
            }
        }
    }

    /// Handles an entry of this guest that is in the log.
    fn on_own(&mut self, job: Job, meta: MessageMeta) {
        self.upkeep.presence.sent(self.cx.now);
        let Some(me) = self.me() else { return };
        match job {
            Job::Send { id, text, .. } => self.on_message(me, None, (id, text), true, meta),
            Job::Whisper { id, to, text, .. } => {
                self.on_message(me, Some(to), (id, text), true, meta);
            }
            Job::Custom { kind, body, .. } => {
                self.note_use();
                let retention = meta.retention;
                self.cx.emit(RoomEvent::Custom { from: me, kind, body, retention });
            }
            Job::Leaving | Job::LeavingNow => self.end(Ended::Left),
            Job::Typing | Job::Here | Job::Change(..) => {}
        }
    }

    /// Handles a message of another member.
    fn on_content(&mut self, from: Member, id: MessageId, content: Content, meta: MessageMeta) {
        let sender = from.id;
        if self.upkeep.presence.seen(sender, self.cx.now) {
            self.cx.emit(RoomEvent::Presence { member: sender, here: true });
        }
        let members = self.members();
        if self.upkeep.presence.has_come(&sender) {
            let at = answer_due(&mut self.cx, members);
            self.upkeep.presence.answer(at);
        }
        if matches!(content, Content::Text(_) | Content::Custom { .. } | Content::Whisper(_)) {
            self.note_use();
        }
        match content {
            Content::Text(text) => self.on_message(from, None, (id, text), false, meta),
            Content::Custom { kind, body } => {
                let retention = meta.retention;
                self.cx.emit(RoomEvent::Custom { from, kind, body, retention });
            }
            Content::Whisper(whisper) => {
                let session = self.session();
                let inner = session.and_then(|session| session.read_whisper(sender, &whisper));
                if let (Some(Content::Text(text)), Some(me)) = (inner, self.me()) {
                    self.on_message(from, Some(me), (id, text), false, meta);
                }
            }
            Content::Typing => self.cx.emit(RoomEvent::Typing { member: sender }),
            Content::Leaving(statement) => self.on_leave_statement(statement),
            Content::Away if self.upkeep.presence.remove(&sender) => {
                self.cx.emit(RoomEvent::Presence { member: sender, here: false });
            }
            Content::Here | Content::Away | Content::Unknown { .. } => {}
        }
    }

    fn on_leave_statement(&mut self, statement: LeaveStatement) {
        if let Phase::Inside(session) = &self.phase {
            self.upkeep.leave.on_leave_statement(&mut self.cx, session, statement);
        }
    }

    /// Notes that a message was sent: from now on a refresh of the keys is worth it.
    fn note_use(&mut self) {
        let members = self.members();
        self.upkeep.key_refresh.on_room_used(&mut self.cx, members);
    }

    /// Keeps a text message, and shows it.
    fn on_message(
        &mut self,
        from: Member,
        whispered_to: Option<Member>,
        (id, text): (MessageId, MessageText),
        own: bool,
        meta: MessageMeta,
    ) {
        let Some(room) = self.session().map(|session| session.settings().retention) else {
            return;
        };
        if self.history.has(id) {
            // Otherwise the other message would expire together with this one, too early.
            return self.cx.emit(RoomEvent::Trouble(Trouble::Repeated { by: from.id }));
        }
        if own {
            self.note_use();
        }
        let retention = room.keep(meta.retention, self.cx.guest_retention);
        let expires = (!retention.is_live()).then(|| meta.at.saturating_add(retention.lifetime()));
        let late = !meta.retention.is_live() && expires.is_none_or(|at| at <= self.cx.now);
        if late && !own {
            // The sender's retention would keep it, but this guest's cap does not.
            let capped_to_live = retention.is_live() && self.sync.is_synced();
            if !capped_to_live {
                return self.sync.count_missed();
            }
        }
        let seq = meta.seq;
        let message = Message { id, seq, from, whispered_to, own, text, retention, expires };
        let crowded_out = self.history.keep(&message, self.cx.config.max_history);
        self.cx.emit(RoomEvent::Message(message));
        if let Some(id) = crowded_out {
            self.cx.emit_expired(id);
        }
    }

    /// Handles the start of a new epoch, after a change of the membership or the settings.
    fn on_epoch_began(&mut self, change: EpochChange, own: bool) {
        let Phase::Inside(session) = &self.phase else { return };
        if own {
            self.upkeep.presence.sent(self.cx.now);
        }
        let brought_own_keys = change.joined.is_none() && session.me() == change.by;
        self.upkeep.on_new_epoch(&mut self.cx, session, own, brought_own_keys);
        let Some(by) = session.member(change.by).cloned() else {
            return self.cx.report_inconsistency();
        };
        self.upkeep.on_members_changed(&mut self.cx, session, &change);
        if change.settings_changed {
            self.history.cut(&session.settings().retention, self.cx.guest_retention);
        }
        self.emit_change(change, by);
        self.emit_epoch();
        self.enter();
    }

    fn emit_change(&mut self, change: EpochChange, by: Member) {
        if let Some(member) = change.joined {
            self.cx.emit(RoomEvent::Joined { member, again: change.again });
        }
        for (member, how) in change.departed {
            self.cx.emit(RoomEvent::Departed { member, how });
        }
        if let Some((member, before)) = change.renamed {
            self.cx.emit(RoomEvent::Renamed { member, before });
        }
        if change.settings_changed {
            self.cx.emit(RoomEvent::SettingsChanged { by: by.clone() });
        }
        if change.invite_replaced {
            self.cx.emit(RoomEvent::InviteReplaced { by });
        }
    }

    pub(super) fn emit_epoch(&mut self) {
        let Some(session) = self.session() else {
            return;
        };
        let Ok(safety) = session.safety_code().cloned() else { return };
        let epoch = session.epoch();
        self.cx.emit(RoomEvent::EpochBegan { epoch, safety });
    }

    pub(super) fn me(&self) -> Option<Member> {
        self.session().and_then(|session| session.member(session.me()).cloned())
    }
}
