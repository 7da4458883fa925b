//! Two role changes queued one behind the other.

use super::bench::{ALICE, BOB, Bench, CAROL};
use crate::{room::Command, session::Role};

#[test]
fn a_change_of_roles_takes_back_none_that_came_before_it() {
    let mut bench = Bench::with(3);
    let [bob, carol] = [BOB, CAROL].map(|who| bench[who].machine.view().me.unwrap());
    bench.does(ALICE, Command::SetRole(bob, Role::Moderator));
    bench.cut(ALICE);
    bench.does(ALICE, Command::SetRole(bob, Role::Member));
    bench.does(ALICE, Command::SetRole(carol, Role::Moderator));
    bench.connects(ALICE);
    let roles =
        bench[BOB].machine.view().members.iter().map(|member| member.role).collect::<Vec<_>>();
    assert_eq!(roles, [Role::Owner, Role::Member, Role::Moderator]);
}
