//! A join is merged when the relay has admitted this guest to the epoch that it begins, and not
//! before.

use super::{
    bench::{ALICE, BOB, Bench, CAROL},
    guest::{is_commit, is_enter, is_join},
};
use crate::{
    id::Epoch,
    retention::Retention,
    room::{Command, RoomEvent, Trouble},
    wire::{Event, Refusal, Request},
};

/// Alice and Bob, and Carol about to join. Returns the epoch that Carol's join begins.
fn before_carol() -> (Bench, Epoch) {
    let mut bench = Bench::with(2);
    assert_eq!(bench.newcomer(), CAROL);
    let next = bench.relay.epoch().next();
    (bench, next)
}

fn proves(epoch: Epoch) -> impl Fn(&Request) -> bool + Copy {
    move |request| matches!(request, Request::Enter { epoch: asked, .. } if *asked == epoch)
}

/// Bob waits for the reply to his proof of the epoch that Carol's join has begun.
fn bob_waits() -> (Bench, Epoch) {
    let (mut bench, next) = before_carol();
    bob_waits_in(&mut bench, next);
    (bench, next)
}

fn bob_waits_in(bench: &mut Bench, next: Epoch) {
    bench[BOB].answers(move |request, _| !proves(next)(request));
    bench.connects(CAROL);
    bench.pass(1);
    assert_eq!((bench[BOB].members(), bench[ALICE].members()), (2, 3));
}

fn says_live(bench: &mut Bench, who: usize, text: &str) {
    let retention = Some(Retention::Live);
    bench.does(who, Command::Send { text: text.to_owned(), retention });
}

fn recovered(bench: &Bench, who: usize) -> bool {
    bench[who].events.iter().any(|event| matches!(event, RoomEvent::Recovered))
}

#[test]
fn who_is_not_admitted_to_the_next_epoch_keeps_the_keys_of_this_one() {
    let (mut bench, next) = before_carol();
    bench[BOB].instead(move |request| proves(next)(request).then_some(Err(Refusal::NotAdmitted)));
    bench.connects(CAROL);
    bench.pass(2);
    let view = bench[BOB].machine.view();
    assert_eq!((view.members.len(), view.epoch.next(), view.broken), (2, next, true));
    assert_eq!(bench[BOB].troubles(), [Trouble::Broken { by: None }]);
    // Bob, in his own epoch, requests that the join be voided.
    bench.pass(3);
    let is_void = |request: &Request| matches!(request, Request::Void { .. });
    assert_eq!(bench[BOB].count(is_void), 1);
    // A relay that did not know the epoch yet, for example after a failover, does now.
    bench[BOB].honest();
    bench.pass(20);
    assert!(recovered(&bench, BOB) && bench[BOB].is_online());
    assert_eq!(bench[BOB].members(), 3);
    bench.says(CAROL, "hello", 60);
    assert_eq!(bench[BOB].heard(), ["hello"]);
}

#[test]
fn what_is_told_before_the_next_epoch_is_proven_is_heard_after_it() {
    let (mut bench, _) = bob_waits();
    says_live(&mut bench, ALICE, "now");
    bench.says(CAROL, "kept", 60);
    assert!(bench[BOB].heard().is_empty());
    bench[BOB].honest();
    bench.late_answer_arrives(BOB);
    assert_eq!((bench[BOB].heard(), bench[BOB].members()), (vec!["now", "kept"], 3));
    assert!(bench[BOB].is_online());
    bench.pass(10);
    assert_eq!(bench[BOB].troubles(), []);
}

#[test]
fn entries_that_expire_while_staged_are_missed_without_an_accusation() {
    let (mut bench, _) = bob_waits();
    bench.says(ALICE, "for a moment", 1);
    bench.says(ALICE, "for a minute", 60);
    bench.pass(2);
    bench[BOB].honest();
    bench.late_answer_arrives(BOB);
    assert_eq!(bench[BOB].heard(), ["for a minute"]);
    assert_eq!(bench[BOB].troubles(), [Trouble::Missed { count: 1 }]);
}

#[test]
fn of_two_proofs_the_answer_to_the_last_one_counts() {
    let (mut bench, _) = bob_waits();
    bench.lapses(BOB);
    assert_eq!(bench[BOB].late.len(), 2);
    bench[BOB].late[0].1 = Err(Refusal::NotAdmitted);
    bench.late_answer_arrives(BOB);
    assert!(!bench[BOB].machine.view().broken);
    bench[BOB].honest();
    bench.late_answer_arrives(BOB);
    assert!(bench[BOB].is_online());
    bench.pass(5);
    assert_eq!((bench[BOB].members(), bench[BOB].troubles()), (3, vec![]));
}

#[test]
fn a_relay_that_does_not_answer_is_not_asked_without_end() {
    let (mut bench, next) = bob_waits();
    for _ in 0..1_000 {
        bench.lapses(BOB);
    }
    assert_eq!(bench[BOB].count(proves(next)), 8);
    bench[BOB].honest();
    for _ in 0..8 {
        bench.late_answer_arrives(BOB);
    }
    assert!(bench[BOB].is_online());
    // Once the proofs have their replies, `Lapsed` starts a new proof.
    bench[BOB].forget();
    bench.lapses(BOB);
    assert_eq!(bench[BOB].count(is_enter), 1);
    assert!(bench[BOB].is_online());
}

#[test]
fn what_one_says_meanwhile_is_sealed_for_the_next_epoch() {
    let (mut bench, next) = bob_waits();
    bench.says(BOB, "to all", 60);
    assert!(bench[CAROL].heard().is_empty());
    bench[BOB].honest();
    bench.late_answer_arrives(BOB);
    let sealed_for = bench[BOB].asked.iter().filter_map(|(_, request)| match request {
        Request::Publish { entry, .. } if !entry.retention.is_live() => Some(entry.epoch),
        _ => None,
    });
    assert_eq!(sealed_for.collect::<Vec<_>>(), [next]);
    assert_eq!((bench[CAROL].heard(), bench[BOB].heard()), (vec!["to all"], vec!["to all"]));
}

#[test]
fn who_is_cut_off_before_the_next_epoch_is_proven_reads_the_join_again() {
    let (mut bench, _) = bob_waits();
    bench.says(ALICE, "kept", 60);
    bench.cut(BOB);
    bench[BOB].honest();
    bench.connects(BOB);
    assert_eq!((bench[BOB].heard(), bench[BOB].members()), (vec!["kept"], 3));
    bench.pass(10);
    assert!(bench[BOB].is_online());
    // The live entry is gone.
    assert!(bench[BOB].troubles().iter().all(|trouble| matches!(trouble, Trouble::Missed { .. })));
}

#[test]
fn a_join_that_is_taken_back_before_its_epoch_is_proven_was_never_there() {
    let (mut bench, next) = before_carol();
    let seq = bench.relay.head().next();
    bob_waits_in(&mut bench, next);
    let address = *bench[BOB].machine.address();
    let epoch = bench[BOB].machine.view().epoch;
    bench[BOB].forget();
    // By the event, the relay is in Bob's epoch again.
    bench[BOB].instead(|request| is_enter(request).then_some(Err(Refusal::Unavailable)));
    bench.tell(BOB, Event::Voided { address, seq, epoch });
    assert_eq!((bench[BOB].count(proves(epoch)), bench[BOB].count(proves(next))), (1, 0));
    bench[BOB].honest();
    // The reply to the proof of an epoch that was voided.
    bench.late_answer_arrives(BOB);
    assert_eq!(bench[BOB].machine.view().epoch, epoch);
    assert_eq!((bench[BOB].ended(), bench[BOB].troubles()), (None, vec![]));
}

#[test]
fn the_next_epoch_is_proven_again_when_the_relay_is_busy() {
    let (mut bench, next) = before_carol();
    let mut refused = 0;
    bench[BOB].instead(move |request| {
        let refuses = proves(next)(request) && refused < 3;
        refused += u32::from(refuses);
        refuses.then_some(Err(Refusal::Busy { retry_after: 700 }))
    });
    bench.connects(CAROL);
    bench.pass(20);
    assert_eq!((bench[BOB].count(proves(next)), bench[BOB].members()), (4, 3));
    assert!(bench[BOB].is_online());
    assert_eq!(bench[BOB].troubles(), []);
}

#[test]
fn an_owner_in_step_who_is_not_admitted_puts_right_what_the_relay_was_told() {
    let mut bench = Bench::with(2);
    let next = bench.relay.epoch().next();
    let mut refused = false;
    // The member token is refused; the owner token, which comes next, is accepted.
    bench[ALICE].instead(move |request| match request {
        Request::Enter { epoch, .. } if *epoch == next && !refused => {
            refused = true;
            Some(Err(Refusal::NotAdmitted))
        }
        Request::Void { .. } => Some(Err(Refusal::StaleEpoch { current: next })),
        _ => None,
    });
    bench.does(BOB, Command::RefreshKeys);
    bench.pass(1);
    assert_eq!((bench[ALICE].count(is_commit), bench[ALICE].count(proves(next))), (1, 2));
    assert_eq!(bench.relay.epoch(), next.next());
    bench.pass(60);
    assert_eq!(bench[ALICE].count(is_commit), 1);
    assert_eq!((bench[ALICE].troubles(), bench[BOB].troubles()), (vec![], vec![]));
}

#[test]
fn an_owner_puts_it_right_over_a_connection_that_has_shown_the_owner_token() {
    let mut bench = Bench::with(2);
    let next = bench.relay.epoch().next();
    let mut proofs = 0;
    bench[ALICE].instead(move |request| match request {
        Request::Enter { epoch, .. } if *epoch == next => {
            proofs += 1;
            (proofs == 1).then_some(Err(Refusal::NotAdmitted))
        }
        Request::Void { .. } => Some(Err(Refusal::StaleEpoch { current: next })),
        // The correcting commit is not appended.
        Request::Publish { .. } => Some(Err(Refusal::Unavailable)),
        _ => None,
    });
    bench.does(BOB, Command::RefreshKeys);
    bench.cut(ALICE);
    bench[ALICE].honest();
    bench[ALICE].forget();
    bench.connects(ALICE);
    bench.pass(10);
    let of = |epoch: Epoch| {
        let proofs = bench[ALICE].asked.iter().filter_map(move |(_, request)| match request {
            Request::Enter { epoch: proven, member, .. } if *proven == epoch => Some(member.hash()),
            _ => None,
        });
        proofs.collect::<Vec<_>>()
    };
    // One commit may still be sent again unchanged; the last epoch was proven with both tokens.
    let [member, owner] = of(Epoch::new(bench.relay.epoch().value() - 1))[..] else {
        panic!("no proof")
    };
    assert_ne!(member, owner);
    assert!(bench[ALICE].is_online());
}

#[test]
fn an_owner_follows_nothing_before_being_admitted_to_where_it_leads() {
    let mut bench = Bench::with(2);
    let next = bench.relay.epoch().next();
    // The member token is refused, and the reply to the owner token is late.
    let mut proofs = 0;
    bench[ALICE].answers(move |request, answer| match request {
        Request::Enter { epoch, .. } if *epoch == next => {
            proofs += 1;
            if proofs == 1 {
                *answer = Err(Refusal::NotAdmitted);
            }
            proofs != 2
        }
        Request::Void { .. } => {
            *answer = Err(Refusal::StaleEpoch { current: next });
            true
        }
        _ => true,
    });
    bench.does(BOB, Command::RefreshKeys);
    assert_eq!((bench[ALICE].count(proves(next)), bench[ALICE].late.len()), (2, 1));
    let before = bench[ALICE].machine.view().epoch;
    bench[ALICE].watches = true;
    let carol = bench.newcomer();
    bench.connects(carol);
    assert_eq!(bench[ALICE].machine.view().epoch, before);
    bench[ALICE].honest();
    bench.late_answer_arrives(ALICE);
    bench.pass(30);
    assert!(bench[ALICE].is_online());
    assert_eq!((bench[ALICE].members(), bench[carol].members()), (3, 3));
}

#[test]
fn an_owner_reads_on_to_the_epoch_that_the_room_is_in() {
    let mut bench = Bench::with(2);
    let first = bench.relay.epoch();
    bench.cut(ALICE);
    for name in ["Bobby", "Rob", "Bert"] {
        bench.does(BOB, Command::Rename(name.parse().unwrap()));
        bench.says(BOB, name, 60);
    }
    let current = bench.relay.epoch();
    assert_eq!(current.value(), first.value() + 3);
    // No member is admitted to the epochs on the way.
    bench[ALICE].instead(move |request| match request {
        Request::Enter { epoch, .. } if *epoch < current => Some(Err(Refusal::NotAdmitted)),
        Request::Void { .. } => Some(Err(Refusal::StaleEpoch { current })),
        _ => None,
    });
    bench.connects(ALICE);
    bench.pass(1);
    assert!(bench[ALICE].is_online());
    assert_eq!(bench[ALICE].heard(), ["Bobby", "Rob", "Bert"]);
    assert_eq!((bench[ALICE].count(is_commit), bench[ALICE].count(is_join)), (1, 0));
    assert_eq!(bench[ALICE].troubles(), []);
}
