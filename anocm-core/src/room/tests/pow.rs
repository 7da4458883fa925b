//! A relay under load requires proof of work, and gets it.

use super::{
    bench::{ALICE, Bench},
    guest::{is_join, is_look},
};
use crate::{
    pow::is_solution,
    room::{Ended, JoinFailure},
    wire::{Puzzle, Refusal, Reply, Request},
};

const PUZZLE: Puzzle = Puzzle { seed: [3; 16], difficulty: 300 };

fn is_create(request: &Request) -> bool {
    matches!(request, Request::Create { .. })
}

fn is_work(request: &Request) -> bool {
    matches!(request, Request::Work { .. })
}

/// Adds Bob; the relay requires proof of work for each such request, until Bob has done it.
fn bob_works(bench: &mut Bench, of: fn(&Request) -> bool, puzzle: Puzzle) -> usize {
    let bob = bench.newcomer();
    let address = *bench[bob].machine.address();
    let mut has_worked = false;
    bench[bob].instead(move |request| match request {
        Request::Work { solution, .. } => {
            has_worked = is_solution(&puzzle, &address, *solution);
            assert!(has_worked);
            Some(Ok(Reply::Done))
        }
        request if of(request) && !has_worked => Some(Err(Refusal::WorkNeeded(puzzle))),
        _ => None,
    });
    bench.connects(bob);
    bob
}

#[test]
fn a_guest_solves_the_proof_and_joins_with_the_prepared_commit() {
    let mut bench = Bench::with(1);
    let bob = bob_works(&mut bench, is_join, PUZZLE);
    assert!(!bench[bob].is_online());
    bench.pass(10);
    assert!(bench[bob].is_online());
    assert_eq!([is_look, is_join, is_work].map(|is| bench[bob].count(is)), [1, 2, 1]);
}

#[test]
fn opening_a_room_takes_proof_of_work_too() {
    let mut bench = Bench::with(0);
    let alice = bob_works(&mut bench, is_create, PUZZLE);
    bench.pass(10);
    assert!(bench[alice].is_online());
    assert_eq!([is_create, is_work].map(|is| bench[alice].count(is)), [2, 1]);
}

#[test]
fn proof_of_work_runs_in_steps() {
    let mut bench = Bench::with(1);
    let began = bench.now;
    let puzzle = Puzzle { seed: [9; 16], difficulty: 20_000 };
    let bob = bob_works(&mut bench, is_join, puzzle);
    assert_eq!(bench[bob].count(is_work), 0);
    bench[bob].machine.handle_timeout(began);
    assert!(bench[bob].machine.poll_timeout().unwrap() > began);
    assert_eq!(bench[bob].count(is_work), 0);
}

#[test]
fn overtaken_while_working_the_work_is_still_good() {
    let mut bench = Bench::with(1);
    let bob = bob_works(&mut bench, is_join, PUZZLE);
    bench.does(ALICE, crate::room::Command::Rename("Alicia".parse().unwrap()));
    bench.pass(10);
    assert!(bench[bob].is_online());
    assert_eq!([is_look, is_work].map(|is| bench[bob].count(is)), [2, 1]);
}

#[test]
fn proof_of_work_stops_with_the_connection() {
    let mut bench = Bench::with(1);
    let bob = bob_works(&mut bench, is_join, PUZZLE);
    bench.cut(bob);
    bench.pass(10);
    assert_eq!(bench[bob].count(is_work), 0);
    assert_eq!(bench[bob].machine.poll_timeout(), None);
}

#[test]
fn a_relay_that_asks_for_too_much_or_too_often_is_told_no() {
    for (puzzle, asked) in [
        (Puzzle { difficulty: Puzzle::MAX_DIFFICULTY + 1, ..PUZZLE }, 0),
        (Puzzle { difficulty: 1, ..PUZZLE }, 16),
    ] {
        let mut bench = Bench::with(1);
        let bob = bench.newcomer();
        bench[bob].instead(move |request| match request {
            Request::Work { .. } => Some(Ok(Reply::Done)),
            request if is_join(request) => Some(Err(Refusal::WorkNeeded(puzzle))),
            _ => None,
        });
        bench.connects(bob);
        bench.pass(10);
        let failure = JoinFailure::Refused(Refusal::WorkNeeded(puzzle));
        assert_eq!(bench[bob].ended(), Some(Ended::NotLetIn(failure)));
        assert_eq!(bench[bob].count(is_work), asked);
    }
}
