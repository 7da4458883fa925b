//! A guest that was in the room rejoins it, and is not led anywhere else.

use chacha20::ChaCha20Rng;
use rand_core::SeedableRng;

use super::{
    bench::{ALICE, BOB, Bench},
    guest::{is_enter, is_join, is_look, is_read, once},
};
use crate::{
    id::{Epoch, Seq},
    room::{Command, Ended, JoinFailure, Trouble},
    session::{Change, hostile},
    wire::{Door, Entered, Refusal, Reply, Request},
};

/// No entry can be stored for now, or ever again.
const NO_ROOM: [Refusal; 2] = [Refusal::Full, Refusal::ReadOnly];

/// Returns the epochs for which the guest sealed entries.
fn sealed_for(bench: &Bench, who: usize) -> Vec<Epoch> {
    let entries = bench[who].asked.iter().filter_map(|(_, request)| match request {
        Request::Publish { entry, .. } | Request::Join { entry, .. } => Some(entry.epoch),
        _ => None,
    });
    entries.collect()
}

#[test]
fn a_former_member_waits_at_the_door_of_a_full_room() {
    for refusal in NO_ROOM {
        let mut bench = Bench::with(2);
        bench[BOB].instead(move |request| is_join(request).then_some(Err(refusal)));
        bench.sends_back(BOB);
        bench.pass(600);
        assert_eq!(bench[BOB].ended(), None);
        let joins = bench[BOB].count(is_join);
        assert!((60..=120).contains(&joins), "{joins} joins in ten minutes");
        bench[BOB].honest();
        bench.pass(10);
        assert!(bench[BOB].is_online());
        bob_talks(&mut bench);
    }
}

#[test]
fn the_group_of_another_under_the_rooms_address_is_no_door_for_who_was_inside() {
    let mut bench = Bench::with(2);
    let view = bench[BOB].machine.view();
    let (invite, door) = (view.invite.unwrap(), bench.relay.door());
    let mut rng = ChaCha20Rng::seed_from_u64(9);
    let mut forged = hostile::room_of_another(&door, invite.secret(), &mut rng);
    let mut next = None;
    while forged.epoch() <= door.epoch {
        next = Some(forged.propose(Change::Refresh, &mut rng).unwrap().next);
        forged.accept().unwrap();
    }
    let group_info = next.unwrap().group_info;
    let shown = Door { epoch: forged.epoch(), group_info, ..door };
    bench[BOB].instead(move |request| is_look(request).then(|| Ok(Reply::Door(shown.clone()))));
    bench.sends_back(BOB);
    bench.pass(60);
    assert_eq!((bench[BOB].count(is_join), bench[BOB].ended()), (0, None));
    assert!(bench[BOB].count(is_look) > 5);
    bench[BOB].honest();
    bench.pass(10);
    assert!(bench[BOB].is_online());
    bob_talks(&mut bench);
}

#[test]
fn a_new_guest_is_refused_at_once_by_a_full_room() {
    for refusal in NO_ROOM {
        let mut bench = Bench::with(1);
        let bob = bench.newcomer();
        bench[bob].instead(move |request| is_join(request).then_some(Err(refusal)));
        bench.connects(bob);
        let failure = JoinFailure::Refused(refusal);
        assert_eq!(bench[bob].ended(), Some(Ended::NotLetIn(failure)));
    }
}

#[test]
fn what_waits_to_be_said_is_not_sealed_for_an_epoch_before_ones_stay() {
    let mut bench = Bench::with(2);
    let old = bench.relay.door();
    for name in ["Alicia", "Alix"] {
        bench.does(ALICE, Command::Rename(name.parse().unwrap()));
    }
    let left_in = bench.relay.epoch();
    assert!(old.epoch < left_in);
    bench.cut(BOB);
    bench.says(BOB, "for those inside", 3_600);
    bench[BOB].forget();
    // A relay that tries everything to have the message sealed for the old epoch.
    bench[BOB].instead(move |request| {
        Some(match request {
            Request::Enter { epoch, .. } if *epoch == left_in => Err(Refusal::NotAdmitted),
            Request::Enter { epoch, .. } => {
                let (began, head) = (Seq::new(20), Seq::new(20));
                Ok(Reply::Entered(Entered { current: *epoch, began, head }))
            }
            Request::Look { .. } => Ok(Reply::Door(old.clone())),
            Request::Join { .. } => Ok(Reply::Accepted { seq: Seq::new(20) }),
            _ => Err(Refusal::Unavailable),
        })
    });
    bench.connects(BOB);
    bench.pass(60);
    assert_eq!(sealed_for(&bench, BOB), []);
    assert_eq!(bench[BOB].troubles(), [Trouble::DishonestRelay]);
    let looks = bench[BOB].count(is_look);
    assert!((9..=13).contains(&looks), "{looks} looks in a minute");

    bench[BOB].honest();
    bench.pass(10);
    assert_eq!(bench[ALICE].heard(), ["for those inside"]);
    assert!(sealed_for(&bench, BOB).iter().all(|epoch| *epoch >= left_in));
}

/// Counts how often Bob rejoined.
fn came_back(bench: &Bench) -> usize {
    let troubles = bench[BOB].troubles().into_iter();
    troubles.filter(|trouble| *trouble == Trouble::Rejoined).count()
}

/// Bob's message is delivered, and Bob reports nothing about the relay.
fn bob_talks(bench: &mut Bench) {
    bench.says(BOB, "back", 60);
    assert_eq!(bench[ALICE].heard(), ["back"]);
    assert!(!bench[BOB].troubles().contains(&Trouble::DishonestRelay));
}

/// Bob is at the door for the second time; the reply to a proof from his earlier stay is still in
/// flight, and so is the reply to his join.
fn bob_waits_for_an_old_proof_and_a_new_join() -> Bench {
    let mut bench = Bench::with(2);
    bench[BOB].answers(|request, _| !(is_enter(request) || is_join(request)));
    bench.lapses(BOB);
    bench.sends_back(BOB);
    assert_eq!(bench[BOB].late.len(), 2);
    bench[BOB].forget();
    bench
}

#[test]
fn a_proof_answered_after_its_guest_went_back_to_the_door_changes_nothing() {
    for refusal in [None, Some(Refusal::NotAdmitted), Some(Refusal::Unavailable)] {
        let mut bench = bob_waits_for_an_old_proof_and_a_new_join();
        if let Some(refusal) = refusal {
            bench[BOB].late[0].1 = Err(refusal);
        }
        bench.late_answer_arrives(BOB);
        bench.pass(10);
        assert_eq!(bench[BOB].asked, []);
        assert_eq!(bench[BOB].machine.view().me, None, "inside too early");

        bench[BOB].honest();
        bench.late_answer_arrives(BOB);
        assert!(bench[BOB].is_online());
        assert_eq!(came_back(&bench), 1);
        bob_talks(&mut bench);
    }
}

/// Bob rejoined by the first of two joins, and has to go to the door once more. The reply to the
/// second join is still in flight.
fn bob_waits_to_knock_and_for_an_old_join() -> Bench {
    let mut bench = Bench::with(2);
    bench[BOB].answers(|request, _| !is_enter(request));
    bench.lapses(BOB);
    // Another request fails meanwhile, and is to be retried after a delay.
    bench[BOB].instead(once(is_read, Err(Refusal::Unavailable)));
    bench.lags(BOB);
    bench[BOB].answers(|request, _| !is_join(request));
    bench[BOB].late[0].1 = Err(Refusal::NotAdmitted);
    bench.late_answer_arrives(BOB);
    bench.pass(1);
    assert_eq!(bench[BOB].count(is_join), 2);
    bench[BOB].honest();
    bench.late_answer_arrives(BOB);
    assert!(bench[BOB].is_online());
    bench.sends_back(BOB);
    assert_eq!(bench[BOB].machine.view().me, None);
    bench
}

#[test]
fn a_join_answered_after_its_guest_went_back_to_the_door_changes_nothing() {
    let seq = Seq::new(1);
    for answer in [None, Some(Ok(Reply::Accepted { seq }))] {
        for knocked in [false, true] {
            let mut bench = bob_waits_to_knock_and_for_an_old_join();
            if let Some(answer) = answer.clone() {
                bench[BOB].late[0].1 = answer;
            }
            if knocked {
                bench[BOB].answers(|request, _| !is_join(request));
                bench.pass(1);
            }
            bench.late_answer_arrives(BOB);
            assert_eq!(bench[BOB].machine.view().me, None, "{answer:?}, {knocked}");
            bench[BOB].honest();
            if knocked {
                bench.late_answer_arrives(BOB);
            }
            bench.pass(1);
            assert!(bench[BOB].is_online());
            assert_eq!(came_back(&bench), 2);
            bob_talks(&mut bench);
        }
    }
}

#[test]
fn an_owner_proves_the_epoch_of_the_door_by_their_own_token_before_they_join() {
    for (who, proves) in [(ALICE, true), (BOB, false)] {
        let mut bench = Bench::with(2);
        bench.pass(5);
        let epoch = bench.relay.epoch();
        let secret = bench[who].machine.session().unwrap().owner_token().unwrap();
        // The member token is refused once, and so is the owner token's request for the current
        // epoch.
        bench[who].instead({
            let mut left = 1;
            move |request| {
                let enters = is_enter(request) && left > 0;
                left -= u32::from(enters);
                let refuses = enters || matches!(request, Request::Void { .. });
                refuses.then_some(Err(Refusal::NotAdmitted))
            }
        });
        bench[who].forget();
        bench.lapses(who);
        bench.pass(5);
        assert!(bench[who].is_online());
        let asked = &bench[who].asked;
        let joined = asked.iter().position(|(_, request)| is_join(request)).unwrap();
        let looked = asked.iter().position(|(_, request)| is_look(request)).unwrap();
        let proofs = asked[looked..joined].iter().filter(|(_, request)| {
            matches!(request, Request::Enter { epoch: of, member, .. }
                if *of == epoch && Some(member) == secret.as_ref())
        });
        assert_eq!(proofs.count(), usize::from(proves));
    }
}
