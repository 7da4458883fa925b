//! Proving an epoch and catching up with the log.

use std::{ops::RangeInclusive, time::Duration};

use super::{
    Connection, Machine, RoomEvent, Trouble,
    link::LONGEST_WAIT,
    log::Place,
    machine::{Asked, Phase, Ticket},
};
use crate::{
    id::{Epoch, Seq},
    session::Session,
    time::Timestamp,
    wire::{LogItem, Page, Refusal, Reply, Request},
};

impl Machine {
    /// Proves membership of the session's epoch, or of the one that a staged join begins, unless
    /// that was done on this connection.
    pub(super) fn enter(&mut self) {
        let Some(epoch) = self.epoch_to_prove() else {
            return;
        };
        if !self.link.up || self.link.entering == Some(epoch) {
            return;
        }
        let Some(member) = self.token_to_prove() else {
            return;
        };
        self.link.entering = Some(epoch);
        self.link.head = None;
        let enter = Request::Enter { address: self.address, epoch, member };
        self.link.proof = Some(self.ask(Asked::Enter(epoch), enter));
        self.close();
    }

    /// Whether the last proof that was asked for is not answered yet.
    fn proof_is_on_its_way(&self) -> bool {
        self.link.proof.is_some_and(|ticket| self.asked.contains_key(&ticket))
    }

    /// How many proofs were asked for that are not answered yet.
    pub(super) fn proofs_on_their_way(&self) -> usize {
        self.asked.values().filter(|(asked, _)| matches!(asked, Asked::Enter(_))).count()
    }

    /// Reads on from the cursor, unless that is being done.
    pub(super) fn read(&mut self) {
        let may_read = self.session().is_some() && self.staged.is_none() && self.link.up;
        if may_read && !self.link.reading {
            self.link.reading = true;
            self.link.wanted = self.log.next_waiting();
            let request = Request::Read { address: self.address, after: self.log.cursor() };
            self.ask(Asked::Read, request);
        }
    }

    /// The answer to a proof.
    pub(super) fn entered(
        &mut self,
        now: Timestamp,
        ticket: Ticket,
        epoch: Epoch,
        result: Result<Reply, Refusal>,
    ) {
        if matches!(self.phase, Phase::Entering(_)) {
            return self.entrance_answered(now, epoch, result);
        }
        if self.link.proof != Some(ticket) || self.epoch_to_prove() != Some(epoch) {
            // The proof of an epoch that has ended since, or of one that was not to be; the next
            // one is on its way. Two joins may begin epochs of the same number.
            return;
        }
        match result {
            Ok(Reply::Entered(entered)) if entered.current >= epoch => {
                let was_staged = self.follow_staged(now);
                if !was_staged && self.link.as_owner == Some(epoch) {
                    (self.link.admitted, self.link.is_owners) = (true, true);
                }
                let Some(reached) = self.session().map(Session::epoch) else {
                    return;
                };
                self.link.current = Some(entered.current);
                // A page that is on its way was asked for by the proof of an earlier epoch.
                self.link.lagging |= self.link.reading;
                if reached != epoch {
                    return self.walk(now, reached, epoch, entered.head);
                }
                self.link.behind = entered.current != epoch;
                self.look_again();
                if self.link.behind {
                    self.void_again(now);
                } else {
                    self.at_head(now, entered.head);
                }
                if was_staged {
                    self.follow(now);
                }
                if self.link.behind || entered.head > self.log.cursor() {
                    self.read();
                }
            }
            Ok(_) => self.disbelieve(now),
            Err(Refusal::NotAdmitted) if self.staged_not_admitted(now) => {}
            Err(Refusal::NotAdmitted) => self.not_admitted(now),
            Err(refusal) => self.try_again(now, refusal.retry_after()),
        }
    }

    /// The owner was admitted to `epoch` by the own token, and reads all that led there.
    fn walk(&mut self, now: Timestamp, reached: Epoch, epoch: Epoch, head: Seq) {
        if reached < epoch {
            self.link.head = Some(head);
            self.link.behind = true;
            self.look_again();
            self.void_again(now);
            self.read();
        }
    }

    /// The room is in this guest's epoch, and its log ends at `head`.
    fn at_head(&mut self, now: Timestamp, head: Seq) {
        self.link.head = Some(head);
        self.outbox.not_stale();
        self.repaired_at = self.broken_at();
        self.repaired(now);
        if head < self.log.cursor() {
            // It was longer before. What comes next is read at its place.
            self.distrust();
            self.log.start_after(head);
        }
        if self.outbox.accepted_after(head) {
            self.distrust();
        }
    }

    /// The relay contradicts itself: it is told, and asked again after a while.
    pub(super) fn disbelieve(&mut self, now: Timestamp) {
        self.distrust();
        self.out_of_step(now, None);
    }

    /// What this guest knows and what the relay does may differ: prove the epoch again and catch
    /// up before anything else is sent.
    pub(super) fn out_of_step(&mut self, now: Timestamp, at_least: Option<Duration>) {
        self.link.synced = false;
        self.try_again(now, at_least);
    }

    /// The relay could not do it: once more, after a while that grows.
    pub(super) fn try_again(&mut self, now: Timestamp, at_least: Option<Duration>) {
        self.link.entering = None;
        let most = 500_u64 << self.link.attempts.min(5);
        self.link.attempts += 1;
        let wait = Duration::from_millis(most / 2 + self.random_below(most / 2));
        let at_least = at_least.unwrap_or_default().min(LONGEST_WAIT);
        self.link.retry_at = Some(now.after(wait.max(at_least)));
    }

    /// The answer to a read.
    pub(super) fn page(&mut self, now: Timestamp, result: Result<Reply, Refusal>) {
        self.link.reading = false;
        if self.session().is_none() {
            return;
        }
        match result {
            Ok(Reply::Page(page)) => self.take_page(now, page),
            Ok(_) => self.disbelieve(now),
            // The proof is repeated, and reading with it.
            Err(refusal) => self.try_again(now, refusal.retry_after()),
        }
    }

    fn take_page(&mut self, now: Timestamp, mut page: Page) {
        let more = page.more;
        let (cursor, wanted) = (self.log.cursor(), self.link.wanted);
        // What was never to be kept is not taken from what was kept.
        let items = page.items.len();
        page.items.retain(|item| !item.entry.retention.is_live());
        if page.items.len() < items {
            self.distrust();
        }
        let lawful = page.items.iter().all(|item| item.entry.has_lawful_size());
        page.items.iter_mut().for_each(|item| self.bound_age(now, item));
        if !lawful || self.log.read(now, page).is_err() {
            return self.disbelieve(now);
        }
        self.follow(now);
        if self.staged.is_some() {
            // It is read on from there when the next epoch is proven.
            return;
        }
        let lagging = std::mem::take(&mut self.link.lagging);
        if more || lagging {
            // If nothing is proven, a proof is about to be repeated, and reading with it.
            if self.link.entering.is_some() {
                self.read();
            }
        } else if self.broken.is_some() {
            self.try_again(now, None);
        } else if self.link.behind {
            // The log no longer holds the commit that ended this guest's epoch, unless this was
            // asked for by an earlier proof.
            if self.proof_is_on_its_way() {
                return;
            }
            match self.link.as_owner {
                // Which epoch the room is in was asked already.
                Some(_) if !self.link.admitted => {}
                // Or the room is not any more in the epoch that the owner was admitted to.
                Some(walked) => {
                    self.link.in_vain = Some(walked);
                    self.not_admitted(now);
                }
                None => self.rejoin(now),
            }
        } else if self.session().is_some_and(|s| self.outbox.is_stale(s.epoch())) {
            self.try_again(now, None);
        } else if self.log.has_gap() {
            let proven = self.link.entering.is_some();
            if proven && wanted == self.log.next_waiting() && cursor == self.log.cursor() {
                // It was told before this was asked, and the log does not reach it.
                self.log.forget_waiting();
                return self.disbelieve(now);
            }
            self.read();
        } else if self.link.head.is_some_and(|head| head > self.log.cursor()) {
            self.try_again(now, None);
        }
    }

    /// An entry was told.
    pub(super) fn told(&mut self, now: Timestamp, mut item: LogItem) {
        if !item.entry.has_lawful_size() {
            return self.disbelieve(now);
        }
        self.bound_age(now, &mut item);
        self.log.told(now, item);
        self.follow(now);
        // While a forbidden commit stands, the log is not open beyond it.
        if self.log.has_gap() && self.broken.is_none() && self.staged.is_none() {
            self.read();
        }
    }

    /// Takes every entry whose turn has come.
    fn follow(&mut self, now: Timestamp) {
        while matches!(self.phase, Phase::Inside(_))
            && self.staged.is_none()
            && self.link.may_follow()
        {
            match self.log.next(now) {
                Some(Place::Item { item, waited }) => self.apply(now, item, waited),
                Some(Place::Holes(seqs)) => self.holes(now, &seqs),
                Some(Place::Voided) => self.outbox.not_accepted_at(self.log.cursor()),
                None => break,
            }
        }
    }

    /// After each input: is everything taken in, and what is to be sent next?
    pub(super) fn proceed(&mut self, now: Timestamp) {
        let Some(session) = self.session() else {
            return;
        };
        let epoch = session.epoch();
        if !self.link.up {
            // The wait stands still while this guest is away.
            return self.refresh_in_time(now);
        }
        self.close();
        let current = self.link.entering == Some(epoch);
        let caught_up = self.link.head.is_some_and(|head| head <= self.log.cursor());
        if self.link.synced {
            self.in_step_at = now;
            self.walks = 0;
            self.tell_missed();
        }
        if current && caught_up && self.broken.is_none() && !self.link.synced {
            self.link.synced = true;
            self.tell_missed();
            self.show(Connection::Online);
        }
        if self.link.synced && self.outbox.is_idle() {
            self.link.attempts = 0;
        }
        self.put_hashes_right(now);
        self.take_back_in_time(now);
        self.fare_well(now);
        self.keep_door(now);
        self.renew_in_time(now);
        self.refresh_in_time(now);
        self.strike_in_time(now);
        self.say_presence(now);
        self.push(now);
    }

    /// The relay has no entry at places that it says it has gone past.
    fn holes(&mut self, now: Timestamp, seqs: &RangeInclusive<Seq>) {
        let (first, last) = (seqs.start().value(), seqs.end().value());
        let mut missed = last.saturating_sub(first).saturating_add(1);
        if let Some(seq) = self.outbox.accepted_in(seqs) {
            missed = missed.saturating_sub(1);
            self.own_entry_left_the_log(now, seq);
        }
        if self.broken_at().or(self.repaired_at).is_some_and(|seq| seqs.contains(&seq)) {
            // What broke the room stood there, and was taken back.
            missed = missed.saturating_sub(1);
        }
        self.missed = self.missed.saturating_add(missed);
        self.voided_unseen(now, seqs);
    }

    /// Tells how much was missed while away, once caught up.
    pub(super) fn tell_missed(&mut self) {
        let count = std::mem::take(&mut self.missed);
        if count > 0 {
            self.tell(RoomEvent::Trouble(Trouble::Missed { count }));
        }
    }
}
