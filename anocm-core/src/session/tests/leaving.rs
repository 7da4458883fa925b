use super::{forge::*, *};
use crate::session::{Departure, card::Stay};

fn stay(of: &Session) -> Stay {
    of.roster.by_key(of.key()).unwrap().1.stay
}

#[test]
fn any_member_carries_out_a_leave() {
    let (mut room, mut alice, mut bob, mut carol) = Room::of_three();
    let statement = alice.leave_statement().unwrap();
    let entry = room.seal(&mut alice, Content::Leaving(statement));
    let (_, content) = message(carol.open(&entry).unwrap());
    let Content::Leaving(statement) = content else {
        panic!("a leave statement was expected");
    };
    assert_eq!(statement.member(), alice.me());
    // Even the owner's leave, and by an ordinary member. No new invite is needed.
    let change = Change::CarryOut(vec![statement]);
    let applied = room.change(&mut carol, change, &mut [&mut bob, &mut alice]);
    assert_eq!(applied.departed[0].1, Departure::Left);
    assert!(!applied.invite_replaced && alice.is_removed());
    assert_eq!(names(&bob), ["Bob", "Carol"]);
    room.heard(&mut bob, &mut carol);
}

#[test]
fn several_leave_at_once() {
    let (mut room, mut alice, mut bob, mut carol) = Room::of_three();
    let statements = vec![
        bob.leave_statement().unwrap(),
        carol.leave_statement().unwrap(),
        bob.leave_statement().unwrap(),
    ];
    let change = Change::CarryOut(statements);
    let applied = room.change(&mut alice, change, &mut [&mut bob, &mut carol]);
    assert_eq!(applied.departed.len(), 2);
    assert_eq!(names(&alice), ["Alice"]);
    room.join("Dave", &mut [&mut alice]);
}

#[test]
fn a_statement_holds_in_every_later_epoch_of_the_stay() {
    let (mut room, mut alice, mut bob, mut carol) = Room::of_three();
    let statement = bob.leave_statement().unwrap();
    room.change(&mut alice, Change::Refresh, &mut [&mut bob, &mut carol]);
    room.change(&mut bob, Change::Rename(name("Bobby")), &mut [&mut alice, &mut carol]);
    let change = Change::CarryOut(vec![statement.clone()]);
    room.change(&mut carol, change, &mut [&mut alice]);
    // A statement has no effect once it has been carried out.
    assert_eq!(
        alice.propose(Change::CarryOut(vec![statement]), &mut room.rng),
        Err(SessionError::NoSuchMember)
    );
}

#[test]
fn a_statement_of_another_room_or_another_member_is_passed_over() {
    let (mut room, mut alice, bob, carol) = Room::of_three();
    let elsewhere =
        LeaveStatement::sign(&RoomAddress::new([6; 16]), &bob.identity, stay(&bob)).unwrap();
    let mut forged = postcard::to_allocvec(&carol.leave_statement().unwrap()).unwrap();
    forged[..16].copy_from_slice(bob.me().as_bytes());
    let forged: LeaveStatement = postcard::from_bytes(&forged).unwrap();
    assert_eq!(forged.member(), bob.me());
    let own = alice.leave_statement().unwrap();
    let change = Change::CarryOut(vec![elsewhere, forged, own]);
    assert_eq!(alice.propose(change, &mut room.rng), Err(SessionError::NoSuchMember));
    assert!(!alice.has_pending());
}

#[test]
fn a_leave_for_another_member_is_refused() {
    let (mut room, mut alice, mut bob, carol) = Room::of_three();
    let statement = carol.leave_statement().unwrap();
    let entry = room.seal(&mut bob, Content::Leaving(statement));
    assert_eq!(alice.open(&entry), Err(OpenError::RatchetSkipped));
    room.heard(&mut bob, &mut alice);
}

#[test]
fn a_statement_of_an_earlier_stay_removes_no_member() {
    let (mut room, mut alice, mut bob, mut carol) = Room::of_three();
    let before = bob.leave_statement().unwrap();
    // A change of the name, of keys, or of the room begins no other stay.
    room.change(&mut bob, Change::Rename(name("Bobby")), &mut [&mut alice, &mut carol]);
    assert_eq!(bob.leave_statement().unwrap(), before);
    let mut bob = room.rejoin(bob, &mut [&mut alice, &mut carol]);
    let now = bob.leave_statement().unwrap();
    assert!(now != before && now.member() == before.member());

    let change = Change::CarryOut(vec![before.clone()]);
    assert_eq!(alice.propose(change, &mut room.rng), Err(SessionError::NoSuchMember));
    let target = seat(&alice, &bob);
    let old = notice(vec![before.clone()], false);
    let entry = commit(&mut room, &mut carol, &old, handshakes(), |builder| {
        builder.propose_removals([target])
    });
    let refused = OpenError::Rejected { by: Some(carol.me()) };
    assert_eq!(alice.open(&entry), Err(refused));
    assert_eq!(bob.open(&entry), Err(refused));
    let entry = room.seal(&mut bob, Content::Leaving(before));
    assert_eq!(alice.open(&entry), Err(OpenError::RatchetSkipped));

    let change = Change::CarryOut(vec![now]);
    room.change(&mut alice, change, &mut [&mut carol]);
    assert_eq!(names(&alice), ["Alice", "Carol"]);
}
