//! Nothing is kept for longer than its room and its guests allow.

use super::{
    bench::{ALICE, BOB, Bench, keep},
    guest::is_publish,
};
use crate::{
    retention::{GuestRetention, Retention, RoomRetention},
    room::{Command, RoomEvent, Trouble},
    wire::{EntryKind, Request},
};

/// Returns the retention of the last message that the guest published.
fn asked_to_keep(bench: &Bench, who: usize) -> Retention {
    let mut publications = bench[who].asked.iter().rev();
    let asked = publications.find_map(|(_, request)| match request {
        Request::Publish { entry, next: None, .. } => Some(entry.retention),
        _ => None,
    });
    asked.unwrap()
}

const fn cap(cap: Retention) -> Command {
    Command::SetGuestRetention(GuestRetention { default: None, cap: Some(cap) })
}

#[test]
fn a_cap_set_while_a_message_waits_holds_for_it() {
    for strict in [keep(5), Retention::Live] {
        let mut bench = Bench::with(2);
        bench.cut(BOB);
        bench.says(BOB, "for an hour", 3_600);
        bench.does(BOB, cap(strict));
        bench[BOB].forget();
        bench.connects(BOB);
        assert_eq!(bench[ALICE].heard(), ["for an hour"]);
        assert_eq!(asked_to_keep(&bench, BOB), strict);
        // A looser one does not extend a message sent with a stricter retention.
        bench.says(BOB, "for two seconds", 2);
        assert_eq!(asked_to_keep(&bench, BOB), keep(2).min(strict));
    }
}

#[test]
fn a_room_made_stricter_while_a_message_waits_holds_for_it() {
    let mut bench = Bench::with(2);
    bench.cut(BOB);
    bench.says(BOB, "for an hour", 3_600);
    let strict = RoomRetention::new(Retention::Live, keep(5), keep(10)).unwrap();
    bench.does(ALICE, Command::SetRoomRetention(strict));
    bench[BOB].forget();
    bench.connects(BOB);
    assert_eq!(bench[ALICE].heard(), ["for an hour"]);
    assert_eq!(asked_to_keep(&bench, BOB), keep(10));
    assert_eq!(bench[BOB].count(is_publish), 1);
}

/// Alice sends custom content and a message, both kept for half a minute. Bob, to whom the relay
/// has sent nothing for longer than that, receives both with this age.
fn told_at_age(age: u64) -> Bench {
    let mut bench = Bench::with(2);
    bench.pass(50);
    bench[BOB].forget();
    bench[BOB].tells(move |item| {
        item.age = age;
        true
    });
    let (kind, body, retention) = (7, vec![7], Some(keep(30)));
    bench.does(ALICE, Command::Custom { kind, body, retention });
    bench.says(ALICE, "old?", 30);
    bench
}

fn heard_custom(bench: &Bench) -> bool {
    bench[BOB].events.iter().any(|event| matches!(event, RoomEvent::Custom { .. }))
}

#[test]
fn what_is_told_at_the_age_at_which_it_was_to_be_gone_is_not_shown() {
    let kept = u64::from(keep(30).as_millis());
    let bench = told_at_age(kept - 1);
    assert!(heard_custom(&bench));
    assert_eq!((bench[BOB].heard(), bench[BOB].troubles()), (vec!["old?"], vec![]));
    for age in [kept, u64::MAX] {
        let mut bench = told_at_age(age);
        assert!(!heard_custom(&bench));
        assert_eq!(bench[BOB].heard(), [""; 0]);
        bench[BOB].honest();
        bench.says(ALICE, "new", 3_600);
        assert_eq!(bench[BOB].heard(), ["new"]);
        // It is reported as missed, and no gap besides.
        let missed = Trouble::Missed { count: 1 };
        assert_eq!(bench[BOB].troubles(), [Trouble::DishonestRelay, missed, missed]);
    }
}

#[test]
fn a_commit_told_after_its_time_is_followed() {
    let mut bench = Bench::with(2);
    bench[BOB].tells(|item| {
        assert_eq!(item.entry.kind, EntryKind::Commit);
        item.age = u64::MAX;
        true
    });
    bench.does(ALICE, Command::Rename("Alicia".parse().unwrap()));
    assert_eq!(bench[BOB].machine.view().epoch, bench.relay.epoch());
    assert_eq!(bench[BOB].machine.view().members, bench[ALICE].machine.view().members);
    assert_eq!(bench[BOB].troubles(), [Trouble::DishonestRelay]);
    bench[BOB].honest();
    bench.says(ALICE, "followed", 60);
    assert_eq!(bench[BOB].heard(), ["followed"]);
}
