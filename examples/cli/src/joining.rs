//! How long a guest tries to enter a room, and the last obstacle.

use std::time::Duration;

use anocm_core::{RoomEvent, room::Connection, transport::TransportError, wire::Refusal};
use tokio::time::Instant;

/// Default for scripts, which wait for a result; a guest at a terminal sees the progress and can
/// stop.
const SCRIPT_WAITS: Duration = Duration::from_secs(60);
/// The same through a proxy: Tor may need more than a minute for its first response.
const SCRIPT_WAITS_BEHIND_PROXY: Duration = Duration::from_secs(300);

/// The time limit for entering, and the last obstacle.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Joining {
    within: Option<Duration>,
    obstacle: Obstacle,
}

#[derive(Clone, Copy, Debug, Default)]
enum Obstacle {
    #[default]
    NoAnswer,
    Transport(TransportError),
    NotLetIn,
    Refused(Refusal),
}

impl Joining {
    /// Uses the time asked for, or else the default for a terminal or a script.
    pub(crate) fn new(asked: Option<Duration>, at_terminal: bool) -> Self {
        let usual = (!at_terminal).then_some(SCRIPT_WAITS);
        Self { within: asked.or(usual), ..Self::default() }
    }

    /// The same through a proxy, which may be slow.
    pub(crate) fn through_proxy(asked: Option<Duration>, at_terminal: bool) -> Self {
        let usual = (!at_terminal).then_some(SCRIPT_WAITS_BEHIND_PROXY);
        Self { within: asked.or(usual), ..Self::default() }
    }

    /// Returns when to give up if entering begins now.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.within.and_then(|within| Instant::now().checked_add(within))
    }

    /// Records the obstacle that an event reports.
    pub(crate) const fn on_event(&mut self, event: &RoomEvent) {
        match event {
            RoomEvent::Connection(Connection::Waiting { why, .. }) => {
                self.obstacle = Obstacle::Transport(*why);
            }
            RoomEvent::Delayed { why, .. } => self.obstacle = Obstacle::Refused(*why),
            RoomEvent::Connection(Connection::CatchingUp | Connection::Online) => {
                self.obstacle = Obstacle::NotLetIn;
            }
            _ => {}
        }
    }

    /// Returns the message that entering timed out, with the reason.
    pub(crate) fn too_late(&self) -> String {
        let within = self.within.unwrap_or_default();
        let why = match self.obstacle {
            Obstacle::NoAnswer => "nobody answers".to_owned(),
            Obstacle::Transport(why) => why.to_string(),
            Obstacle::Refused(why) => format!("the relay refused: {why}"),
            Obstacle::NotLetIn => "the relay was reached, but the room not entered".to_owned(),
        };
        format!("not in the room within {within:?}: {why}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_script_does_not_wait_for_ever_and_a_terminal_does_unless_told() {
        let left = |asked, at_terminal| {
            Joining::new(asked, at_terminal).deadline().map(|at| at - Instant::now())
        };
        let second = Duration::from_secs(1);
        assert_eq!(left(None, false), Some(SCRIPT_WAITS));
        assert_eq!(left(None, true), None);
        let proxied = Joining::through_proxy(None, false).deadline().map(|at| at - Instant::now());
        assert_eq!(proxied, Some(SCRIPT_WAITS_BEHIND_PROXY));
        assert_eq!(left(Some(second), false), Some(second));
        assert_eq!(left(Some(second), true), Some(second));
        // A duration that the clock cannot represent means no limit.
        assert_eq!(left(Some(Duration::MAX), false), None);
    }

    #[test]
    fn the_last_trouble_is_told() {
        let mut entering = Joining::new(Some(Duration::from_secs(60)), false);
        assert!(entering.too_late().ends_with("within 60s: nobody answers"));
        let waiting =
            Connection::Waiting { retry_in: Duration::ZERO, why: TransportError::ProxyUnreachable };
        entering.on_event(&RoomEvent::Connection(waiting));
        entering.on_event(&RoomEvent::Connection(Connection::Connecting));
        assert!(entering.too_late().ends_with(": the proxy cannot be reached"));
        entering.on_event(&RoomEvent::Connection(Connection::CatchingUp));
        assert!(entering.too_late().contains("the relay was reached"));
    }
}
