//! Looking at one's own door from the outside.

use rand_core::CryptoRng;

use super::{
    group::Session,
    join::{Newcomer, open_door},
};
use crate::{name::Nickname, wire::Door};

impl Session {
    /// Whether newcomers can get in through `door`: it shows this very epoch of this very group,
    /// and members would accept a join that is made of it. Costs as much as a join on both sides.
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
        // Group information has parts that no newcomer can check: of those, a join tells.
        let newcomer = Newcomer::New(Nickname::default());
        Self::join(door, &self.invite, newcomer, rng)
            .is_ok_and(|(_, join)| self.would_accept(&join.entry))
    }
}
