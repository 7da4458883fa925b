//! What a proven epoch gives access to, and for how long.

use super::*;

/// A room with this log: 1 message, 2 commit, 3 message, 4 commit, 5 message.
async fn three_epochs(world: &World) -> Guest {
    let mut alice = world.alice().await;
    for epoch in 0..3 {
        alice.say(epoch, kept(MINUTE)).await.unwrap();
        if epoch < 2 {
            alice.commit(epoch).await.unwrap();
            alice.enter(epoch + 1).await.unwrap();
        }
    }
    alice
}

#[tokio::test(start_paused = true)]
async fn a_past_epoch_opens_the_log_up_to_its_end() {
    let world = World::new();
    let _alice = three_epochs(&world).await;
    let mut bob = world.guest().await;
    let opens = [(0, 0, &[1, 2][..]), (1, 2, &[1, 2, 3, 4]), (2, 4, &[1, 2, 3, 4, 5])];
    for (epoch, began, opened) in opens {
        let entered = bob.enter(epoch).await.unwrap();
        assert_eq!(entered.current, Epoch::new(2));
        assert_eq!((entered.began, entered.head), (Seq::new(began), Seq::new(5)));
        let page = bob.read(0).await.unwrap();
        assert_eq!(places(&page), opened);
        assert_eq!(page.reaches.value(), opened[opened.len() - 1]);
        assert!(!page.more);
    }
}

#[tokio::test(start_paused = true)]
async fn a_lower_epoch_takes_nothing_from_a_higher_one() {
    let world = World::new();
    let mut alice = three_epochs(&world).await;
    assert!(alice.enter(0).await.is_ok());
    assert_eq!(places(&alice.read(0).await.unwrap()), [1, 2, 3, 4, 5]);
    assert_eq!(alice.say(2, kept(MINUTE)).await, Ok(6));
}

#[tokio::test(start_paused = true)]
async fn a_member_in_a_past_epoch_gets_stale() {
    let world = World::new();
    let mut alice = three_epochs(&world).await;
    assert_eq!(alice.say(1, kept(MINUTE)).await, stale(2));
    assert_eq!(alice.say(3, kept(MINUTE)).await, stale(2));
    let mut bob = world.guest().await;
    bob.enter(1).await.unwrap();
    assert_eq!(bob.say(1, kept(MINUTE)).await, stale(2));
    assert_eq!(bob.commit(1).await, stale(2));
    // The current epoch was not proven.
    assert_eq!(bob.say(2, kept(MINUTE)).await, Err(Refusal::NotAdmitted));
    assert_eq!(bob.commit(2).await, Err(Refusal::NotAdmitted));
    assert_eq!(world.kept().await, [1, 2, 3, 4, 5]);
}

#[tokio::test(start_paused = true)]
async fn an_unproven_epoch_expires_after_the_grace() {
    let world = World::new();
    let mut alice = world.alice().await;
    let mut bob = world.member().await;
    assert_eq!(alice.commit(0).await, Ok(1));
    alice.enter(1).await.unwrap();
    assert_eq!(bob.entry().await.seq, Seq::new(1));

    tokio::time::sleep(10 * SECOND - Duration::from_millis(5)).await;
    assert_eq!(alice.say(1, kept(MINUTE)).await, Ok(2));
    assert_eq!(bob.entry().await.seq, Seq::new(2));
    bob.hears_nothing().await;
    tokio::time::sleep(Duration::from_millis(10)).await;
    assert_eq!(bob.event().await, Event::Lapsed { address: ROOM });

    assert_eq!(alice.say(1, kept(MINUTE)).await, Ok(3));
    bob.hears_nothing().await;
    let page = bob.read(0).await.unwrap();
    assert_eq!((places(&page), page.reaches, page.more), (vec![1], Seq::new(1), false));
    assert_eq!(bob.say(0, kept(MINUTE)).await, stale(1));

    // Alice has proven it and continues; so can Bob.
    let heard = [alice.entry().await, alice.entry().await, alice.entry().await];
    assert_eq!(heard.map(|item| item.seq.value()), [1, 2, 3]);
    alice.hears_nothing().await;
    assert_eq!(bob.enter(1).await.unwrap().head, Seq::new(3));
    assert_eq!(alice.say(1, kept(MINUTE)).await, Ok(4));
    assert_eq!(bob.entry().await.seq, Seq::new(4));
}

#[tokio::test(start_paused = true)]
async fn the_grace_runs_from_the_end_of_the_proven_epoch() {
    let world = World::new();
    let mut alice = world.alice().await;
    let mut bob = world.member().await;
    alice.commit(0).await.unwrap();
    alice.enter(1).await.unwrap();
    tokio::time::sleep(6 * SECOND).await;
    alice.commit(1).await.unwrap();
    alice.enter(2).await.unwrap();
    // Bob proves one epoch of two: he has ten seconds from the second commit.
    bob.enter(1).await.unwrap();
    tokio::time::sleep(6 * SECOND).await;
    assert_eq!(bob.entry().await.seq, Seq::new(1));
    assert_eq!(bob.entry().await.seq, Seq::new(2));
    bob.hears_nothing().await;
    tokio::time::sleep(4 * SECOND).await;
    assert_eq!(bob.event().await, Event::Lapsed { address: ROOM });
}

#[tokio::test(start_paused = true)]
async fn a_voided_commit_is_taken_back_for_everyone() {
    let world = World::new();
    let mut alice = world.alice().await;
    let mut bob = world.member().await;
    let mut eve = world.guest().await;
    assert_eq!(accepted(eve.ask(join(DOOR, 0)).await), Ok(1));
    eve.enter(1).await.unwrap();
    assert_eq!(eve.say(1, kept(MINUTE)).await, Ok(2));
    assert_eq!(alice.ask(void(OWNER, 1, 0)).await, Ok(Reply::Done));

    let back = Event::Voided { address: ROOM, seq: Seq::new(1), epoch: Epoch::FIRST };
    for guest in [&mut alice, &mut bob] {
        assert_eq!(guest.entry().await.seq, Seq::new(1));
        assert_eq!(guest.entry().await.seq, Seq::new(2));
        assert_eq!(guest.event().await, back);
    }
    assert_eq!(eve.entry().await.seq, Seq::new(2));
    assert_eq!(eve.event().await, back);
    assert_eq!(eve.event().await, Event::Lapsed { address: ROOM });

    // The room continues, and no subscription lapses for not having proven the voided epoch.
    tokio::time::sleep(20 * SECOND).await;
    assert_eq!(bob.say(0, kept(MINUTE)).await, Ok(3));
    assert_eq!(alice.entry().await.seq, Seq::new(3));
    assert_eq!(bob.entry().await.seq, Seq::new(3));
    eve.hears_nothing().await;
    assert_eq!(eve.say(0, kept(MINUTE)).await, Err(Refusal::NotAdmitted));
    assert_eq!(eve.read(0).await, Err(Refusal::NotAdmitted));
    assert_eq!(places(&bob.read(0).await.unwrap()), [3]);
}

#[tokio::test(start_paused = true)]
async fn a_proof_of_a_voided_epoch_does_not_open_the_one_in_its_place() {
    let world = World::new();
    let mut alice = world.alice().await;
    let mut eve = world.guest().await;
    let mut theirs = join(DOOR, 0);
    if let Request::Join { next, .. } = &mut theirs {
        next.member = token(0x66).hash();
    }
    assert_eq!(accepted(eve.ask(theirs).await), Ok(1));
    assert!(eve.ask(enter(1, 0x66)).await.is_ok());
    assert_eq!(alice.ask(void(OWNER, 1, 0)).await, Ok(Reply::Done));
    assert_eq!(alice.commit(0).await, Ok(2));
    assert_eq!(eve.say(1, kept(MINUTE)).await, Err(Refusal::NotAdmitted));
    assert_eq!(eve.read(0).await, Err(Refusal::NotAdmitted));
    assert_eq!(eve.ask(enter(1, 0x66)).await, Err(Refusal::NotAdmitted));
    assert_eq!(world.kept().await, [2]);
}

#[tokio::test(start_paused = true)]
async fn a_member_who_proved_a_voided_epoch_stands_in_the_one_before() {
    let world = World::new();
    let mut alice = world.alice().await;
    let mut bob = world.member().await;
    assert_eq!(alice.commit(0).await, Ok(1));
    bob.enter(1).await.unwrap();
    assert_eq!(alice.ask(void(OWNER, 1, 0)).await, Ok(Reply::Done));
    assert_eq!(alice.ask(void(OWNER, 1, 0)).await, stale(0));
    assert_eq!(bob.say(0, kept(MINUTE)).await, Ok(2));
    assert_eq!(alice.say(0, kept(MINUTE)).await, Ok(3));
    assert_eq!(bob.entry().await.seq, Seq::new(1));
    assert!(matches!(bob.event().await, Event::Voided { .. }));
    assert_eq!(bob.entry().await.seq, Seq::new(2));
    assert_eq!(bob.entry().await.seq, Seq::new(3));
}
