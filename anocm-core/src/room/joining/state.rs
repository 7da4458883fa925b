//! What lasts longer than one attempt to join: how often the relay refused, and what a guest that
//! was in the room before knows of it.

use std::{collections::BTreeSet, time::Duration};

use super::pow::PowState;
use crate::{
    id::{Epoch, RoomAddress, Seq},
    room::{
        Ended, JoinFailure, RoomEvent,
        context::{Context, MAX_BACKOFF, PendingRequest},
    },
    session::{MemberKey, Session, Settings},
    time::Timestamp,
    wire::{Policy, Refusal, Request},
};

/// A guest that was in the room before gives up after this many refusals at the door, about two
/// minutes.
const MAX_REFUSED_LINKS: u32 = 24;
/// A door that does not admit this guest, or leads to an epoch before its own stay, is looked at
/// again after this.
const STALE_DOOR_RETRY: Duration = Duration::from_secs(5);
/// A rejoin within this time of the last one waits, with growing backoff.
const REJOIN_AGAIN: Duration = Duration::from_secs(60);

/// How far an attempt to join has come.
pub(crate) enum JoinProgress {
    /// It waits for a reply, a solution or a retry.
    Waiting,
    /// The guest is in the room, and reads the log after this.
    Joined(Seq),
    Failed(Ended),
}

/// What lasts longer than one attempt.
#[derive(Default)]
pub(crate) struct JoinState {
    pub(crate) pow: PowState,
    /// Whether the guest was in the room before.
    has_entered: bool,
    /// How often the relay did not know the link since this guest was last in the room.
    refused_links: u32,
    /// The settings of the room that this guest left to rejoin it.
    settings: Option<Settings>,
    /// The members of the room that this guest last knew to be one: it has heard a member there.
    known: BTreeSet<MemberKey>,
    /// The epoch in which this guest last had to rejoin through the door.
    left_in: Option<Epoch>,
    /// The only door through which this guest rejoins: its epoch, and the context of that epoch.
    only_door: Option<(Epoch, [u8; 32])>,
    /// When this guest last rejoined through the door, and how often in a row.
    rejoined: Option<(Timestamp, u32)>,
    /// The policy the room is opened with, if that is less than was requested.
    pub(crate) granted_policy: Option<Policy>,
}

impl JoinState {
    /// Whether the guest was in the room before.
    pub(crate) const fn has_entered(&self) -> bool {
        self.has_entered
    }

    /// Whether a door to this epoch is older than this guest's own stay.
    pub(crate) fn is_older_than_stay(&self, epoch: Epoch) -> bool {
        self.left_in.is_some_and(|left| epoch < left)
    }

    /// Whether settings are older than those that this guest knew, or others of the same number.
    pub(crate) fn is_behind(&self, shown: &Settings) -> bool {
        let is_behind = |known: &Settings| {
            shown.counter < known.counter || (shown.counter == known.counter && shown != known)
        };
        self.settings.as_ref().is_some_and(is_behind)
    }

    /// The members of the room that this guest last knew to be one.
    pub(crate) const fn known(&self) -> &BTreeSet<MemberKey> {
        &self.known
    }

    /// Returns the only door through which this guest rejoins: its epoch, and the context of that
    /// epoch.
    pub(crate) const fn only_door(&self) -> Option<(Epoch, [u8; 32])> {
        self.only_door
    }

    /// Lets this guest join through any door again.
    pub(crate) const fn allow_any_door(&mut self) {
        self.only_door = None;
    }

    /// Records that this guest is in the room. Returns whether it was there before.
    pub(crate) fn on_joined(&mut self) -> bool {
        self.only_door = None;
        self.refused_links = 0;
        self.pow.on_joined();
        std::mem::replace(&mut self.has_entered, true)
    }

    /// Records what this guest knows of the room that it leaves to rejoin; of its members only if it
    /// has `heard` one there that it knew before.
    pub(crate) fn remember(&mut self, session: &Session, heard: bool) {
        self.settings = Some(session.settings().clone());
        if heard {
            self.known = session.members().iter().map(|member| member.key).collect();
        }
    }

    /// Records that this guest rejoins, after it was in `epoch`. Returns whether it does so at
    /// once: each rejoin begins an epoch for all members, so repeated rejoins back off
    /// exponentially.
    pub(crate) fn on_rejoin(
        &mut self,
        cx: &mut Context,
        epoch: Epoch,
        only_door: Option<(Epoch, [u8; 32])>,
    ) -> bool {
        self.left_in = Some(epoch);
        self.only_door = only_door;
        let times = match self.rejoined {
            Some((last, times)) if cx.now < last.saturating_add(REJOIN_AGAIN) => {
                times.saturating_add(1)
            }
            _ => 0,
        };
        self.rejoined = Some((cx.now, times));
        if times > 0 {
            let most = 500_u64 << times.min(6);
            let wait = Duration::from_millis(most / 2) + cx.random_millis(most / 2);
            cx.retry_after(wait);
        }
        times == 0
    }

    /// Handles a refusal while joining: retries where that can help.
    pub(crate) fn on_refused(&mut self, cx: &mut Context, refusal: Refusal) -> JoinProgress {
        if let Refusal::WorkNeeded(puzzle) = refusal {
            return match self.pow.on_required(cx, puzzle) {
                Ok(()) => JoinProgress::Waiting,
                Err(ended) => JoinProgress::Failed(ended),
            };
        }
        let wait = match refusal {
            Refusal::Unavailable => Duration::from_secs(1),
            // A guest that was in the room before waits until there is space again.
            Refusal::Full | Refusal::ReadOnly if self.has_entered => Duration::from_secs(5),
            _ => match refusal.retry_after() {
                Some(wait) => wait,
                None => return failed(JoinFailure::Refused(refusal)),
            },
        };
        // `Crowded` assigns each guest its own turn at the door, so no jitter is needed.
        let jitter = match refusal {
            Refusal::Crowded { .. } => Duration::ZERO,
            _ => Duration::from_millis(250) + cx.random_millis(500),
        };
        let retry_in = wait.min(MAX_BACKOFF) + jitter;
        cx.retry_after(retry_in);
        cx.emit(RoomEvent::Delayed { why: refusal, retry_in });
        JoinProgress::Waiting
    }

    /// Handles a door that does not admit this guest. A guest that was in the room before retries
    /// for about two minutes: a member may have given the relay a false hash or useless group
    /// information, which the owner's client corrects.
    pub(crate) fn on_kept_out(&mut self, cx: &mut Context, failure: JoinFailure) -> JoinProgress {
        self.refused_links += 1;
        if !self.has_entered || self.refused_links > MAX_REFUSED_LINKS {
            return failed(failure);
        }
        look_later(cx)
    }
}

/// Looks at the door again later.
pub(crate) fn look_later(cx: &mut Context) -> JoinProgress {
    let jitter = cx.random_millis(1_000);
    cx.retry_after(STALE_DOOR_RETRY + jitter);
    JoinProgress::Waiting
}

pub(crate) const fn failed(failure: JoinFailure) -> JoinProgress {
    JoinProgress::Failed(Ended::NotLetIn(failure))
}

/// Handles a reply of the wrong kind: reports it, and retries after a delay.
pub(crate) fn on_inconsistency(cx: &mut Context) -> JoinProgress {
    cx.report_inconsistency();
    cx.back_off(None);
    JoinProgress::Waiting
}

/// Sends the next request towards the room; without one, the door cannot be opened.
pub(crate) fn send(cx: &mut Context, next: Option<(PendingRequest, Request)>) -> JoinProgress {
    let Some((asked, request)) = next else {
        return failed(JoinFailure::BadDoor);
    };
    cx.send_request(asked, request);
    JoinProgress::Waiting
}

/// Returns the proof of the epoch that `session` is in, which finds out whether it was accepted.
pub(crate) fn prove(address: RoomAddress, session: &Session) -> Option<(PendingRequest, Request)> {
    let (epoch, member) = (session.epoch(), session.member_token().ok()?.clone());
    Some((PendingRequest::Enter(epoch), Request::Enter { address, epoch, member }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::hostile;

    #[test]
    fn settings_of_before_and_others_of_the_same_number_are_behind() {
        let [first, second, other] = hostile::settings_in_order();
        let mut state = JoinState::default();
        assert!(!state.is_behind(&first));
        state.settings = Some(second.clone());
        assert!(state.is_behind(&first) && state.is_behind(&other));
        assert!(!state.is_behind(&second));
        state.settings = Some(first);
        assert!(!state.is_behind(&second) && !state.is_behind(&other));
    }
}
