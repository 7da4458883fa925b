//! A guest that chooses the id of a member that left.

use super::bench::{ALICE, BOB, Bench, CAROL, keep};
use crate::{
    id::MemberId,
    room::{Command, RoomEvent, SendFailure},
    session::{Role, door_token, hostile},
    wire::Request,
};

/// Alice issued `command` and was offline while Bob left and another guest joined under his id.
/// Then she reconnected.
fn asked_before(command: impl FnOnce(MemberId) -> Command) -> Bench {
    let mut bench = Bench::with(3);
    let bob = bench[BOB].machine.view().me.unwrap();
    bench.cut(ALICE);
    let id = bench.does(ALICE, command(bob)).unwrap();
    bench.does(BOB, Command::Leave);
    bench.pass(5);
    assert_eq!(bench[CAROL].members(), 2);

    let invite = bench[CAROL].machine.view().invite.unwrap();
    let address = *invite.address();
    let door = door_token(&address, invite.secret()).unwrap();
    let join = hostile::impostor_join(&bench.relay.door(), invite.secret(), bob);
    let request = Request::Join { address, door, entry: join.entry, next: join.next };
    bench.relay.answer(bench.now, None, request).unwrap();
    bench.says(CAROL, "Bob?", 60);
    assert_eq!(bench[CAROL].members(), 3);

    bench.connects(ALICE);
    bench.pass(5);
    let not_sent = |event: &RoomEvent| matches!(event, RoomEvent::NotSent { id: of, why: SendFailure::Impossible } if *of == id);
    assert!(bench[ALICE].events.iter().any(not_sent), "{:#?}", bench[ALICE].events);
    assert_eq!(bench[ALICE].members(), 3);
    bench
}

#[test]
fn is_not_told_what_was_whispered_to_that_member() {
    let text = || "for Bob alone".to_owned();
    asked_before(|to| Command::Whisper { to, text: text(), retention: Some(keep(3_600)) });
}

#[test]
fn gets_no_role_that_was_meant_for_that_member() {
    let bench = asked_before(|member| Command::SetRole(member, Role::Moderator));
    let members = bench[CAROL].machine.view().members;
    assert!(members.iter().all(|member| member.role != Role::Moderator));
}

#[test]
fn is_not_removed_in_place_of_that_member() {
    asked_before(Command::Remove);
}
