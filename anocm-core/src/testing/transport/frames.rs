//! Contract 2, 8, 9 and 11: frames arrive whole and without loss, and none that is too long
//! arrives.

use std::sync::Arc;

use super::{
    TransportFactory,
    kit::{frames, link, next, send, soon, unless_stuck},
};
use crate::{
    secret::Payload,
    testing::parallel::on_threads,
    transport::{Link, TransportError, TrySend},
    wire::MAX_FRAME,
};

/// Contract 2.
pub async fn contract_02_frames_arrive_whole_once_and_in_order(factory: &dyn TransportFactory) {
    let (near, far) = link(factory).await;
    let sizes = [1, 0, 125, 126, 65_535, 65_536, 300_000, MAX_FRAME, 7];
    let frames: Vec<Payload> =
        sizes.iter().zip(1_u8..).map(|(&size, mark)| Payload::from(vec![mark; size])).collect();
    for (from, to) in [(&near, &far), (&far, &near)] {
        let sending = async {
            // All in one call, and then again one by one.
            assert_eq!(from.send(&frames).await, Ok(()));
            for frame in &frames {
                assert_eq!(from.send(std::slice::from_ref(frame)).await, Ok(()));
            }
        };
        let receiving = async {
            for expected in frames.iter().chain(&frames) {
                let Ok(Some(frame)) = to.recv().await else {
                    panic!("the link ended");
                };
                // No `assert_eq`, which would print a megabyte.
                assert!(frame == *expected, "a frame was changed");
            }
        };
        soon(async { tokio::join!(sending, receiving) }).await;
    }
}

/// Contract 2.
pub async fn contract_02_frames_of_several_threads_arrive_once_and_in_order(
    factory: &dyn TransportFactory,
) {
    const THREADS: u8 = 3;
    const EACH: u8 = 100;
    let (near, far) = link(factory).await;
    let near: Arc<dyn Link> = near.into();
    let threads = (0..THREADS).map(|thread| {
        let near = Arc::clone(&near);
        async move {
            let frames: Vec<_> = (0..EACH).map(|n| Payload::from(vec![thread, n])).collect();
            for some in frames.chunks(7) {
                assert_eq!(near.send(some).await, Ok(()));
            }
        }
    });
    let receiving = async {
        let mut expected = [0; THREADS as usize];
        for _ in 0..u64::from(THREADS) * u64::from(EACH) {
            let frame = next(&*far).await;
            let [thread, n] = frame.as_slice() else { panic!("a frame was changed") };
            let Some(expected) = expected.get_mut(usize::from(*thread)) else {
                panic!("a frame was changed");
            };
            assert_eq!(n, expected, "out of order");
            *expected += 1;
        }
    };
    tokio::join!(on_threads(threads), receiving);
}

/// Contract 8: also the last frame of a batch.
pub async fn contract_08_nothing_that_was_sent_is_held_back(factory: &dyn TransportFactory) {
    let (near, far) = link(factory).await;
    for (from, to) in [(&near, &far), (&far, &near)] {
        for count in 1..=4 {
            let batch = frames(count, 1_000);
            assert_eq!(soon(from.send(&batch)).await, Ok(()));
            for frame in &batch {
                assert_eq!(next(&**to).await, frame.to_vec());
            }
        }
    }
}

/// Contract 8.
pub async fn contract_08_nothing_that_was_taken_at_once_is_held_back(
    factory: &dyn TransportFactory,
) {
    let (near, far) = link(factory).await;
    for (from, to) in [(&near, &far), (&far, &near)] {
        for count in 1..=4 {
            let batch = frames(count, 1_000);
            let TrySend { accepted: taken, pending: waits } = from.try_send(&batch);
            if waits {
                assert_eq!(soon(from.send(&[])).await, Ok(()));
            }
            for frame in batch.iter().take(taken) {
                assert_eq!(next(&**to).await, frame.to_vec());
            }
        }
    }
}

/// Contract 9.
pub async fn contract_09_a_frame_that_is_too_long_is_not_received(factory: &dyn TransportFactory) {
    for length in [MAX_FRAME + 1, 3 * MAX_FRAME] {
        let link = factory.oversized(length).await;
        assert_eq!(soon(link.recv()).await, Err(TransportError::TooLong));
        // The link is dead.
        assert!(soon(link.recv()).await.is_err());
        let frame = Payload::copy_from_slice(b"nothing more");
        assert_eq!(link.try_send(std::slice::from_ref(&frame)).accepted, 0);
        assert!(soon(link.send(&[frame])).await.is_err());
    }
}

/// Contract 9.
pub async fn contract_09_a_frame_that_is_too_long_is_refused_or_ends_the_link(
    factory: &dyn TransportFactory,
) {
    let (near, far) = link(factory).await;
    let frames = [Payload::copy_from_slice(b"first"), Payload::from(vec![7; MAX_FRAME + 1])];
    let sending = async {
        if near.send(&frames).await == Err(TransportError::TooLong) {
            // None of its frames was sent, and the link continues to work.
            send(&*near, &[b"still here"]).await;
        }
    };
    let receiving = async {
        match next(&*far).await.as_slice() {
            b"first" => assert_eq!(soon(far.recv()).await, Err(TransportError::TooLong)),
            other => assert_eq!(other, b"still here"),
        }
    };
    soon(async { tokio::join!(sending, receiving) }).await;
}

/// Contract 11.
pub async fn contract_11_a_cancelled_receive_loses_nothing(factory: &dyn TransportFactory) {
    let (near, far) = link(factory).await;
    let sending = async {
        for n in 0_u8..200 {
            let frame = Payload::from(vec![n; usize::from(n) * 40]);
            assert_eq!(near.send(&[frame]).await, Ok(()));
            tokio::task::yield_now().await;
        }
    };
    let receiving = async {
        let mut n = 0_u8;
        while n < 200 {
            let received = tokio::select! {
                biased;
                received = far.recv() => received,
                () = tokio::task::yield_now() => continue,
            };
            let Ok(Some(frame)) = received else {
                panic!("the link ended");
            };
            assert_eq!(&*frame, vec![n; usize::from(n) * 40]);
            n += 1;
        }
    };
    soon(async { tokio::join!(sending, receiving) }).await;
}

/// Contract 11.
pub async fn contract_11_a_cancelled_send_leaves_whole_frames(factory: &dyn TransportFactory) {
    let (near, far) = link(factory).await;
    let mut sent = Vec::new();
    // Until one send blocks and is cancelled.
    for n in (0..=250).cycle() {
        let batch: Vec<_> = (n..=n + 2).map(|n| Payload::from(vec![n; 300_000])).collect();
        sent.extend(batch.iter().cloned());
        if unless_stuck(near.send(&batch)).await.is_none() {
            break;
        }
        assert!(sent.len() < 1_000, "everything was buffered");
    }
    let receiving = async {
        let mut expected = sent.iter();
        loop {
            let Ok(Some(frame)) = soon(far.recv()).await else { panic!("the link ended") };
            if &*frame == b"after it" {
                // At most the batch that was cancelled is missing.
                break assert!(expected.len() <= 3, "what was sent is lost");
            }
            assert!(expected.next() == Some(&frame), "a frame was lost or changed");
        }
    };
    tokio::join!(send(&*near, &[b"after it"]), receiving);
}
