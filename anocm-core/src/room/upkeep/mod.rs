//! What a client does by itself for the room, on timers.
//!
//! | file | what it decides |
//! |---|---|
//! | `presence` | which members are here or typing, and this guest's heartbeats |
//! | `leave` | leaving or closing the room, and committing the leaves of others |
//! | `door_check` | whether newcomers can get in |
//! | `key_refresh` | periodic refresh of this guest's own keys |
//! | `forced_refresh` | fresh keys after a member has broken a ratchet or the door |
//! | `settings` | demoting moderators that left, and renewing settings older than the door |

pub(crate) mod door_check;
pub(crate) mod forced_refresh;
pub(crate) mod key_refresh;
pub(crate) mod leave;
pub(crate) mod presence;
pub(crate) mod settings;

use self::{
    door_check::DoorCheck,
    forced_refresh::ForcedRefresh,
    key_refresh::KeyRefresh,
    leave::LeaveState,
    presence::{Presence, answer_due},
    settings::SettingsUpkeep,
};
use super::{context::Context, sending::outbox::Outbox};
use crate::{
    id::Epoch,
    session::{Departure, EpochChange, MemberKey, Role, Session},
    wire::{Refusal, Reply},
};

/// What a client does by itself for the room.
#[derive(Debug, Default)]
pub(crate) struct Upkeep {
    pub(crate) presence: Presence,
    pub(crate) leave: LeaveState,
    pub(crate) door_check: DoorCheck,
    pub(crate) forced_refresh: ForcedRefresh,
    pub(crate) key_refresh: KeyRefresh,
    pub(crate) settings: SettingsUpkeep,
}

impl Upkeep {
    /// Handles this guest's join, with which its `session` began.
    pub(crate) fn on_joined(&mut self, cx: &mut Context, session: &Session) {
        self.forced_refresh.done();
        self.key_refresh.schedule_first(cx, session.members().len());
        self.leave.drop_void(session);
        self.settings.review(cx.now, session, &[]);
    }

    /// Handles a new epoch. Checks its door, unless it is this guest's `own`.
    pub(crate) fn on_new_epoch(
        &mut self,
        cx: &mut Context,
        session: &Session,
        own: bool,
        brought_own_keys: bool,
    ) {
        self.forced_refresh.done();
        self.key_refresh.on_new_epoch(cx, brought_own_keys);
        if !own {
            self.door_check.schedule(cx, session.members().len());
        }
    }

    /// Handles the members that joined or departed with a new epoch, and the roles that it changed.
    pub(crate) fn on_members_changed(
        &mut self,
        cx: &mut Context,
        session: &Session,
        change: &EpochChange,
    ) {
        let members = session.members().len();
        if let Some(newcomer) = &change.joined {
            self.presence.seen(newcomer.id, cx.now);
            // The newcomer's view is confirmed by a message of the owner, or of a moderator. In a
            // large room a few other members answer, who show that there are some.
            if answers(cx, session, members) {
                let at = answer_due(cx, members);
                self.presence.expect(newcomer.id, at);
            }
        }
        let moderators = change
            .departed
            .iter()
            .filter(|(member, how)| *how == Departure::Left && member.role == Role::Moderator);
        let left: Vec<MemberKey> = moderators.map(|(member, _)| member.key).collect();
        self.leave.drop_void(session);
        self.settings.review(cx.now, session, &left);
        for (member, _) in &change.departed {
            self.presence.remove(&member.id);
        }
    }

    /// Handles the reply to a look at the door, requested in `epoch`.
    pub(crate) fn on_door(
        &mut self,
        cx: &mut Context,
        session: &mut Session,
        outbox: &mut Outbox,
        epoch: Epoch,
        result: &Result<Reply, Refusal>,
    ) {
        let refresh = (&mut self.forced_refresh, outbox);
        self.door_check.on_reply(cx, session, epoch, result, refresh);
    }
}

/// Returns whether this member answers a newcomer: the owner always, and a few of the moderators
/// and of all members.
fn answers(cx: &mut Context, session: &Session, members: usize) -> bool {
    let here = session.members().iter();
    let drawn = match session.settings().role(&session.key()) {
        Role::Owner => true,
        Role::Moderator => {
            cx.is_drawn_to_act(here.filter(|member| member.role == Role::Moderator).count())
        }
        Role::Member => false,
    };
    drawn || cx.is_drawn_to_act(members)
}
