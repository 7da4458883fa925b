//! The operations on a relay.

use crate::seed::seeded;

seeded! {
    struct Case {
        /// Whether relay and store have low limits.
        tight: bool,
        steps: Vec<Step>,
    }
}

seeded! {
    enum Step {
        /// Replaces any connection of this guest.
        Connect { guest: u8, greets: bool, deaf: bool },
        /// `soon`: the next step does not wait for the reply.
        Ask { guest: u8, ask: Ask, soon: bool },
        /// A request with one bit flipped.
        Harmed { guest: u8, ask: Ask, at: u16, bit: u8 },
        Raw { guest: u8, bytes: Vec<u8> },
        HangUp { guest: u8 },
        Advance { millis: u32 },
        Posture { to: u8 },
    }
}

seeded! {
    /// A request. Zero selects the correct value, where there is one.
    enum Ask {
        Create { room: u8, rules: Rules },
        Look { room: u8, token: u8 },
        Join { room: u8, token: u8, entry: Sealed, next: Next },
        Enter { room: u8, back: u8, token: u8 },
        Read { room: u8, after: u8 },
        Publish { room: u8, entry: Sealed, next: Option<Next> },
        Void { room: u8, token: u8, seq: u8, next: Next },
        Close { room: u8, token: u8 },
        Detach { room: u8 },
    }
}

seeded! {
    struct Sealed {
        kind: u8,
        /// The number of epochs behind the current one.
        back: u8,
        retention: u32,
        size: u8,
    }
}

seeded! {
    struct Next { member: u8, door: u8, size: u8 }
}

seeded! {
    /// Zeros select the defaults.
    struct Rules { max_retention: u32, linger: u32, max_age: u32, max_entries: u32, max_bytes: u32 }
}
