//! No input of one client harms another.

use proptest::prelude::*;

use super::*;
use crate::transport::{Closing, TransportError, TrySend};

#[tokio::test(start_paused = true)]
async fn a_malformed_frame_closes_its_own_connection_only() {
    let world = World::new();
    let mut alice = world.alice().await;
    let good = encode(&ClientFrame { id: 1, request: look(DOOR) });
    let trailing = [&good[..], &[0]].concat();
    let short = good[..good.len() - 1].to_vec();
    for bad in [vec![], vec![0xFF; 20], trailing, short] {
        let mut eve = world.member().await;
        eve.link.send(&[Payload::from(bad)]).await.unwrap();
        assert!(eve.last_words().await.is_empty());
        assert!(alice.say(0, kept(MINUTE)).await.is_ok());
    }
    assert_eq!(world.relay.connections().len(), 1);
    assert_eq!(world.kept().await, [1, 2, 3, 4]);
}

#[tokio::test(start_paused = true)]
async fn a_frame_above_the_limit_closes_the_connection() {
    let world = World::new();
    let mut eve = world.guest().await;
    let long = Payload::from(vec![0; MAX_FRAME + 1]);
    eve.link.send(&[long]).await.unwrap();
    assert!(eve.last_words().await.is_empty());
}

#[tokio::test(start_paused = true)]
async fn what_was_asked_before_a_malformed_frame_is_answered() {
    let world = World::new();
    let mut alice = world.alice().await;
    alice.send(read(0)).await;
    alice.link.send(&[Payload::from(vec![0xFF])]).await.unwrap();
    assert!(matches!(alice.frame().await, Some(RelayFrame::Reply { id: 2, .. })));
    assert_eq!(alice.frame().await, None);
}

#[tokio::test(start_paused = true)]
async fn a_dropped_serve_leaves_nothing_behind() {
    let world = World::new();
    let mut alice = world.alice().await;
    let (near, far) = crate::transport::pair();
    let relay = Arc::clone(&world.relay);
    let serving = tokio::spawn(async move { relay.serve(Box::new(far)).await });
    near.send(&[ClientHello::default().to_frame()]).await.unwrap();
    near.recv().await.unwrap().unwrap();
    let mut bob = Guest { link: Box::new(near), last_id: 0, events: VecDeque::new() };
    bob.enter(0).await.unwrap();
    assert_eq!(world.relay.connections().len(), 2);
    serving.abort();
    assert_eq!(bob.link.recv().await, Ok(None));
    assert_eq!(world.relay.connections().len(), 1);
    assert_eq!(alice.say(0, kept(MINUTE)).await, Ok(1));
    world.relay.shutdown(false).await;
}

/// A link on which no frame arrives and that never finishes closing.
struct Stuck;

#[async_trait::async_trait]
impl Link for Stuck {
    async fn send(&self, _: &[Payload]) -> Result<(), TransportError> {
        Ok(())
    }

    fn try_send(&self, frames: &[Payload]) -> TrySend {
        TrySend { accepted: frames.len(), pending: false }
    }

    async fn recv(&self) -> Result<Option<Payload>, TransportError> {
        std::future::pending().await
    }

    async fn close(&self, _: Closing) {
        std::future::pending().await
    }
}

#[tokio::test(start_paused = true)]
async fn a_link_that_never_finishes_to_close_holds_up_nothing() {
    for is_full in [false, true] {
        let world = World::with(RelayConfig { max_connections: 1, ..RelayConfig::default() });
        let _guest = if is_full { Some(world.guest().await) } else { None };
        let serving = world.relay.serve(Box::new(Stuck));
        tokio::time::timeout(MINUTE, serving).await.unwrap();
    }
}

fn any_bytes() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        prop::collection::vec(any::<u8>(), 0..200),
        // A frame that begins like a request.
        (0_u8..10, prop::collection::vec(any::<u8>(), 0..300)).prop_map(|(kind, rest)| {
            let mut frame = vec![1, kind];
            frame.extend_from_slice(ROOM.as_bytes());
            frame.extend(rest);
            frame
        }),
    ]
}

fn any_request() -> impl Strategy<Value = Request> {
    let byte = || prop_oneof![0_u8..5, Just(DOOR), Just(OWNER), any::<u8>()];
    let kind =
        prop_oneof![Just(EntryKind::Message), Just(EntryKind::Commit), Just(EntryKind::Join)];
    let made =
        (kind, 0_u8..5, 0_u64..4_000_000, 0_usize..3).prop_map(|(kind, epoch, life, size)| {
            let life = Duration::from_millis(life);
            let retention = Retention::keep(life).unwrap_or(policy().handshakes);
            Entry {
                sealed: Payload::from(vec![0; [1_000, 4_000, 7][size]]),
                ..entry(kind, epoch, retention)
            }
        });
    prop_oneof![
        Just(create(ROOM, policy())),
        byte().prop_map(look),
        (byte(), 0_u8..5).prop_map(|(door, epoch)| join(door, epoch)),
        (0_u8..5, byte()).prop_map(|(epoch, member)| enter(epoch, member)),
        (0_u8..5).prop_map(|epoch| enter(epoch, epoch)),
        any::<u64>().prop_map(read),
        (0_u64..10).prop_map(read),
        (made, prop::option::of(0_u8..5)).prop_map(|(entry, mark)| Request::Publish {
            address: ROOM,
            entry,
            next: mark.map(next),
        }),
        (byte(), 0_u64..10, 0_u8..5).prop_map(|(owner, seq, epoch)| void(owner, seq, epoch)),
        Just(close(0x99)),
        Just(Request::Detach { address: ROOM }),
    ]
}

fn paused() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn no_bytes_harm_the_room(frames in prop::collection::vec(any_bytes(), 1..20)) {
        paused().block_on(async {
            let world = World::new();
            let mut alice = world.alice().await;
            for frame in frames {
                // As a hello, and after a valid one.
                let link = world.relay.transport().connect().await.unwrap();
                link.send(&[Payload::from(frame.clone())]).await.unwrap();
                let eve = world.member().await;
                eve.link.send(&[Payload::from(frame)]).await.unwrap();
            }
            assert!(alice.say(0, kept(MINUTE)).await.is_ok());
            world.relay.shutdown(true).await;
        });
    }

    /// Every request gets exactly one reply, whatever it is; and the sequence numbers that a
    /// subscriber receives increase without a gap.
    #[test]
    fn every_request_has_one_answer(requests in prop::collection::vec(any_request(), 1..60)) {
        paused().block_on(async {
            let world = World::new();
            let mut alice = world.alice().await;
            let mut bob = world.guest().await;
            for request in requests {
                // `ask` checks the id of the reply.
                let _ = bob.ask(request).await;
            }
            let mut last = 0;
            while let Ok(frame) = tokio::time::timeout(MOMENT, alice.frame()).await {
                match frame {
                    Some(RelayFrame::Event(Event::Entry { item, .. })) => {
                        last += 1;
                        assert_eq!(item.seq.value(), last);
                    }
                    Some(RelayFrame::Event(Event::Voided { .. })) => {}
                    // Bob published a commit whose epoch Alice did not prove, or voided the one
                    // that she had.
                    Some(RelayFrame::Event(Event::Lapsed { .. })) => break,
                    other => panic!("{other:?}"),
                }
            }
            world.relay.shutdown(true).await;
        });
    }
}
