//! Looking at one's own door from the outside.

use rand_core::CryptoRng;

use super::{
    group::Session,
    join::{Newcomer, open_door},
};
use crate::{name::Nickname, wire::Door};

impl Session {
    /// Whether newcomers can get in through `door`: it shows this very epoch of this very group,
    /// and a join can be made of it. Costs as much as a join.
    pub fn vouches_for(&self, door: &Door, rng: &mut dyn CryptoRng) -> bool {
        let Some(live) = &self.live else { return false };
        let shows_this_group = door.address == self.address
            && door.epoch == self.epoch
            && open_door(door, &self.door).is_ok_and(|info| {
                info.group_context() == live.group.public_group().group_context()
            });
        shows_this_group
            && Self::join(door, &self.invite, Newcomer::New(Nickname::default()), rng).is_ok()
    }
}
