//! The outbound queue of one connection: frames in order, bounded, with the entries of each room
//! encoded once for all subscribers.

pub(crate) mod broadcast;
pub(crate) mod outbox;
pub(crate) mod queue;
pub(crate) mod room_flow;
