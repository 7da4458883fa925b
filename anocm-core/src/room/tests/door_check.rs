//! Members check the door, and a hostile member cannot make them do so without end.

use super::{
    bench::{ALICE, BOB, Bench},
    guest::{is_commit, is_look},
};
use crate::{
    id::Epoch,
    room::Command,
    secret::Payload,
    wire::{Door, Refusal, Reply},
};

/// Alice begins an epoch, after which Bob looks at the door within two seconds.
fn alice_begins_an_epoch(bench: &mut Bench) -> Epoch {
    bench.does(ALICE, Command::Rename("Alicia".parse().unwrap()));
    bench.relay.epoch()
}

#[test]
fn a_door_denied_while_a_new_invite_is_on_its_way_is_not_repaired() {
    let mut bench = Bench::with(2);
    alice_begins_an_epoch(&mut bench);
    bench[BOB].tells(|_| false);
    bench.does(ALICE, Command::ReplaceInvite);
    let epoch = bench.relay.epoch();
    bench.pass(2);
    assert_eq!(bench[BOB].count(is_look), 1);
    bench[BOB].honest();
    bench.lags(BOB);
    bench.pass(60);
    assert_eq!(bench[BOB].machine.view().invite, bench[ALICE].machine.view().invite);
    assert_eq!((bench[BOB].count(is_commit), bench.relay.epoch()), (0, epoch));
}

#[test]
fn a_door_denied_twice_is_repaired() {
    let mut bench = Bench::with(2);
    bench[BOB].instead(|request| is_look(request).then_some(Err(Refusal::NotAdmitted)));
    let epoch = alice_begins_an_epoch(&mut bench);
    bench.pass(2);
    assert_eq!((bench[BOB].count(is_look), bench[BOB].count(is_commit)), (1, 0));
    bench.pass(2);
    assert_eq!((bench[BOB].count(is_look), bench[BOB].count(is_commit)), (2, 1));
    assert_eq!(bench[ALICE].machine.view().epoch, epoch.next());
}

#[test]
fn a_door_spoiled_again_and_again_is_repaired_once_a_minute() {
    let mut bench = Bench::with(2);
    for who in [ALICE, BOB] {
        bench[who].answers(|_, answer| {
            if let Ok(Reply::Door(Door { group_info, .. })) = answer {
                *group_info = Payload::from(vec![6; 1_000]);
            }
            true
        });
    }
    alice_begins_an_epoch(&mut bench);
    bench[ALICE].forget();
    bench.pass(300);
    for who in [ALICE, BOB] {
        let repairs = bench[who].count(is_commit);
        assert!((4..=6).contains(&repairs), "{repairs} repairs in five minutes");
    }
}
