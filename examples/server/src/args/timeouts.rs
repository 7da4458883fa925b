//! Timeouts.

use std::time::Duration;

use anocm_core::relay::RelayConfig;
use anocm_ws::Timing;
use clap::Args;

use crate::units::timeout;

#[derive(Args, Debug)]
#[command(next_help_heading = "Timeouts")]
pub(super) struct Timeouts {
    /// A connection must have asked for something by then
    #[arg(long, env = "ANOCM_HEADER_WITHIN", value_name = "DURATION")]
    #[arg(default_value = "10s", value_parser = timeout)]
    pub(super) header_within: Duration,

    /// A new connection must have said which protocol it speaks by then
    #[arg(long, env = "ANOCM_HELLO_WITHIN", value_name = "DURATION")]
    #[arg(default_value = "10s", value_parser = timeout)]
    hello_within: Duration,

    /// How long a member may be told what happens without proving the latest membership
    #[arg(long, env = "ANOCM_EPOCH_GRACE", value_name = "DURATION")]
    #[arg(default_value = "10s", value_parser = timeout)]
    epoch_grace: Duration,

    /// A connection that takes 64 KiB no faster than this is dropped
    #[arg(long, env = "ANOCM_WRITE_TIMEOUT", value_name = "DURATION")]
    #[arg(default_value = "20s", value_parser = timeout)]
    pub(super) write_timeout: Duration,

    /// A connection that is in no room is closed after this
    #[arg(long, env = "ANOCM_IDLE", value_name = "DURATION")]
    #[arg(default_value = "60s", value_parser = timeout)]
    idle: Duration,

    /// A silent connection is pinged after this, or after half of --dead-after
    #[arg(long, env = "ANOCM_PING_AFTER", value_name = "DURATION")]
    #[arg(default_value = "25s", value_parser = timeout)]
    pub(super) ping_after: Duration,

    /// A connection that stays silent is dropped after this
    #[arg(long, env = "ANOCM_DEAD_AFTER", value_name = "DURATION")]
    #[arg(default_value = "60s", value_parser = timeout)]
    pub(super) dead_after: Duration,

    /// Ending takes no longer than this
    #[arg(long, env = "ANOCM_SHUTDOWN_WITHIN", value_name = "DURATION")]
    #[arg(default_value = "10s", value_parser = timeout)]
    pub(super) shutdown_within: Duration,
}

impl Timeouts {
    pub(super) fn apply(&self, config: &mut RelayConfig) {
        config.hello_timeout = self.hello_within;
        config.epoch_grace = self.epoch_grace;
        config.write_timeout = self.write_timeout;
        config.idle_timeout = self.idle;
    }

    /// Returns the timing of WebSockets.
    pub(super) fn timing(&self) -> Timing {
        Timing {
            ping_after: self.ping_after,
            dead_after: self.dead_after,
            close_within: self.shutdown_within.min(Timing::default().close_within),
        }
    }
}
