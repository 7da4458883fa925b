//! The door check: whether guests can join through the room's door.

use rand_core::CryptoRng;

use super::{
    group::Session,
    join::{Joiner, open_door},
};
use crate::{name::Nickname, wire::Door};

impl Session {
    /// Returns whether guests can join through `door`: it shows the current epoch of this group,
    /// and members would accept a join that is made from it. Costs as much as a join does on both
    /// sides.
    pub fn vouches_for(&mut self, door: &Door, rng: &mut dyn CryptoRng) -> bool {
        let Some(live) = &self.live else { return false };
        let shows_this_group = door.address == self.address
            && door.epoch == self.epoch
            && open_door(door, &self.door).is_ok_and(|info| {
                info.group_context() == live.group.public_group().group_context()
            });
        if !shows_this_group {
            return false;
        }
        // A joining guest cannot check all parts of group information. The trial join does.
        let newcomer = Joiner::New(Nickname::default());
        Self::join(door, &self.invite, newcomer, rng)
            .is_ok_and(|(_, join)| self.would_accept(&join.entry))
    }
}
