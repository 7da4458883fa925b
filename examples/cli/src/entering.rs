//! How long a guest tries to get in, and what stood in the way.

use std::time::Duration;

use anocm_core::{RoomEvent, room::Connection, transport::TransportError, wire::Refusal};
use tokio::time::Instant;

/// A script waits for an answer; whoever sits at a terminal sees what happens and can stop.
const SCRIPT_WAITS: Duration = Duration::from_secs(60);
/// The same through a proxy: Tor may need more than a minute for its first answer.
const SCRIPT_WAITS_BEHIND_PROXY: Duration = Duration::from_secs(300);

/// The time to get in, and the last trouble on the way.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Entering {
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

impl Entering {
    /// As asked for, or else as fits for a terminal or a script.
    pub(crate) fn new(asked: Option<Duration>, at_terminal: bool) -> Self {
        let usual = (!at_terminal).then_some(SCRIPT_WAITS);
        Self { within: asked.or(usual), ..Self::default() }
    }

    /// The same through a proxy, which may be slow.
    pub(crate) fn through_proxy(asked: Option<Duration>, at_terminal: bool) -> Self {
        let usual = (!at_terminal).then_some(SCRIPT_WAITS_BEHIND_PROXY);
        Self { within: asked.or(usual), ..Self::default() }
    }

    /// When to give up, if it begins now.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.within.and_then(|within| Instant::now().checked_add(within))
    }

    /// Learns from an event what stands in the way.
    pub(crate) const fn hear(&mut self, event: &RoomEvent) {
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

    /// That it took too long, and why.
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
            Entering::new(asked, at_terminal).deadline().map(|at| at - Instant::now())
        };
        let second = Duration::from_secs(1);
        assert_eq!(left(None, false), Some(SCRIPT_WAITS));
        assert_eq!(left(None, true), None);
        let proxied = Entering::through_proxy(None, false).deadline().map(|at| at - Instant::now());
        assert_eq!(proxied, Some(SCRIPT_WAITS_BEHIND_PROXY));
        assert_eq!(left(Some(second), false), Some(second));
        assert_eq!(left(Some(second), true), Some(second));
        // Longer than a clock can count is for ever.
        assert_eq!(left(Some(Duration::MAX), false), None);
    }

    #[test]
    fn the_last_trouble_is_told() {
        let mut entering = Entering::new(Some(Duration::from_secs(60)), false);
        assert!(entering.too_late().ends_with("within 60s: nobody answers"));
        let waiting =
            Connection::Waiting { retry_in: Duration::ZERO, why: TransportError::ProxyUnreachable };
        entering.hear(&RoomEvent::Connection(waiting));
        entering.hear(&RoomEvent::Connection(Connection::Connecting));
        assert!(entering.too_late().ends_with(": the proxy cannot be reached"));
        entering.hear(&RoomEvent::Connection(Connection::CatchingUp));
        assert!(entering.too_late().contains("the relay was reached"));
    }
}
