//! Rate limit for incoming pings and pongs.

use std::time::Duration;

use tokio::time::Instant;

/// The window in which control messages are counted.
const WINDOW: Duration = Duration::from_secs(10);
/// The maximum number of control messages in a window. A conforming peer sends one in 25 seconds.
const MOST: u32 = 100;
/// The maximum number of pongs queued because the peer does not read.
const MOST_WAITING: u32 = 16;

/// Counts control messages.
///
/// For each ping a pong is queued. A peer that pings and never reads would make
/// that queue grow without bound.
#[derive(Debug)]
pub(super) struct Controls {
    began: Instant,
    seen: u32,
    waiting: u32,
}

impl Controls {
    pub(super) fn new() -> Self {
        Self { began: Instant::now(), seen: 0, waiting: 0 }
    }

    /// Counts one message; `flushed` is true when everything queued could be written. Returns false
    /// when the peer exceeds the limit.
    pub(super) fn admit(&mut self, now: Instant, flushed: bool) -> bool {
        if now.duration_since(self.began) >= WINDOW {
            self.began = now;
            self.seen = 0;
        }
        self.seen += 1;
        self.waiting = if flushed { 0 } else { self.waiting + 1 };
        self.seen <= MOST && self.waiting <= MOST_WAITING
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn an_honest_peer_pings_for_ever() {
        let mut controls = Controls::new();
        for _ in 0..10_000 {
            tokio::time::advance(Duration::from_millis(200)).await;
            assert!(controls.admit(Instant::now(), true));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_flood_is_not_borne() {
        let mut controls = Controls::new();
        let borne = (0..1_000).filter(|_| controls.admit(Instant::now(), true)).count();
        assert_eq!(borne, 100);
    }

    #[tokio::test(start_paused = true)]
    async fn pings_of_a_peer_that_does_not_read_are_not_borne() {
        let mut controls = Controls::new();
        let mut borne = 0;
        while controls.admit(Instant::now(), false) {
            tokio::time::advance(Duration::from_secs(1)).await;
            borne += 1;
        }
        assert_eq!(borne, 16);
    }
}
