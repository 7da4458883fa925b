//! Liveness: detects a peer that is gone.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::time::{Instant, Sleep, sleep_until};

use crate::{Timing, frame::FREE};

/// The minimum rate at which a message must arrive, in bytes per second, in addition to the initial
/// allowance of `dead_after`.
const MIN_BYTES_PER_SECOND: u64 = 16 * 1_024;
/// The initial allowance of a message that holds shared memory.
const HELD: Duration = Duration::from_secs(15);
/// A timer with a shorter interval would only spin.
const MIN_INTERVAL: Duration = Duration::from_millis(1);

/// What to do when the peer is silent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum KeepaliveAction {
    /// Send a ping.
    Ping,
    /// The peer is dead: abort the link.
    Dead,
}

/// Tracks how long the peer has been silent.
pub(super) struct Keepalive {
    ping_after: Duration,
    dead_after: Duration,
    /// One timer for the life of the link. It is moved forward only when it fires, so a busy link
    /// never touches it.
    timer: Pin<Box<Sleep>>,
    pinged: Option<Instant>,
}

impl Keepalive {
    pub(super) fn new(timing: Timing) -> Self {
        let dead_after = timing.dead_after.max(2 * MIN_INTERVAL);
        // At most half of `dead_after`, so that the peer has as long to respond.
        let ping_after = timing.ping_after.clamp(MIN_INTERVAL, dead_after / 2);
        Self {
            ping_after,
            dead_after,
            timer: Box::pin(sleep_until(Instant::now() + ping_after)),
            pinged: None,
        }
    }

    /// Returns the next action. `heard` is the time of the last byte from the peer, `coming` the
    /// start and declared length of an incomplete message. When this is pending, the task is woken
    /// in time. Slow messages are checked when the timer for the next silence check fires.
    pub(super) fn poll(
        &mut self,
        cx: &mut Context<'_>,
        heard: Instant,
        coming: Option<(Instant, u64)>,
    ) -> Poll<KeepaliveAction> {
        // A ping is sent only after a period of silence, so bytes received at the very instant of
        // the ping count as a response.
        if self.pinged.is_some_and(|pinged| heard >= pinged) {
            self.pinged = None;
            self.timer.as_mut().reset(heard + self.ping_after);
        }
        loop {
            ready!(self.timer.as_mut().poll(cx));
            let now = Instant::now();
            let is_slow = coming.is_some_and(|(began, length)| {
                // A longer message holds shared memory that other connections wait for.
                let start = if length > FREE { HELD.min(self.dead_after) } else { self.dead_after };
                now.duration_since(began)
                    > start + Duration::from_secs(length / MIN_BYTES_PER_SECOND)
            });
            if self.pinged.is_some() || is_slow {
                return Poll::Ready(KeepaliveAction::Dead);
            }
            let due = heard + self.ping_after;
            if now < due {
                self.timer.as_mut().reset(due);
            } else {
                // Counted from now: if `recv` was not polled for long, the silence was on our side.
                self.pinged = Some(now);
                let patience = self.dead_after.saturating_sub(self.ping_after);
                self.timer.as_mut().reset(now + patience);
                return Poll::Ready(KeepaliveAction::Ping);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use super::*;

    fn keepalive() -> Keepalive {
        Keepalive::new(Timing {
            ping_after: Duration::from_secs(25),
            dead_after: Duration::from_secs(60),
            ..Timing::default()
        })
    }

    #[tokio::test(start_paused = true)]
    async fn silence_is_asked_about_and_then_believed() {
        let start = Instant::now();
        let mut keepalive = keepalive();
        assert_eq!(poll_fn(|cx| keepalive.poll(cx, start, None)).await, KeepaliveAction::Ping);
        assert_eq!(start.elapsed().as_secs(), 25);
        assert_eq!(poll_fn(|cx| keepalive.poll(cx, start, None)).await, KeepaliveAction::Dead);
        assert_eq!(start.elapsed().as_secs(), 60);
    }

    #[tokio::test(start_paused = true)]
    async fn a_peer_that_answers_is_pinged_again_later() {
        let start = Instant::now();
        let mut keepalive = keepalive();
        assert_eq!(poll_fn(|cx| keepalive.poll(cx, start, None)).await, KeepaliveAction::Ping);
        tokio::time::advance(Duration::from_secs(1)).await;
        let heard = Instant::now();
        assert_eq!(poll_fn(|cx| keepalive.poll(cx, heard, None)).await, KeepaliveAction::Ping);
        assert_eq!(start.elapsed().as_secs(), 26 + 25);
    }

    #[tokio::test(start_paused = true)]
    async fn there_is_always_time_to_answer() {
        let dead_after = Duration::from_secs(60);
        for ping_after in [59, 60, 61, 3_600].map(Duration::from_secs) {
            let start = Instant::now();
            let timing = Timing { ping_after, dead_after, ..Timing::default() };
            let mut keepalive = Keepalive::new(timing);
            assert_eq!(poll_fn(|cx| keepalive.poll(cx, start, None)).await, KeepaliveAction::Ping);
            let asked = Instant::now();
            assert_eq!(poll_fn(|cx| keepalive.poll(cx, start, None)).await, KeepaliveAction::Dead);
            assert_eq!(asked.elapsed().as_secs(), 30, "{ping_after:?}");
            assert_eq!(start.elapsed(), dead_after);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_peer_that_sends_is_not_pinged() {
        let mut keepalive = keepalive();
        tokio::time::advance(Duration::from_secs(20)).await;
        let heard = Instant::now();
        assert_eq!(poll_fn(|cx| keepalive.poll(cx, heard, None)).await, KeepaliveAction::Ping);
        assert_eq!(heard.elapsed().as_secs(), 25);
    }

    #[tokio::test(start_paused = true)]
    async fn a_message_sent_byte_by_byte_ends_the_link() {
        for (length, given_up) in [(1_000, 75), (64 * MIN_BYTES_PER_SECOND, 100)] {
            let began = Instant::now();
            let mut keepalive = keepalive();
            // Bytes arrive all the time.
            while poll_fn(|cx| {
                Poll::Ready(keepalive.poll(cx, Instant::now(), Some((began, length))))
            })
            .await
            .is_pending()
            {
                tokio::time::advance(Duration::from_secs(1)).await;
            }
            assert_eq!(began.elapsed().as_secs(), given_up);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_peer_whose_data_was_not_read_is_pinged_first() {
        let start = Instant::now();
        let mut keepalive = keepalive();
        tokio::time::advance(Duration::from_secs(100)).await;
        assert_eq!(poll_fn(|cx| keepalive.poll(cx, start, None)).await, KeepaliveAction::Ping);
        assert_eq!(poll_fn(|cx| keepalive.poll(cx, start, None)).await, KeepaliveAction::Dead);
        assert_eq!(start.elapsed().as_secs(), 100 + 35);
    }
}
