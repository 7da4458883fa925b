//! A room that the relay creates only with less than was asked for.

use super::bench::{ALICE, Bench};
use crate::{
    retention::Retention,
    wire::{Refusal, Request},
};

#[test]
fn a_room_that_is_created_with_less_has_the_same_address_and_owner_and_another_door() {
    let mut bench = Bench::with(0);
    assert_eq!(bench.newcomer(), ALICE);
    let max = Retention::keep(std::time::Duration::from_secs(3_600)).unwrap();
    let mut refused = false;
    bench[ALICE].instead(move |request| {
        let first = matches!(request, Request::Create { .. }) && !refused;
        refused |= first;
        first.then_some(Err(Refusal::RetentionTooLong { max }))
    });
    bench.connects(ALICE);
    bench.pass(5);
    assert!(bench[ALICE].is_online());
    let created: Vec<_> = bench[ALICE]
        .asked
        .iter()
        .filter_map(|(_, request)| match request {
            Request::Create { address, genesis } => Some((address, genesis)),
            _ => None,
        })
        .collect();
    let [(address, asked), (same, granted)] = created.as_slice() else {
        panic!("one was refused, one was not");
    };
    assert_eq!((address, asked.owner), (same, granted.owner));
    assert_eq!(granted.policy.max_retention, max);
    // The relay has what the first secret opens.
    assert_ne!(asked.first.door, granted.first.door);
    assert_ne!(asked.first.group_info, granted.first.group_info);
    let invite = bench[ALICE].machine.view().invite.unwrap();
    let token = crate::session::door_token(invite.address(), invite.secret()).unwrap();
    assert!(granted.first.door.admits(&token));
}
