//! The owner's client demotes a moderator that left by its own statement, and signs the settings
//! again for a door that a moderator made.

use super::{
    bench::{ALICE, BOB, Bench, CAROL},
    guest::{is_commit, is_join},
};
use crate::{
    room::{Command, RoomEvent},
    session::{MemberKey, Role},
    wire::Refusal,
};

/// Alice's room, in which Bob and Carol are moderators.
fn with_moderators() -> Bench {
    let mut bench = Bench::with(3);
    for who in [BOB, CAROL] {
        let member = bench[who].machine.view().me.unwrap();
        bench.does(ALICE, Command::SetRole(member, Role::Moderator));
    }
    assert_eq!(moderators(&bench, ALICE).len(), 2);
    for who in [ALICE, BOB, CAROL] {
        bench[who].forget();
    }
    bench
}

fn moderators(bench: &Bench, who: usize) -> Vec<MemberKey> {
    bench[who].machine.session().unwrap().settings().moderators.clone()
}

fn key(bench: &Bench, who: usize) -> MemberKey {
    bench[who].machine.me().unwrap().key
}

fn settings_door(bench: &Bench, who: usize) -> u32 {
    bench[who].machine.session().unwrap().settings().door
}

/// How often `who` was told of a new link.
fn replaced(bench: &Bench, who: usize) -> usize {
    let is = |event: &&RoomEvent| matches!(event, RoomEvent::InviteReplaced { .. });
    bench[who].events.iter().filter(is).count()
}

fn only_bob_is_one(bench: &Bench) {
    for who in [ALICE, BOB] {
        assert_eq!(moderators(bench, who), [key(bench, BOB)]);
    }
}

fn refuse_commits(bench: &mut Bench, who: usize) {
    bench[who].instead(|request| is_commit(request).then_some(Err(Refusal::Full)));
}

#[test]
fn the_owner_carries_out_the_leave_and_strikes_with_a_new_link() {
    let mut bench = with_moderators();
    bench.does(CAROL, Command::Leave);
    bench.pass(2);
    only_bob_is_one(&bench);
    assert_eq!((bench[ALICE].count(is_commit), bench[BOB].count(is_commit)), (2, 0));
    assert_eq!((settings_door(&bench, BOB), replaced(&bench, BOB)), (1, 1));
}

#[test]
fn the_owner_strikes_one_whose_leave_another_carried_out() {
    let mut bench = with_moderators();
    refuse_commits(&mut bench, ALICE);
    bench.does(CAROL, Command::Leave);
    bench.pass(2);
    assert_eq!(bench[BOB].count(is_commit), 1);
    assert_eq!(moderators(&bench, BOB).len(), 2);
    // The relay had refused it.
    bench[ALICE].honest();
    bench.pass(31);
    only_bob_is_one(&bench);
    let changed = |event: &RoomEvent| matches!(event, RoomEvent::SettingsChanged { .. });
    assert!(bench[BOB].events.iter().any(changed));
}

#[test]
fn an_owner_who_was_away_strikes_on_coming_back() {
    let mut bench = with_moderators();
    bench.cut(ALICE);
    bench.does(CAROL, Command::Leave);
    bench.pass(2);
    assert_eq!((bench[BOB].members(), moderators(&bench, BOB).len()), (2, 2));
    bench.connects(ALICE);
    bench.pass(1);
    only_bob_is_one(&bench);
}

#[test]
fn an_owner_who_came_back_through_the_door_strikes_whom_they_find_missing() {
    let mut bench = with_moderators();
    bench.cut(ALICE);
    bench.does(CAROL, Command::Leave);
    bench.pass(2);
    bench.comes_back(ALICE);
    assert_eq!(bench[ALICE].count(is_join), 1);
    bench.pass(3);
    only_bob_is_one(&bench);
}

#[test]
fn only_the_owner_demotes_and_a_disconnected_moderator_stays() {
    let mut bench = with_moderators();
    bench.cut(CAROL);
    bench.pass(60);
    bench.connects(CAROL);
    bench.sends_back(CAROL);
    bench.pass(5);
    assert_eq!(moderators(&bench, ALICE).len(), 2);
    bench.cut(ALICE);
    bench.does(CAROL, Command::Leave);
    bench[BOB].forget();
    bench.pass(60);
    assert_eq!(bench[BOB].count(is_commit), 1);
}

#[test]
fn the_owner_renews_the_settings_for_a_moderators_door() {
    let mut bench = with_moderators();
    bench.does(BOB, Command::ReplaceInvite);
    bench.pass(2);
    assert_eq!((bench[ALICE].count(is_commit), settings_door(&bench, CAROL)), (1, 1));
    // No member is told of it but by the link.
    let told = |event: &RoomEvent| matches!(event, RoomEvent::SettingsChanged { .. });
    assert!(!bench[CAROL].events.iter().any(told));
    assert_eq!(replaced(&bench, CAROL), 1);

    // A moderator that replaces door after door has the owner's client renew them now and then.
    for _ in 0..5 {
        bench.does(BOB, Command::ReplaceInvite);
        bench.pass(2);
    }
    assert_eq!((bench[ALICE].count(is_commit), settings_door(&bench, CAROL)), (1, 1));
    bench.pass(30);
    assert_eq!((bench[ALICE].count(is_commit), settings_door(&bench, CAROL)), (2, 6));
    bench.pass(120);
    assert_eq!(bench[ALICE].count(is_commit), 2);
}

#[test]
fn an_owner_who_was_away_renews_the_settings_on_coming_back() {
    let mut bench = with_moderators();
    bench.cut(ALICE);
    bench.does(BOB, Command::ReplaceInvite);
    bench.pass(2);
    assert_eq!(settings_door(&bench, CAROL), 0);
    bench.connects(ALICE);
    bench.pass(1);
    assert_eq!(settings_door(&bench, CAROL), 1);
}
