//! One guest's view of one room, as a state machine without I/O or clock: commands, frames and the
//! time go in; requests, events and the next deadline come out.
//!
//! **The rule: after every input, drain [`Machine::poll_request`] and [`Machine::poll_event`],
//! and call [`Machine::handle_timeout`] when [`Machine::poll_timeout`] has come.**
//!
//! | module | what it decides |
//! |---|---|
//! | `machine`, `link`, `output`, `end` | inputs, the connection, outputs, the end of the room |
//! | `joining` | opening a room, joining and rejoining it |
//! | `sync` | following the log, and what is done about entries that cannot be applied |
//! | `sending` | the jobs that wait to be sent, and the one append in flight |
//! | `upkeep` | what a client does by itself on timers: presence, leaves, doors, fresh keys |
//! | `timers` | when each timer is due, and what is done then |
//! | `history` | the messages, and when each is wiped |

mod admission;
mod command;
mod commands;
mod config;
mod context;
mod effects;
mod end;
mod event;
mod following;
mod history;
mod joining;
mod link;
mod machine;
mod output;
mod phase;
mod sending;
mod sync;
#[cfg(test)]
mod tests;
mod timers;
mod upkeep;

pub use command::{Command, CommandError, NewRoom, SendFailure};
pub use config::MachineConfig;
pub use context::Ticket;
pub use event::{Connection, Ended, JoinFailure, Message, RoomEvent, RoomView, Trouble};
pub use machine::Machine;

pub use crate::session::MessageText;
