//! Validation of a relay's settings.

use std::time::Duration;

use crate::relay::{Rate, RelayConfig};
use crate::setting::{SettingError, days};

impl RelayConfig {
    /// Checks that a relay can work with these settings. [`Relay::new`](super::Relay::new) calls it
    /// as well. Times must be from 10 ms to 365 days, the maximum linger and age of rooms at least
    /// one second, and numbers at least 1.
    ///
    /// # Errors
    /// [`SettingError`] names the first field that is out of its range.
    pub fn check(&self) -> Result<(), SettingError> {
        let (times, allowed) = (Duration::from_millis(10)..=days(365), "from 10ms to 365d");
        for (value, field) in [
            (self.hello_timeout, "hello_timeout"),
            (self.idle_timeout, "idle_timeout"),
            (self.epoch_grace, "epoch_grace"),
            (self.write_timeout, "write_timeout"),
            (self.posture_interval, "posture_interval"),
        ] {
            SettingError::unless_in(&times, &value, field, allowed)?;
        }
        for (value, field) in [
            (self.max_frame, "max_frame"),
            (self.max_connections, "max_connections"),
            (self.max_rooms_per_connection, "max_rooms_per_connection"),
            (self.outbox_bytes, "outbox_bytes"),
            (self.outbox_frames, "outbox_frames"),
            (self.batch_bytes, "batch_bytes"),
        ] {
            SettingError::unless_in(&(1..=usize::MAX), &value, field, "at least 1")?;
        }
        self.check_rates()?;
        self.check_policy()
    }

    fn check_rates(&self) -> Result<(), SettingError> {
        let valid = |rate: Rate| rate.amount > 0 && !rate.period.is_zero() && rate.burst > 0;
        for (rate, field) in [
            (self.requests, "requests"),
            (self.bytes, "bytes"),
            (self.creations, "creations"),
            (self.joins, "joins"),
            (self.admissions, "admissions"),
            (self.room_joins, "room_joins"),
            (self.room_entries, "room_entries"),
            (self.room_bytes, "room_bytes"),
        ] {
            if !valid(rate) {
                return Err(SettingError::new(field, "at least 1 in a period, and 1 at once"));
            }
        }
        Ok(())
    }

    fn check_policy(&self) -> Result<(), SettingError> {
        let policy = &self.policy;
        let times = Duration::from_secs(1)..=Duration::MAX;
        for (value, field) in [(policy.linger, "policy.linger"), (policy.max_age, "policy.max_age")]
        {
            SettingError::unless_in(&times, &value, field, "at least 1s")?;
        }
        let counts = 1..=u64::MAX;
        let entries = u64::from(policy.max_entries);
        SettingError::unless_in(&counts, &entries, "policy.max_entries", "at least 1")?;
        SettingError::unless_in(&counts, &policy.max_bytes, "policy.max_bytes", "at least 1")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_work_is_refused_by_name() {
        assert_eq!(RelayConfig::default().check(), Ok(()));
        let refused = |change: fn(&mut RelayConfig)| {
            let mut config = RelayConfig::default();
            change(&mut config);
            config.check().unwrap_err().field
        };
        assert_eq!(refused(|config| config.max_connections = 0), "max_connections");
        assert_eq!(refused(|config| config.hello_timeout = Duration::ZERO), "hello_timeout");
        assert_eq!(refused(|config| config.epoch_grace = Duration::MAX), "epoch_grace");
        assert_eq!(refused(|config| config.batch_bytes = 0), "batch_bytes");
        assert_eq!(refused(|config| config.joins.burst = 0), "joins");
        assert_eq!(refused(|config| config.bytes.period = Duration::ZERO), "bytes");
        assert_eq!(refused(|config| config.policy.linger = Duration::ZERO), "policy.linger");
        assert_eq!(refused(|config| config.policy.max_entries = 0), "policy.max_entries");
    }
}
