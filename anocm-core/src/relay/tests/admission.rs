//! Authorization of requests.

use super::*;

#[tokio::test(start_paused = true)]
async fn the_hello_names_version_and_posture() {
    let world = World::new();
    world.store.state_posture(crate::wire::Posture::Kept);
    let link = world.relay.transport().connect().await.unwrap();
    link.send(&[ClientHello::default().to_frame()]).await.unwrap();
    let hello = RelayHello::from_frame(&link.recv().await.unwrap().unwrap());
    let posture = crate::wire::Posture::Kept;
    assert_eq!(hello, Ok(RelayHello::Welcome { version: 1, posture }));
}

#[tokio::test(start_paused = true)]
async fn a_client_of_another_version_is_told_and_closed() {
    let world = World::new();
    let link = world.relay.transport().connect().await.unwrap();
    let hello = ClientHello { oldest: 2, newest: 3 };
    link.send(&[hello.to_frame()]).await.unwrap();
    let answer = RelayHello::from_frame(&link.recv().await.unwrap().unwrap()).unwrap();
    assert!(matches!(answer, RelayHello::Unsupported { .. }));
    assert_eq!(link.recv().await, Ok(None));
}

#[tokio::test(start_paused = true)]
async fn the_creator_of_a_room_watches_it() {
    let world = World::new();
    let mut alice = world.alice().await;
    assert_eq!(alice.say(0, kept(MINUTE)).await, Ok(1));
    assert_eq!(alice.entry().await.seq, Seq::new(1));
    assert_eq!(alice.say(0, Retention::Live).await, Ok(2));
    assert_eq!(alice.entry().await.seq, Seq::new(2));
}

#[tokio::test(start_paused = true)]
async fn an_address_in_use_is_refused() {
    let world = World::new();
    let mut alice = world.alice().await;
    let mut bob = world.guest().await;
    let refused = bob.ask(create(ROOM, policy())).await;
    assert_eq!(refused, Err(Refusal::AddressInUse));
    assert_eq!(bob.say(0, kept(MINUTE)).await, Err(Refusal::NotAdmitted));
    assert_eq!(alice.say(0, kept(MINUTE)).await, Ok(1));
}

#[tokio::test(start_paused = true)]
async fn a_guest_looks_joins_and_enters() {
    let world = World::new();
    let mut alice = world.alice().await;
    let mut bob = world.guest().await;
    let Ok(Reply::Door(door)) = bob.ask(look(DOOR)).await else {
        panic!("no door");
    };
    assert_eq!((door.address, door.epoch), (ROOM, Epoch::FIRST));
    assert_eq!((door.group_info, door.policy), (next(0).group_info, policy()));
    assert_eq!(accepted(bob.ask(join(DOOR, 0)).await), Ok(1));
    // A join alone proves nothing yet.
    assert_eq!(bob.say(1, kept(MINUTE)).await, Err(Refusal::NotAdmitted));
    let entered = bob.enter(1).await.unwrap();
    assert_eq!(entered.current, Epoch::new(1));
    assert_eq!((entered.began, entered.head), (Seq::new(1), Seq::new(1)));
    assert_eq!(bob.say(1, kept(MINUTE)).await, Ok(2));

    let joined = alice.entry().await;
    assert_eq!((joined.seq, joined.entry.kind), (Seq::new(1), EntryKind::Join));
    assert_eq!(alice.entry().await.seq, Seq::new(2));
    assert_eq!(bob.entry().await.seq, Seq::new(2));
}

#[tokio::test(start_paused = true)]
async fn wrong_tokens_open_nothing() {
    let world = World::new();
    let mut alice = world.alice().await;
    assert_eq!(alice.commit(0).await, Ok(1));
    assert_eq!(alice.entry().await.seq, Seq::new(1));
    let before = world.store.door(&ROOM).await;
    let mut eve = world.guest().await;
    for wrong in [0x11, 0, 1, OWNER] {
        assert_eq!(eve.ask(look(wrong)).await, Err(Refusal::NotAdmitted));
        assert_eq!(eve.ask(join(wrong, 1)).await, Err(Refusal::NotAdmitted));
    }
    for wrong in [0x11, 0, 1, DOOR] {
        assert_eq!(eve.ask(void(wrong, 1, 0)).await, Err(Refusal::NotAdmitted));
        assert_eq!(eve.ask(close(wrong)).await, Err(Refusal::NotAdmitted));
    }
    // A member token admits to its own epoch and to no other, the owner token to the current one.
    for (epoch, wrong) in [(0, 1), (1, 0), (2, 2), (1, DOOR), (0, OWNER), (2, OWNER)] {
        let refused = eve.ask(enter(epoch, wrong)).await;
        assert_eq!(refused, Err(Refusal::NotAdmitted));
    }
    assert_eq!(eve.read(0).await, Err(Refusal::NotAdmitted));
    assert_eq!(world.store.door(&ROOM).await, before);
    alice.hears_nothing().await;
    eve.hears_nothing().await;
}

#[tokio::test(start_paused = true)]
async fn the_owner_gets_in_whatever_hash_a_commit_brought() {
    let world = World::new();
    let mut alice = world.alice().await;
    assert_eq!(alice.commit(0).await, Ok(1));
    let mut owner = world.guest().await;
    assert!(owner.ask(enter(1, OWNER)).await.is_ok());
    assert_eq!(owner.say(1, kept(MINUTE)).await, Ok(2));
    assert_eq!(owner.commit(1).await, Ok(3));
}

#[tokio::test(start_paused = true)]
async fn what_an_outsider_publishes_is_neither_stored_nor_told() {
    let world = World::new();
    let mut alice = world.alice().await;
    let mut eve = world.guest().await;
    for retention in [kept(MINUTE), Retention::Live] {
        for epoch in [0, 1] {
            let refused = eve.say(epoch, retention).await;
            assert_eq!(refused, Err(Refusal::NotAdmitted));
        }
    }
    assert_eq!(eve.commit(0).await, Err(Refusal::NotAdmitted));
    assert!(world.kept().await.is_empty());
    assert_eq!(world.store.door(&ROOM).await.unwrap().head, Seq::START);
    alice.hears_nothing().await;
}

#[tokio::test(start_paused = true)]
async fn of_a_room_that_is_not_there_nothing_can_be_had() {
    let world = World::new();
    let mut bob = world.guest().await;
    for request in [look(DOOR), join(DOOR, 0), enter(0, 0), void(OWNER, 1, 0), close(OWNER)] {
        assert_eq!(bob.ask(request).await, Err(Refusal::NoSuchRoom));
    }
    // Without a proof a connection does not learn that the room is gone.
    assert_eq!(bob.read(0).await, Err(Refusal::NotAdmitted));
    assert_eq!(bob.say(0, kept(MINUTE)).await, Err(Refusal::NotAdmitted));
    let detach = Request::Detach { address: ROOM };
    assert_eq!(bob.ask(detach).await, Ok(Reply::Done));
}

#[tokio::test(start_paused = true)]
async fn of_two_joins_for_one_epoch_one_is_stale() {
    let world = World::new();
    let mut alice = world.alice().await;
    let mut bob = world.guest().await;
    let mut carol = world.guest().await;
    assert_eq!(accepted(bob.ask(join(DOOR, 0)).await), Ok(1));
    assert_eq!(accepted(carol.ask(join(DOOR, 0)).await), stale(1));
    assert_eq!(accepted(carol.ask(join(DOOR, 1)).await), Ok(2));
    assert_eq!(alice.commit(0).await, stale(2));
}

#[tokio::test(start_paused = true)]
async fn a_guest_cannot_change_the_door() {
    let world = World::new();
    let _alice = world.alice().await;
    let mut eve = world.guest().await;
    let mut request = join(DOOR, 0);
    if let Request::Join { next, .. } = &mut request {
        next.door = token(0x66).hash();
    }
    assert_eq!(eve.ask(request).await, Err(Refusal::Unlawful));
    assert!(world.kept().await.is_empty());
}

#[tokio::test(start_paused = true)]
async fn unlawful_entries_are_refused() {
    let world = World::new();
    let mut alice = world.alice().await;
    let message = || entry(EntryKind::Message, 0, kept(MINUTE));
    let commit = || entry(EntryKind::Commit, 0, policy().handshakes);
    let join = || entry(EntryKind::Join, 0, policy().handshakes);
    let odd = |mut entry: Entry| {
        entry.sealed = Payload::from(vec![0; 1_001]);
        entry
    };
    let mut odd_door = next(1);
    odd_door.group_info = Payload::from(vec![0; 999]);
    let mut hasty = commit();
    hasty.retention = kept(MINUTE);
    for (entry, next) in [
        (message(), Some(next(1))),
        (commit(), None),
        (join(), None),
        (join(), Some(next(1))),
        (odd(message()), None),
        (odd(commit()), Some(next(1))),
        (commit(), Some(odd_door.clone())),
        (hasty, Some(next(1))),
    ] {
        assert_eq!(alice.publish(entry, next).await, Err(Refusal::Unlawful));
    }
    for (entry, next) in [
        (message(), next(1)),
        (commit(), next(1)),
        (odd(join()), next(1)),
        (join(), odd_door.clone()),
    ] {
        let request = Request::Join { address: ROOM, door: token(DOOR), entry, next };
        assert_eq!(alice.ask(request).await, Err(Refusal::Unlawful));
    }
    let mut request = void(OWNER, 1, 0);
    if let Request::Void { restored, .. } = &mut request {
        *restored = odd_door;
    }
    assert_eq!(alice.ask(request).await, Err(Refusal::Unlawful));
    assert!(world.kept().await.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_message_above_the_largest_retention_is_refused() {
    let world = World::new();
    let mut alice = world.alice().await;
    let largest = policy().max_retention;
    assert_eq!(alice.say(0, largest).await, Ok(1));
    let longer = kept(largest.lifetime() + Duration::from_millis(1));
    let refused = alice.say(0, longer).await;
    assert_eq!(refused, Err(Refusal::RetentionTooLong { max: largest }));
    assert_eq!(world.kept().await, [1]);
}

#[tokio::test(start_paused = true)]
async fn a_policy_beyond_the_relays_limits_is_refused() {
    let world = World::with(RelayConfig {
        policy: crate::relay::PolicyLimits {
            max_retention: kept(60 * MINUTE),
            linger: 2 * MINUTE,
            max_age: 7 * 24 * 60 * MINUTE,
            max_entries: 10_000,
            max_bytes: 32_000_000,
        },
        ..RelayConfig::default()
    });
    let mut alice = world.guest().await;
    let refused =
        alice.ask(create(ROOM, Policy { max_retention: kept(61 * MINUTE), ..policy() })).await;
    assert_eq!(refused, Err(Refusal::RetentionTooLong { max: kept(60 * MINUTE) }));
    let changes: [fn(&mut Policy); 10] = [
        |policy| policy.handshakes = kept(61 * MINUTE),
        |policy| policy.handshakes = Retention::Live,
        |policy| policy.linger += 1,
        |policy| policy.linger = 0,
        |policy| policy.max_age += 1,
        |policy| policy.max_age = 0,
        |policy| policy.max_entries += 1,
        |policy| policy.max_entries = 0,
        |policy| policy.max_bytes += 1,
        |policy| policy.max_bytes = 0,
    ];
    for change in changes {
        let mut beyond = policy();
        change(&mut beyond);
        let refused = alice.ask(create(ROOM, beyond)).await;
        assert_eq!(refused, Err(Refusal::Unlawful));
    }
    let mut odd = create(ROOM, policy());
    if let Request::Create { genesis, .. } = &mut odd {
        genesis.first.group_info = Payload::from(vec![0; 5]);
    }
    assert_eq!(alice.ask(odd).await, Err(Refusal::Unlawful));
    assert_eq!(alice.ask(create(ROOM, policy())).await, Ok(Reply::Done));
}

#[tokio::test(start_paused = true)]
async fn a_relay_that_only_passes_on_keeps_commits_for_a_while() {
    let policy_limits = crate::relay::PolicyLimits {
        max_retention: Retention::Live,
        ..crate::relay::PolicyLimits::default()
    };
    let world = World::with(RelayConfig { policy: policy_limits, ..RelayConfig::default() });
    let mut alice = world.guest().await;
    let live = |handshakes| Policy { max_retention: Retention::Live, handshakes, ..policy() };
    let longer = create(ROOM, live(kept(11 * MINUTE)));
    assert_eq!(alice.ask(longer).await, Err(Refusal::Unlawful));
    assert_eq!(alice.ask(create(ROOM, live(kept(10 * MINUTE)))).await, Ok(Reply::Done));
    assert!(alice.say(0, kept(SECOND)).await.is_err());
    assert_eq!(alice.say(0, Retention::Live).await, Ok(1));
}
