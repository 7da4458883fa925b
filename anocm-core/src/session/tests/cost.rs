//! The cost of a key refresh, as documented: the sizes of a commit and of its group information.

use super::*;

#[test]
fn fresh_keys_take_the_sizes_that_the_documents_state() {
    let (mut room, mut alice, mut bob) = Room::of_two();
    let stated = [(2, 1_000, 4_000), (4, 1_000, 4_000), (16, 1_000, 16_000), (50, 4_000, 64_000)];
    for (members, entry, door) in stated {
        while alice.members().len() < members {
            room.join("Bartholomew", &mut [&mut alice, &mut bob]);
        }
        let fresh = alice.propose(Change::Refresh, &mut room.rng).unwrap();
        assert_eq!((fresh.entry.sealed.len(), fresh.next.group_info.len()), (entry, door));
        alice.discard();
    }
}
