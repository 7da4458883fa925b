//! Who has shown this guest that it is in the room that its link names.

use std::collections::BTreeSet;

use crate::{
    id::MemberId,
    room::{Confirmation, RoomEvent, context::Context},
    session::{MemberKey, Role, Session},
};

/// How this guest's view of the room is confirmed.
#[derive(Debug, Default)]
pub(crate) struct ConfirmationState {
    shown: Confirmation,
    /// The number of the door that this guest came by.
    came_by: u32,
    /// The members that this guest knew before it came back, while none of them was heard since and
    /// what this guest sends confirms the room to others.
    knew: Option<BTreeSet<MemberKey>>,
}

impl ConfirmationState {
    /// Starts with this guest's join, after which it `knew` these members from before.
    pub(crate) fn begin(
        session: &Session,
        opened: bool,
        knew: Option<BTreeSet<MemberKey>>,
    ) -> Self {
        let shown = if opened { Confirmation::Opened } else { Confirmation::Unheard };
        let confirms = session.settings().role(&session.key()) != Role::Member;
        Self { shown, came_by: session.door_number(), knew: knew.filter(|_| confirms) }
    }

    /// Whether this guest says and commits nothing by itself. The owner or a moderator that comes
    /// back through the door has only been shown the group behind it; the relay may have made that
    /// up, and wait for an entry with which this guest confirms it to others. So a member that this
    /// guest knew before has to be heard first, or the user has to act.
    pub(crate) const fn is_silent(&self) -> bool {
        self.knew.is_some()
    }

    pub(crate) fn end_silence(&mut self) {
        self.knew = None;
    }

    pub(crate) const fn shown(&self) -> &Confirmation {
        &self.shown
    }

    /// Handles a message or commit of `by`, in this guest's epoch or a later one: MLS signs the
    /// group context with it, so the tree, and this guest's leaf in it. Joins never count: a guest
    /// that comes through a door has only been shown it.
    ///
    /// A moderator confirms as of the door that the settings name: when the role is taken away, the
    /// link is replaced, and settings that still give it name another door than the new link's.
    pub(crate) fn on_entry_of(&mut self, cx: &mut Context, session: &Session, by: MemberId) {
        if self.shown == Confirmation::Opened || by == session.me() {
            return;
        }
        let Some(by) = session.member(by).cloned() else {
            return;
        };
        self.knew = self.knew.take().filter(|knew| !knew.contains(&by.key));
        let confirms = match by.role {
            Role::Owner => true,
            Role::Moderator => session.settings().door == self.came_by,
            Role::Member => false,
        };
        if confirms {
            let shown = Confirmation::Confirmed { by: by.clone(), epoch: session.epoch() };
            let before = std::mem::replace(&mut self.shown, shown);
            if !matches!(before, Confirmation::Confirmed { .. }) {
                cx.emit(RoomEvent::Confirmed { by });
            }
        } else if !matches!(self.shown, Confirmation::Confirmed { .. }) {
            let shown = Confirmation::Heard { by: by.clone() };
            let before = std::mem::replace(&mut self.shown, shown);
            if before == Confirmation::Unheard {
                cx.emit(RoomEvent::Heard { by });
            }
        }
    }
}
