//! Delivery: what arrives, when, and what happens to clients that do not keep up.

use super::*;

/// A relay whose rate limits do not slow down a client that publishes a lot.
pub(super) fn generous() -> RelayConfig {
    let rate = |each| crate::relay::Rate { amount: each, period: SECOND, burst: each };
    RelayConfig { requests: rate(1_000_000), bytes: rate(1 << 40), ..RelayConfig::default() }
}

/// Reads until the log ends; returns the sequence numbers, and how far the last page reached.
async fn catch_up(guest: &mut Guest, mut after: u64) -> (Vec<u64>, u64) {
    let mut read = Vec::new();
    loop {
        let page = guest.read(after).await.unwrap();
        read.extend(places(&page));
        assert!(page.reaches.value() > after || !page.more);
        after = page.reaches.value();
        if !page.more {
            return (read, after);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_live_entry_is_delivered_and_never_stored() {
    let world = World::new();
    let mut alice = world.alice().await;
    let mut bob = world.member().await;
    assert_eq!(alice.say(0, Retention::Live).await, Ok(1));
    assert_eq!(bob.entry().await.seq, Seq::new(1));
    let page = bob.read(0).await.unwrap();
    assert!(page.items.is_empty() && !page.more);
    assert_eq!(page.reaches, Seq::new(1));
    assert!(world.kept().await.is_empty());
}

#[tokio::test(start_paused = true)]
async fn an_entry_is_gone_at_its_deadline_to_the_millisecond() {
    let world = World::new();
    let mut alice = world.alice().await;
    let clock = &world.clock;
    let accepted = crate::Clock::now(&**clock);
    assert_eq!(alice.say(0, kept(5 * SECOND)).await, Ok(1));
    let deadline = accepted.saturating_add(5 * SECOND);
    let before = deadline.saturating_sub(Duration::from_millis(1));
    crate::Clock::sleep_until(&**clock, before).await;
    let page = alice.read(0).await.unwrap();
    assert_eq!(page.items[0].age, 4_999);
    crate::Clock::sleep_until(&**clock, deadline).await;
    let page = alice.read(0).await.unwrap();
    assert!(page.items.is_empty());
    assert_eq!(page.reaches, Seq::new(1));
}

#[tokio::test(start_paused = true)]
async fn a_member_who_enters_amid_traffic_misses_nothing() {
    let world = World::with(generous());
    let mut alice = world.alice().await;
    let publishing = async {
        for _ in 0..300 {
            alice.say(0, kept(MINUTE)).await.unwrap();
            alice.events.clear();
        }
        alice
    };
    let watching = async {
        for n in 0..20 {
            for _ in 0..n {
                tokio::task::yield_now().await;
            }
            let mut bob = world.guest().await;
            let head = bob.enter(0).await.unwrap().head.value();
            assert!(bob.events.is_empty(), "told before it was admitted");
            let (read, reached) = catch_up(&mut bob, 0).await;
            assert_eq!(read, (1..=reached).collect::<Vec<_>>());
            assert!(reached >= head);
            // Events continue after the head that the reply named.
            for place in head + 1..=300.min(head + 5) {
                assert_eq!(bob.entry().await.seq.value(), place);
            }
        }
    };
    tokio::join!(publishing, watching);
}

#[tokio::test(start_paused = true)]
async fn a_slow_reader_lags_is_told_and_catches_up_with_nothing_lost() {
    let world = World::with(generous());
    let mut alice = world.alice().await;
    let mut bob = world.member().await;
    for _ in 0..1_000 {
        alice.say(0, kept(MINUTE)).await.unwrap();
        alice.events.clear();
    }
    let mut seen = 0;
    let after = loop {
        match bob.event().await {
            Event::Entry { item, .. } => {
                seen += 1;
                assert_eq!(item.seq.value(), seen);
            }
            Event::Lagging { address, after } => {
                assert_eq!(address, ROOM);
                break after.value();
            }
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(after, seen);
    assert!((60..900).contains(&seen), "lagged after {seen}");
    // The room is suspended until he reads, and he is notified only once.
    assert_eq!(alice.say(0, kept(MINUTE)).await, Ok(1_001));
    bob.hears_nothing().await;

    let page = bob.read(after).await.unwrap();
    assert!(page.more);
    assert_eq!(alice.say(0, kept(MINUTE)).await, Ok(1_002));
    bob.hears_nothing().await;
    let first = page.reaches.value();
    assert_eq!(places(&page), (after + 1..=first).collect::<Vec<_>>());
    let (read, reached) = catch_up(&mut bob, first).await;
    assert_eq!(read, (first + 1..=1_002).collect::<Vec<_>>());
    assert_eq!(reached, 1_002);
    assert_eq!(alice.say(0, kept(MINUTE)).await, Ok(1_003));
    assert_eq!(bob.entry().await.seq, Seq::new(1_003));
    bob.hears_nothing().await;
}

#[tokio::test(start_paused = true)]
async fn a_slow_reader_can_also_enter_again() {
    let world = World::with(generous());
    let mut alice = world.alice().await;
    let mut bob = world.member().await;
    for _ in 0..1_000 {
        alice.say(0, kept(MINUTE)).await.unwrap();
        alice.events.clear();
    }
    while !matches!(bob.event().await, Event::Lagging { .. }) {}
    assert_eq!(bob.enter(0).await.unwrap().head, Seq::new(1_000));
    assert_eq!(alice.say(0, kept(MINUTE)).await, Ok(1_001));
    assert_eq!(bob.entry().await.seq, Seq::new(1_001));
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_never_reads_is_closed_while_others_go_on() {
    let world = World::with(generous());
    let mut alice = world.alice().await;
    let mut bob = world.member().await;
    let mut carol = world.member().await;
    for place in 1..=1_000 {
        assert_eq!(alice.say(0, kept(MINUTE)).await, Ok(place));
        assert_eq!(alice.entry().await.seq.value(), place);
        assert_eq!(carol.entry().await.seq.value(), place);
    }
    assert_eq!(world.relay.connections().len(), 3);
    tokio::time::sleep(21 * SECOND).await;
    assert_eq!(world.relay.connections().len(), 2);
    let words = bob.last_words().await;
    assert!(words.len() < 200, "kept {} frames", words.len());
    assert_eq!(alice.say(0, kept(MINUTE)).await, Ok(1_001));
    assert_eq!(carol.entry().await.seq.value(), 1_001);
}

#[tokio::test(start_paused = true)]
async fn backpressure_stops_reading_requests_above_half_of_the_outbox() {
    let world = World::with(generous());
    let mut alice = world.alice().await;
    for _ in 0..300 {
        alice.say(0, kept(MINUTE)).await.unwrap();
    }
    // Each page is 256 kB; a few of them fill the outbox, and no more requests are read.
    let mut asked = 0;
    while tokio::time::timeout(MOMENT, alice.send(read(0))).await.is_ok() {
        asked += 1;
        assert!(asked < 1_000, "every request was taken");
    }
    let outbox = world.relay.connections().values().next().cloned();
    assert!(outbox.unwrap().queued_bytes() <= 3 * 300_000);
}

#[tokio::test(start_paused = true)]
async fn requests_are_read_again_as_soon_as_the_outbox_drains() {
    let world = World::with(generous());
    let mut alice = world.alice().await;
    let mut bob = world.member().await;
    let publish = || Request::Publish {
        address: ROOM,
        entry: entry(EntryKind::Message, 0, kept(MINUTE)),
        next: None,
    };
    // So much is queued for Bob that only the request that was already awaited is read from him.
    for _ in 0..280 {
        alice.say(0, kept(MINUTE)).await.unwrap();
    }
    bob.send(publish()).await;
    bob.send(publish()).await;
    tokio::time::sleep(MOMENT).await;
    assert_eq!(alice.say(0, kept(MINUTE)).await, Ok(282));
    // Once it is too much and dropped, his requests are read although he has received nothing.
    for _ in 0..150 {
        alice.say(0, kept(MINUTE)).await.unwrap();
    }
    assert_eq!(world.store.door(&ROOM).await.unwrap().head, Seq::new(433));
}

#[tokio::test(start_paused = true)]
async fn an_entry_that_expires_while_it_waits_is_not_sent() {
    let world = World::with(generous());
    let mut alice = world.alice().await;
    let mut bob = world.member().await;
    for _ in 0..200 {
        alice.say(0, kept(MINUTE)).await.unwrap();
    }
    let short = alice.say(0, kept(SECOND)).await.unwrap();
    let long = alice.say(0, kept(MINUTE)).await.unwrap();
    tokio::time::sleep(2 * SECOND).await;
    for place in 1..short {
        assert_eq!(bob.entry().await.seq.value(), place);
    }
    assert_eq!(bob.entry().await.seq.value(), long);
}

#[tokio::test(start_paused = true)]
async fn an_entry_that_expires_while_it_waits_is_not_kept_either() {
    let world = World::with(generous());
    let mut alice = world.alice().await;
    let mut bob = world.member().await;
    // Bob reads nothing, so everything that follows is queued until his connection is closed by the
    // write timeout.
    for _ in 0..200 {
        alice.say(0, kept(MINUTE)).await.unwrap();
    }
    let (_, outbox) =
        world.relay.connections().clone().into_iter().max_by_key(|&(id, _)| id).unwrap();
    while alice.entry().await.seq.value() < 200 {}
    let before = outbox.queued_bytes();
    let mut long = 0;
    for _ in 0..10 {
        for retention in [2 * SECOND, MINUTE] {
            let waiting = outbox.queued_bytes();
            alice.say(0, kept(retention)).await.unwrap();
            alice.entry().await;
            let more = outbox.queued_bytes() - waiting;
            assert!(more > 1_000);
            long += if retention == MINUTE { more } else { 0 };
        }
    }
    tokio::time::sleep(SECOND).await;
    alice.say(0, kept(SECOND)).await.unwrap();
    tokio::time::sleep(SECOND + MOMENT).await;
    assert_eq!(outbox.queued_bytes(), before + long);
    // The remaining entries arrive, each once and in order.
    for place in (1..=200).chain((202..=220).step_by(2)) {
        assert_eq!(bob.entry().await.seq.value(), place);
    }
    bob.hears_nothing().await;
}

#[tokio::test(start_paused = true)]
async fn two_relays_share_a_room_through_their_store() {
    let world = World::new();
    let other =
        Relay::new(world.store.clone(), world.clock.clone(), RelayConfig::default()).unwrap();
    let mut alice = world.alice().await;
    let mut bob = Guest::of(&other).await;
    assert_eq!(accepted(bob.ask(join(DOOR, 0)).await), Ok(1));
    bob.enter(1).await.unwrap();
    assert_eq!(alice.entry().await.seq, Seq::new(1));
    assert_eq!(alice.say(0, kept(MINUTE)).await, stale(1));
    alice.enter(1).await.unwrap();
    assert_eq!(alice.say(1, kept(MINUTE)).await, Ok(2));
    assert_eq!(bob.say(1, Retention::Live).await, Ok(3));
    for guest in [&mut alice, &mut bob] {
        assert_eq!(guest.entry().await.seq, Seq::new(2));
        assert_eq!(guest.entry().await.seq, Seq::new(3));
    }
    // The shutdown of one relay takes nothing from the other's clients.
    world.relay.shutdown(false).await;
    tokio::time::sleep(60 * MINUTE).await;
    assert_eq!(bob.say(1, kept(MINUTE)).await, Ok(4));
    assert_eq!(bob.ask(close(OWNER)).await, Ok(Reply::Done));
}

/// Receives until `all` entries are known, and reads the log where the room lags.
async fn listen(guest: &Guest, all: u64, ask: impl Fn(Request)) {
    let mut has = 0;
    while has < all {
        let frame = guest.link.recv().await.unwrap().unwrap();
        match decode(&frame, 2 * MAX_FRAME).unwrap() {
            RelayFrame::Event(Event::Entry { item, .. }) => {
                has += 1;
                assert_eq!(item.seq.value(), has);
            }
            RelayFrame::Event(Event::Lagging { after, .. }) => {
                assert_eq!(after.value(), has);
                ask(read(has));
            }
            RelayFrame::Reply { result, .. } => match result.unwrap() {
                Reply::Page(page) => {
                    assert_eq!(places(&page).len() as u64, page.reaches.value() - has);
                    has = page.reaches.value();
                    if page.more {
                        ask(read(has));
                    }
                }
                Reply::Accepted { .. } => {}
                other => panic!("{other:?}"),
            },
            other => panic!("{other:?}"),
        }
    }
}

/// Publishes a hundred messages as fast as it can, and receives meanwhile.
async fn chatter(guest: Guest, all: u64) {
    let (to, mut from) = tokio::sync::mpsc::unbounded_channel();
    let ask = move |request| {
        to.send(encode(&ClientFrame { id: 1, request })).unwrap();
    };
    for _ in 0..100 {
        ask(Request::Publish {
            address: ROOM,
            entry: entry(EntryKind::Message, 0, kept(MINUTE)),
            next: None,
        });
    }
    let asking = async {
        while let Some(frame) = from.recv().await {
            guest.link.send(&[frame]).await.unwrap();
        }
    };
    tokio::select! {
        () = listen(&guest, all, ask) => {}
        () = asking => panic!("the listener is still there"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_who_talk_at_once_all_hear_the_same() {
    let world = World::with(generous());
    let alice = world.alice().await;
    let mut guests = vec![alice];
    for _ in 1..12 {
        guests.push(world.member().await);
    }
    let all = guests.len() as u64 * 100;
    let talking: Vec<_> =
        guests.into_iter().map(|guest| tokio::spawn(chatter(guest, all))).collect();
    for talk in talking {
        talk.await.unwrap();
    }
    world.relay.shutdown(true).await;
    assert_eq!(world.relay.tasks.len(), 0);
}
