//! Settings of the embedder for every room.

use crate::setting::SettingError;

/// Settings of the embedder for every room of a client.
///
/// # Examples
/// ```
/// use anocm_core::{client::ClientConfig, room::MachineConfig};
///
/// let rooms = MachineConfig { presence: false, ..MachineConfig::default() };
/// let config = ClientConfig { rooms, ..ClientConfig::default() };
/// assert_eq!(config.check(), Ok(()));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MachineConfig {
    /// Whether to send presence heartbeats to the other members. Costs one live entry a minute in a
    /// room of up to 32 members, and one for a newcomer. Default: true.
    pub presence: bool,
    /// The most messages kept in the history, at least one; the oldest expire early. Default:
    /// 10,000.
    pub max_history: usize,
    /// The most messages waiting to be sent, at least one. Default: 256.
    pub max_waiting: usize,
}

impl Default for MachineConfig {
    fn default() -> Self {
        Self { presence: true, max_history: 10_000, max_waiting: 256 }
    }
}

impl MachineConfig {
    /// Checks that every field is in its range.
    ///
    /// # Errors
    /// [`SettingError`] names the field that is out of its range.
    pub fn check(&self) -> Result<(), SettingError> {
        for (value, field) in
            [(self.max_history, "rooms.max_history"), (self.max_waiting, "rooms.max_waiting")]
        {
            SettingError::unless_in(&(1..=usize::MAX), &value, field, "at least 1")?;
        }
        Ok(())
    }
}
