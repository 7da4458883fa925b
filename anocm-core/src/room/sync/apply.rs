//! Applies a log entry at its sequence number.

use crate::room::upkeep::presence::answer_due;
use crate::room::{
    Ended, Machine, Message, MessageText, RoomEvent, Trouble,
    phase::Phase,
    sending::outbox::{Job, Own},
    sync::counters::CounterCheck,
    sync::epoch_history::EpochAuthor,
    sync::rollback::RejectReason,
};
use crate::{
    id::{MemberId, Seq},
    retention::Retention,
    session::{
        Content, Envelope, EpochChange, LeaveStatement, Member, OpenError, Opened, SessionError,
    },
    time::Timestamp,
    wire::{EntryKind, LogItem},
};

/// Sequence number, accept time and retention of a message.
#[derive(Clone, Copy)]
struct MessageMeta {
    seq: Seq,
    at: Timestamp,
    retention: Retention,
}

impl Machine {
    /// Applies the next entry in sequence. `waited` is the part of its age, in milliseconds, that
    /// it spent buffered in this client.
    pub(crate) fn apply(&mut self, now: Timestamp, mut item: LogItem, waited: u64) {
        self.bound_age(now, &mut item);
        let Phase::Inside(session) = &mut self.phase else {
            return;
        };
        if item.entry.epoch != session.epoch() {
            // After a rejected commit the log continues without this guest.
            if self.rejected.is_none() {
                self.log.count_unreadable();
                self.cx.report_inconsistency();
            }
            return;
        }
        if self.rejected.is_some() && !self.is_rejected_at(item.seq) {
            return;
        }
        if !item.entry.kind.begins_epoch() {
            self.on_rolled_back(now);
        }
        let retention = item.entry.retention;
        if !retention.is_live() && item.age >= u64::from(retention.as_millis()) {
            if item.age.saturating_sub(waited) >= u64::from(retention.as_millis()) {
                self.cx.report_inconsistency();
            }
            // A membership change is applied at any age: it holds no message content.
            if !item.entry.kind.begins_epoch() {
                if self.outbox.accepted_in(&(item.seq..=item.seq)).is_some() {
                    return self.on_own_entry_left_log(now, item.seq);
                }
                self.missed = self.missed.saturating_add(1);
                return self.log.count_unreadable();
            }
        }
        match self.outbox.own(&item.entry.digest(), item.seq) {
            Own::InFlight => return self.on_own_entry(now, &item),
            // A commit that was abandoned and was accepted all the same: its keys are gone.
            Own::Former if item.entry.kind.begins_epoch() => return self.rejoin(now),
            Own::Former => return,
            Own::Copy => return self.on_unreadable(item.seq),
            Own::No => self.on_displaced_own_entry(item.seq),
        }
        let Phase::Inside(session) = &mut self.phase else {
            return;
        };
        let at = (item.seq, item.entry.kind);
        if item.entry.kind == EntryKind::Join {
            let accepted = now.saturating_sub(std::time::Duration::from_millis(item.age));
            return match session.stage_join(&item.entry) {
                Ok(join) => self.stage(now, item.seq, accepted, join),
                Err(why) => self.on_open_error(now, at, &why),
            };
        }
        if item.entry.kind.begins_epoch() {
            self.was_overtaken();
        }
        let Phase::Inside(session) = &mut self.phase else {
            return;
        };
        let context = session.context();
        match session.open(&item.entry) {
            Ok(Opened::Message { sender, envelope }) => {
                let at = now.saturating_sub(std::time::Duration::from_millis(item.age));
                self.on_content(
                    now,
                    sender,
                    envelope,
                    MessageMeta { seq: item.seq, at, retention },
                );
            }
            Ok(Opened::Applied(applied)) => {
                self.on_rolled_back(now);
                self.on_commit_merged(item.seq, &applied, context);
                self.on_epoch_change(applied, false);
            }
            Err(why) if item.entry.kind.begins_epoch() => self.on_open_error(now, at, &why),
            Err(why) => {
                self.on_unreadable(item.seq);
                if why == OpenError::RatchetSkipped {
                    let members = self.members();
                    let forced_refresh = &mut self.upkeep.forced_refresh;
                    forced_refresh.on_ratchet_skipped(&mut self.cx, members);
                }
            }
        }
    }

    /// Handles an overtaken change: another member's commit or join was accepted first, so this
    /// guest's own change is made again for the new epoch.
    pub(crate) fn was_overtaken(&mut self) {
        if let Phase::Inside(session) = &mut self.phase {
            session.discard();
            self.outbox.drop_refreshes();
            self.outbox.reseal_change();
        }
    }

    /// Rejects the commit or join at `at`, which this guest cannot apply.
    fn on_open_error(&mut self, now: Timestamp, at: (Seq, EntryKind), why: &OpenError) {
        let (by, flaw) = match *why {
            OpenError::Rejected { by } => (by, RejectReason::Unlawful),
            OpenError::Garbled { by } => (by, RejectReason::Garbled),
            _ => (None, RejectReason::Unlawful),
        };
        self.on_rejected(now, at, by, flaw);
    }

    /// Reports that the entry at `seq` holds no readable message.
    fn on_unreadable(&mut self, seq: Seq) {
        self.log.count_unreadable();
        self.cx.emit(RoomEvent::Trouble(Trouble::Unreadable { seq }));
    }

    /// Handles an entry of another author at `seq`. If the relay reported that sequence number as
    /// the place of this guest's own entry, it contradicts itself.
    fn on_displaced_own_entry(&mut self, seq: Seq) {
        if self.outbox.accepted_in(&(seq..=seq)).is_some() {
            self.outbox.not_accepted();
            self.on_inconsistency();
        }
    }

    /// Handles this guest's own entry when the relay delivers it at its sequence number.
    fn on_own_entry(&mut self, now: Timestamp, item: &LogItem) {
        let at = self.own_since(now, item.age);
        self.settle_own(now, item.seq, at);
        if item.entry.kind == EntryKind::Message {
            return;
        }
        let Phase::Inside(session) = &mut self.phase else {
            return;
        };
        let context = session.context();
        match session.accept() {
            Ok(applied) => {
                self.on_commit_merged(item.seq, &applied, context);
                self.on_epoch_change(applied, true);
            }
            Err(_) => self.end(Ended::DishonestRelay),
        }
    }

    /// Records the commit or join at `seq` in the epoch history, with the context of the epoch
    /// before it.
    pub(crate) fn on_commit_merged(
        &mut self,
        seq: Seq,
        applied: &EpochChange,
        before: Result<[u8; 32], SessionError>,
    ) {
        let by = match (&applied.joined, applied.again) {
            (Some(_), true) => EpochAuthor::Returning,
            (Some(member), false) => EpochAuthor::Newcomer(member.key),
            (None, _) => {
                let Some(member) = self.session().and_then(|now| now.member(applied.by)) else {
                    return;
                };
                EpochAuthor::Member(member.key)
            }
        };
        if let Ok(context) = before {
            self.epoch_history.step(seq, by, context);
        }
    }

    /// Handles this guest's own entry that was accepted at `seq` and has left the log since.
    pub(crate) fn on_own_entry_left_log(&mut self, now: Timestamp, seq: Seq) {
        if self.outbox.change_in_flight() {
            // A commit that is gone from the log cannot be followed.
            return self.rejoin(now);
        }
        if self.outbox.is_to_be_kept(now) {
            // The entry should still be in the log. Send it again; members that received it drop
            // the duplicate.
            self.outbox.not_accepted();
            return self.resync(None);
        }
        self.settle_own(now, seq, now);
    }

    /// Completes the job in flight: its entry is in the log at `seq`, accepted at `at`.
    fn settle_own(&mut self, now: Timestamp, seq: Seq, at: Timestamp) {
        let Some((job, retention)) = self.outbox.settle(seq) else {
            return;
        };
        self.cx.link.attempts = 0;
        self.upkeep.presence.sent(now);
        let Some(me) = self.me() else { return };
        let said = MessageMeta { seq, at, retention };
        match job {
            Job::Send { id, text, .. } => self.on_message(now, me, None, (id, text), true, said),
            Job::Whisper { id, to, text, .. } => {
                self.on_message(now, me, Some(to), (id, text), true, said);
            }
            Job::Custom { kind, body, .. } => {
                self.note_use();
                self.cx.emit(RoomEvent::Custom { from: me, kind, body, retention });
            }
            Job::Leaving | Job::LeavingNow => self.end(Ended::Left),
            Job::Typing | Job::Here | Job::Change(..) => {}
        }
    }

    /// Handles a decrypted message of another member.
    fn on_content(
        &mut self,
        now: Timestamp,
        sender: MemberId,
        envelope: Envelope,
        said: MessageMeta,
    ) {
        self.confirm(sender);
        let Envelope { id, counter, content } = envelope;
        match self.counters.check(sender, counter, id, self.log.holes()) {
            CounterCheck::Again => return,
            CounterCheck::Forged => {
                return self.cx.emit(RoomEvent::Trouble(Trouble::Repeated { by: sender }));
            }
            CounterCheck::New { missing: 0 } => {}
            CounterCheck::New { missing: count } => {
                self.cx.emit(RoomEvent::Trouble(Trouble::Gap { from: sender, count }));
            }
        }
        let Some(from) = self.session().and_then(|session| session.member(sender)).cloned() else {
            return;
        };
        if self.upkeep.presence.seen(sender, now) {
            self.cx.emit(RoomEvent::Presence { member: sender, here: true });
        }
        if self.upkeep.presence.has_come(&sender) {
            let at = {
                let members = self.members();
                answer_due(&mut self.cx, members)
            };
            self.upkeep.presence.answer(at);
        }
        if matches!(content, Content::Text(_) | Content::Custom { .. } | Content::Whisper(_)) {
            self.note_use();
        }
        match content {
            Content::Text(text) => self.on_message(now, from, None, (id, text), false, said),
            Content::Custom { kind, body } => {
                self.cx.emit(RoomEvent::Custom { from, kind, body, retention: said.retention });
            }
            Content::Whisper(whisper) => {
                let session = self.session();
                let inner = session.and_then(|session| session.read_whisper(sender, &whisper));
                if let (Some(Content::Text(text)), Some(me)) = (inner, self.me()) {
                    self.on_message(now, from, Some(me), (id, text), false, said);
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

    fn on_message(
        &mut self,
        now: Timestamp,
        from: Member,
        whispered_to: Option<Member>,
        (id, text): (crate::id::MessageId, MessageText),
        own: bool,
        said: MessageMeta,
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
        let retention = room.keep(said.retention, self.cx.guest_retention);
        let expires = (!retention.is_live()).then(|| said.at.saturating_add(retention.lifetime()));
        let late = !said.retention.is_live() && expires.is_none_or(|at| at <= now);
        if late && !own {
            // The sender's retention would keep it, but this guest's cap does not.
            let capped_to_live = retention.is_live() && self.progress.synced;
            if !capped_to_live {
                self.missed = self.missed.saturating_add(1);
                return;
            }
        }
        let seq = said.seq;
        let message = Message { id, seq, from, whispered_to, own, text, retention, expires };
        let crowded_out = self.history.keep(&message, self.cx.config.max_history);
        self.cx.emit(RoomEvent::Message(message));
        if let Some(id) = crowded_out {
            self.cx.emit_expired(id);
        }
    }

    /// Handles the start of a new epoch, after a change of the membership or the settings.
    pub(crate) fn on_epoch_change(&mut self, applied: EpochChange, own: bool) {
        if applied.removed_me {
            return self.end(Ended::Removed { by: applied.by });
        }
        if !own && applied.joined.is_none() {
            self.confirm(applied.by);
        }
        self.progress.behind = self.progress.as_owner > Some(applied.epoch);
        self.progress.in_vain = None;
        let Phase::Inside(session) = &self.phase else { return };
        let commits = applied.joined.is_none();
        let by_me = session.me() == applied.by;
        self.upkeep.on_new_epoch(&mut self.cx, session, own, commits && by_me);
        // A commit before the epoch that the owner token proved corrects nothing, and a commit over
        // a connection that was not entered with the owner token settles nothing.
        let comes_after = self.progress.as_owner < Some(applied.epoch);
        if commits && by_me && comes_after && self.progress.is_owners {
            self.correct_hashes_at = None;
        }
        let Some(by) = self.session().and_then(|session| session.member(applied.by)).cloned()
        else {
            return self.cx.report_inconsistency();
        };
        if let Phase::Inside(session) = &self.phase {
            self.upkeep.on_members_changed(&mut self.cx, session, &applied);
        }
        if let Some(member) = applied.joined {
            if !applied.again {
                self.counters.joined(member.id, self.log.holes());
            }
            self.cx.emit(RoomEvent::Joined { member, again: applied.again });
        }
        for (member, how) in applied.departed {
            self.counters.left(&member.id);
            // Another member may take this id from here on.
            self.prior_members.retain(|elder| *elder != member.id);
            self.cx.emit(RoomEvent::Departed { member, how });
        }
        if let Some((member, before)) = applied.renamed {
            self.cx.emit(RoomEvent::Renamed { member, before });
        }
        if applied.settings_changed {
            if let Some(room) = self.session().map(|session| session.settings().retention) {
                self.history.cut(&room, self.cx.guest_retention);
            }
            self.cx.emit(RoomEvent::SettingsChanged { by: by.clone() });
        }
        if applied.invite_replaced {
            self.cx.emit(RoomEvent::InviteReplaced { by });
        }
        self.emit_epoch();
        self.enter();
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

    /// Marks this guest as confirmed if `by`, a member that sent in this guest's epoch, is a prior
    /// member. Then this guest was not led to an outdated door, alone or together with other
    /// guests.
    fn confirm(&mut self, by: MemberId) {
        if !self.confirmed && self.prior_members.contains(&by) {
            self.confirmed = true;
            self.prior_members = Vec::new();
            self.cx.emit(RoomEvent::Confirmed);
        }
    }

    pub(crate) fn emit_epoch(&mut self) {
        let Some(session) = self.session() else {
            return;
        };
        let Ok(safety) = session.safety_code().cloned() else { return };
        let epoch = session.epoch();
        self.cx.emit(RoomEvent::EpochBegan { epoch, safety });
    }

    pub(crate) fn me(&self) -> Option<Member> {
        self.session().and_then(|session| session.member(session.me()).cloned())
    }
}
