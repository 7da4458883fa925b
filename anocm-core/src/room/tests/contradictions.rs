//! A log that contradicts itself: shorter than before, one sequence number used twice, a false
//! commit.

use super::{
    bench::{ALICE, BOB, Bench},
    guest::{Answer, is_read},
};
use crate::{
    id::{MessageId, Seq},
    room::{Command, RoomEvent, Trouble},
    secret::Payload,
    wire::{LogItem, Reply, Request},
};

fn history(bench: &Bench, who: usize) -> Vec<MessageId> {
    bench[who].machine.history().map(|message| message.id).collect()
}

#[test]
fn a_log_that_became_shorter_is_followed_from_where_it_ends() {
    let mut bench = Bench::with(2);
    let end = bench.relay.head();
    for text in ["one", "two", "three"] {
        bench.says(ALICE, text, 3_600);
    }
    bench.forgets_after(end);
    for who in [ALICE, BOB] {
        bench.lapses(who);
        assert_eq!(bench[who].troubles(), [Trouble::DishonestRelay]);
    }
    bench.says(ALICE, "next", 3_600);
    bench.says(BOB, "answer", 3_600);
    for who in [ALICE, BOB] {
        assert_eq!(bench[who].heard(), ["one", "two", "three", "next", "answer"]);
        assert!(bench[who].is_online());
    }
}

#[test]
fn of_two_messages_told_at_one_place_one_is_kept_and_the_other_expires() {
    let mut bench = Bench::with(2);
    let one = bench.says(ALICE, "one", 10);
    let place = bench.relay.head();
    bench[BOB].answers(move |_, answer| {
        if let Ok(Reply::Entered(entered)) = answer {
            entered.head = place.before();
        }
        true
    });
    bench.lapses(BOB);
    bench[BOB].tells(move |item| {
        item.seq = place;
        true
    });
    let two = bench.says(ALICE, "two", 60);
    assert_eq!(bench[BOB].heard(), ["one", "two"]);
    assert_eq!(bench[BOB].screen(), [two]);
    assert_eq!(history(&bench, BOB), [two]);
    // The expiry of the first message does not apply to the second.
    bench[BOB].tells(|_| false);
    bench.pass(11);
    assert_eq!(bench[ALICE].screen(), [two]);
    assert_eq!((bench[BOB].screen(), history(&bench, BOB)), (vec![two], vec![two]));
    assert_ne!(one, two);
    bench.pass(50);
    assert_eq!((bench[BOB].screen(), history(&bench, BOB)), (vec![], vec![]));
}

/// Bob receives another entry at `place`.
fn alter(bench: &mut Bench, place: Seq) {
    let alter = move |item: &mut LogItem| {
        if item.seq == place {
            let mut sealed = item.entry.sealed.to_vec();
            sealed[500] ^= 1;
            item.entry.sealed = Payload::from(sealed);
        }
    };
    bench[BOB].answers(move |_, answer: &mut Answer| {
        if let Ok(Reply::Page(page)) = answer {
            page.items.iter_mut().for_each(alter);
        }
        true
    });
    bench[BOB].tells(move |item| {
        alter(item);
        true
    });
}

#[test]
fn where_a_commit_does_not_open_is_read_again_until_the_true_one_is_shown() {
    let mut bench = Bench::with(2);
    let place = bench.relay.head().next();
    alter(&mut bench, place);
    bench.does(ALICE, Command::Rename("Alicia".parse().unwrap()));
    bench.says(ALICE, "after that", 3_600);
    assert_eq!(bench[BOB].troubles(), [Trouble::Broken { by: None }]);
    bench[BOB].forget();
    bench.pass(300);
    let again = bench[BOB].count(
        |request| matches!(request, Request::Read { after, .. } if *after == place.before()),
    );
    assert!((10..=60).contains(&again), "read {again} times in five minutes");
    assert_eq!(bench[BOB].count(is_read), again);
    assert!(bench[BOB].machine.view().broken);

    bench[BOB].honest();
    bench.pass(20);
    let recovered = |event: &RoomEvent| matches!(event, RoomEvent::Recovered);
    assert!(bench[BOB].events.iter().any(recovered));
    assert_eq!(bench[BOB].machine.view().members, bench[ALICE].machine.view().members);
    assert_eq!(bench[BOB].heard(), ["after that"]);
    bench.says(BOB, "recovered", 60);
    assert!(bench[ALICE].heard().contains(&"recovered"));
}

#[test]
fn an_entry_of_no_lawful_size_is_not_taken_in() {
    let mut bench = Bench::with(2);
    bench[BOB].tells(|item| {
        item.entry.sealed = Payload::from(vec![6; 1_000_000]);
        true
    });
    bench.says(ALICE, "one", 60);
    assert_eq!(bench[BOB].troubles(), [Trouble::DishonestRelay]);
    bench[BOB].honest();
    bench.pass(10);
    assert_eq!(bench[BOB].heard(), ["one"]);
}
