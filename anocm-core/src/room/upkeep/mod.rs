//! What a client does by itself for the room, on timers.

pub(crate) mod demotion;
pub(crate) mod door_check;
pub(crate) mod forced_refresh;
pub(crate) mod key_refresh;
pub(crate) mod leave;
pub(crate) mod presence;
