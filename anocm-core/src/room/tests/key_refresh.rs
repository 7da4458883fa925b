//! Each member commits fresh keys some minutes after joining and then about once per hour in which
//! something was sent, and never together with others.

use std::time::Duration;

use super::{
    bench::{ALICE, BOB, Bench, CAROL},
    guest::is_commit,
};
use crate::{room::Command, session::Role, time::Timestamp, wire::Refusal};

const ALL: [usize; 3] = [ALICE, BOB, CAROL];
const MINUTE: u64 = 60;

fn commits(bench: &Bench) -> [usize; 3] {
    ALL.map(|who| bench[who].count(is_commit))
}

fn forget(bench: &mut Bench) {
    ALL.iter().for_each(|&who| bench[who].forget());
}

/// Returns when all guests requested their commits, in order.
fn times(bench: &Bench) -> Vec<Timestamp> {
    let asked = ALL.iter().flat_map(|&who| &bench[who].asked);
    let mut times: Vec<_> =
        asked.filter(|(_, request)| is_commit(request)).map(|&(at, _)| at).collect();
    times.sort_unstable();
    times
}

/// Three guests that have refreshed their keys, with no message since.
fn refreshed() -> Bench {
    let mut bench = Bench::with(3);
    bench.pass(10 * MINUTE);
    assert_eq!(commits(&bench), [1, 1, 1]);
    forget(&mut bench);
    bench
}

#[test]
fn each_member_commits_fresh_keys_some_minutes_after_joining_and_no_more_in_silence() {
    let mut bench = Bench::with(3);
    bench.pass(100);
    assert_eq!(commits(&bench), [0, 0, 0]);
    bench.pass(10 * MINUTE);
    assert_eq!(commits(&bench), [1, 1, 1]);
    bench.pass(180 * MINUTE);
    assert_eq!(commits(&bench), [1, 1, 1]);
}

#[test]
fn each_member_commits_fresh_keys_again_within_hours_of_talk() {
    let mut bench = refreshed();
    let start = bench.now;
    for _ in 0..7 {
        bench.says(BOB, "still talking", 60);
        bench.pass(15 * MINUTE);
    }
    for count in commits(&bench) {
        assert!((1..=3).contains(&count), "{:?}", commits(&bench));
    }
    let first = times(&bench)[0];
    assert!(first >= start.saturating_add(Duration::from_secs(29 * MINUTE)), "{first:?}");
}

#[test]
fn members_who_were_away_together_do_not_commit_together() {
    let mut bench = refreshed();
    bench.says(ALICE, "good night", 60);
    bench.pass(20 * MINUTE);
    ALL.iter().for_each(|&who| bench.cut(who));
    bench.pass(10 * 60 * MINUTE);
    ALL.iter().for_each(|&who| bench.connects(who));
    let back = bench.now;
    bench.says(BOB, "good morning", 60);
    bench.pass(9 * MINUTE);
    // Twenty minutes have passed of the half hour that the wait takes at least.
    assert_eq!(commits(&bench), [0, 0, 0]);
    bench.pass(62 * MINUTE);
    assert_eq!(commits(&bench), [1, 1, 1]);
    let times = times(&bench);
    assert!(times[0] > back && times.windows(2).all(|pair| pair[0] < pair[1]), "{times:?}");
}

#[test]
fn a_machine_that_stood_still_makes_up_for_nothing_at_once() {
    let mut bench = refreshed();
    bench.says(ALICE, "hello", 60);
    bench.now = bench.now.saturating_add(Duration::from_secs(10 * 60 * MINUTE));
    bench.pass(100);
    assert_eq!(commits(&bench), [0, 0, 0]);
    bench.pass(10 * MINUTE);
    assert_eq!(commits(&bench), [1, 1, 1]);
}

#[test]
fn a_commit_of_ones_own_is_as_good() {
    let mut bench = refreshed();
    bench.says(ALICE, "hello", 60);
    bench.pass(25 * MINUTE);
    bench.does(BOB, Command::Rename("Bobby".parse().unwrap()));
    bench.pass(120 * MINUTE);
    assert_eq!(commits(&bench), [1, 1, 1]);
}

/// Advances to the second at which this guest's refresh is due, at most a minute away.
fn pass_until_due(bench: &mut Bench, who: usize) {
    let due = bench[who].machine.upkeep.key_refresh.due().unwrap();
    let left = due.saturating_duration_since(bench.now).as_secs();
    bench.pass(left.saturating_sub(1));
}

#[test]
fn one_who_is_beaten_to_it_backs_off_and_tries_again() {
    let mut bench = Bench::with(2);
    bench[ALICE].instead(|request| is_commit(request).then_some(Err(Refusal::Full)));
    pass_until_due(&mut bench, BOB);
    bench[ALICE].honest();
    // Bob has not received the epoch that Alice began.
    bench[BOB].tells(|_| false);
    bench.does(ALICE, Command::Rename("Alicia".parse().unwrap()));
    bench[BOB].forget();
    bench.pass(3);
    assert_eq!(bench[BOB].count(is_commit), 1);
    bench[BOB].honest();
    bench.lags(BOB);
    assert_eq!(bench[BOB].machine.view().epoch, bench.relay.epoch());
    bench.pass(89);
    assert_eq!(bench[BOB].count(is_commit), 1);
    bench.pass(95);
    assert_eq!(bench[BOB].count(is_commit), 2);
    assert_eq!(bench[ALICE].machine.view().epoch, bench.relay.epoch());
}

#[test]
fn a_refresh_that_the_relay_refuses_is_tried_again_later() {
    let mut bench = Bench::with(3);
    for who in ALL {
        bench[who].instead(|request| is_commit(request).then_some(Err(Refusal::Full)));
    }
    let epoch = bench.relay.epoch();
    bench.pass(30 * MINUTE);
    for count in commits(&bench) {
        assert!((3..=15).contains(&count), "{count} tries in half an hour");
    }
    assert_eq!(bench.relay.epoch(), epoch);
    ALL.iter().for_each(|&who| bench[who].honest());
    forget(&mut bench);
    bench.pass(9 * MINUTE);
    assert_eq!(commits(&bench), [1, 1, 1]);
}

#[test]
fn any_member_refreshes_by_command() {
    let mut bench = refreshed();
    let role = bench[BOB].machine.me().unwrap().role;
    assert_eq!(role, Role::Member);
    let epoch = bench.relay.epoch();
    let named = bench.does(BOB, Command::RefreshKeys);
    assert!(named.is_some());
    assert_eq!((bench[BOB].count(is_commit), bench.relay.epoch()), (1, epoch.next()));
    for who in ALL {
        assert_eq!(bench[who].machine.view().epoch, epoch.next());
    }
}

#[test]
fn a_command_that_is_overtaken_is_carried_out_all_the_same() {
    let mut bench = refreshed();
    bench[BOB].tells(|_| false);
    bench.does(ALICE, Command::RefreshKeys);
    bench.does(BOB, Command::RefreshKeys);
    // The first one was made for an epoch that had ended.
    assert_eq!(bench[BOB].count(is_commit), 2);
    assert_eq!(bench[ALICE].machine.view().epoch, bench.relay.epoch());
}
