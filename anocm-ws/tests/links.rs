//! Links over real sockets, beyond the contract that all transports share.
#![cfg(all(feature = "client", feature = "server"))]
#![expect(
    clippy::cast_possible_truncation,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

mod common;

use anocm_core::{
    Payload,
    transport::{Closing, Link},
    wire::MAX_FRAME,
};
use anocm_ws::Timing;
use common::{Server, frame, pair, soon};
use futures_util::FutureExt;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn order_is_kept_under_load_both_ways_at_once() {
    const FRAMES: u32 = 3_000;
    async fn send(link: &dyn Link) {
        let frames: Vec<_> = (0..FRAMES).map(|n| numbered(n, 1_000)).collect();
        for some in frames.chunks(7) {
            link.send(some).await.unwrap();
        }
    }
    async fn receive(link: &dyn Link) {
        for n in 0..FRAMES {
            assert_eq!(link.recv().await, Ok(Some(numbered(n, 1_000))), "{n}");
        }
    }
    let (alice, bob) = pair().await;
    soon(async { tokio::join!(send(&*alice), receive(&*bob), send(&*bob), receive(&*alice)) })
        .await;
}

#[tokio::test]
async fn frames_of_several_senders_do_not_mix() {
    let (alice, bob) = pair().await;
    let batches: Vec<Vec<_>> =
        (0..20).map(|batch| (0..10).map(|n| numbered(batch * 10 + n, 20_000)).collect()).collect();
    let sends = futures_util::future::join_all(batches.iter().map(|batch| alice.send(batch)));
    let receive = async {
        let mut seen = Vec::new();
        for _ in 0..200 {
            let frame = bob.recv().await.unwrap().unwrap();
            seen.push(u32::from_be_bytes(frame[..4].try_into().unwrap()));
        }
        seen
    };
    let (_, seen) = soon(async { tokio::join!(sends, receive) }).await;
    for batch in seen.chunks(10) {
        let expected: Vec<u32> = (batch[0]..batch[0] + 10).collect();
        assert_eq!(batch, expected);
    }
}

#[tokio::test]
async fn every_reason_for_closing_reads_as_none() {
    let mut server = Server::start().await;
    for why in
        [Closing::Done, Closing::GoingAway, Closing::Protocol, Closing::TooLong, Closing::Timeout]
    {
        let (alice, bob) = server.pair(Timing::default()).await;
        let (_, received) = soon(async { tokio::join!(bob.close(why), alice.recv()) }).await;
        assert_eq!(received, Ok(None), "{why:?}");
    }
}

#[tokio::test]
async fn what_was_sent_before_a_close_arrives_first() {
    let (alice, bob) = pair().await;
    // Bob's frame is unread when Alice closes; a careless close would reset the connection.
    soon(bob.send(&[frame(5)])).await.unwrap();
    let frames: Vec<_> = (0..50).map(|n| numbered(n, 1_000)).collect();
    soon(alice.send(&frames)).await.unwrap();
    let receive = async {
        for frame in &frames {
            assert_eq!(bob.recv().await.as_ref(), Ok(&Some(frame.clone())));
        }
        assert_eq!(bob.recv().await, Ok(None));
    };
    soon(async { tokio::join!(alice.close(Closing::Done), receive) }).await;
    assert_eq!(soon(alice.recv()).await, Ok(None));
}

#[tokio::test]
async fn both_may_close_at_once() {
    let (alice, bob) = pair().await;
    let both = async { tokio::join!(alice.close(Closing::Done), bob.close(Closing::GoingAway)) };
    soon(both).await;
    assert_eq!(soon(alice.recv()).await, Ok(None));
    assert_eq!(soon(bob.recv()).await, Ok(None));
}

#[tokio::test]
async fn a_receiver_elsewhere_ends_when_the_link_is_closed() {
    let (alice, bob) = pair().await;
    let alice: std::sync::Arc<dyn Link> = alice.into();
    let receiver = tokio::spawn({
        let alice = std::sync::Arc::clone(&alice);
        async move { alice.recv().await }
    });
    let (_, received) = soon(async { tokio::join!(alice.close(Closing::Done), bob.recv()) }).await;
    assert_eq!(received, Ok(None));
    assert_eq!(soon(receiver).await.unwrap(), Ok(None));
}

#[tokio::test]
async fn dropping_a_link_closes_it() {
    for drops_client in [true, false] {
        let (alice, bob) = pair().await;
        let (dropped, kept) = if drops_client { (alice, bob) } else { (bob, alice) };
        soon(dropped.send(&[frame(9)])).await.unwrap();
        drop(dropped);
        assert_eq!(soon(kept.recv()).await, Ok(Some(frame(9))));
        assert_eq!(soon(kept.recv()).await, Ok(None));
    }
}

#[tokio::test]
async fn a_cancelled_send_leaves_whole_frames_and_a_working_link() {
    let (alice, bob) = pair().await;
    let frames: Vec<_> = (0..32).map(|n| numbered(n, MAX_FRAME)).collect();
    let mut send = Box::pin(alice.send(&frames));
    assert!((&mut send).now_or_never().is_none());
    drop(send);
    let last = [numbered(u32::MAX, 10)];
    let receive = async {
        let mut next = 0;
        loop {
            let frame = bob.recv().await.unwrap().unwrap();
            if frame == last[0] {
                break next;
            }
            assert_eq!(frame, numbered(next, MAX_FRAME));
            next += 1;
        }
    };
    let (sent, whole) = soon(async { tokio::join!(alice.send(&last), receive) }).await;
    sent.unwrap();
    assert!((1..32).contains(&whole), "{whole}");
}

#[tokio::test]
async fn the_rest_of_a_cancelled_send_goes_out_inside_recv() {
    let (alice, bob) = pair().await;
    let mut sent = 0;
    loop {
        let frame = [numbered(sent, MAX_FRAME)];
        sent += 1;
        // Blocked: its frame is in the queue, and may be partly written.
        if alice.send(&frame).now_or_never().is_none() {
            break;
        }
    }
    // In separate tasks, so that neither is polled because of the other.
    let bob = tokio::spawn(async move {
        for n in 0..sent {
            assert_eq!(bob.recv().await, Ok(Some(numbered(n, MAX_FRAME))));
        }
    });
    let alice = tokio::spawn(async move { alice.recv().await });
    soon(bob).await.unwrap();
    // Bob's link was dropped with his task.
    assert_eq!(soon(alice).await.unwrap(), Ok(None));
}

fn numbered(n: u32, length: usize) -> Payload {
    let mut bytes = vec![0x5a; length];
    bytes[..4].copy_from_slice(&n.to_be_bytes());
    Payload::from(bytes)
}
