//! Whether a newcomer's view of the room is confirmed.

use crate::{
    id::MemberId,
    room::{RoomEvent, context::Context},
    session::Session,
};

/// Whether this guest's view of the room is confirmed.
#[derive(Debug, Default)]
pub(crate) struct Confirmation {
    confirmed: bool,
    /// The members that were in the room when this guest joined. A message of one of them confirms
    /// this guest.
    prior_members: Vec<MemberId>,
}

impl Confirmation {
    /// Starts with this guest's join. A guest without other members has no view to be confirmed.
    pub(crate) fn begin(session: &Session, opened: bool) -> Self {
        let others = session.members().iter().filter(|member| member.id != session.me());
        let prior_members: Vec<_> = others.map(|member| member.id).collect();
        Self { confirmed: opened || prior_members.is_empty(), prior_members }
    }

    pub(crate) const fn is_confirmed(&self) -> bool {
        self.confirmed
    }

    /// Forgets the members.
    pub(crate) fn without_members(self) -> Self {
        Self { prior_members: Vec::new(), ..self }
    }

    /// Marks this guest as confirmed if `by`, a member that sent in this guest's epoch, is a prior
    /// member. Then this guest was not led to an outdated door, alone or together with other
    /// guests.
    pub(crate) fn on_entry_of(&mut self, cx: &mut Context, by: MemberId) {
        if !self.confirmed && self.prior_members.contains(&by) {
            self.confirmed = true;
            self.prior_members = Vec::new();
            cx.emit(RoomEvent::Confirmed);
        }
    }

    /// Forgets a member that departed: another guest may take its id from here on.
    pub(crate) fn on_departed(&mut self, member: &MemberId) {
        self.prior_members.retain(|prior| prior != member);
    }
}
