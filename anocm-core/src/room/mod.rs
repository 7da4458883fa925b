//! One guest's view of one room, as a state machine without I/O or clock: commands, frames and the
//! time go in; requests, events and the next deadline come out.
//!
//! **The rule: after every input, drain [`Machine::poll_request`] and [`Machine::poll_event`],
//! and call [`Machine::handle_timeout`] when [`Machine::poll_timeout`] has come.**
//!
//! [`Machine`] coordinates parts that own their state. A part takes a `Context` (relay, time, random
//! numbers, queues of requests and events), and what else it needs by name: the session, the outbox.
//! It does what concerns its own state, and returns what concerns the whole room, such as its end.
//!
//! | module | what it decides |
//! |---|---|
//! | `machine`, `commands`, `output`, `timers` | the machine's inputs, commands, outputs and timers |
//! | `joins`, `following`, `effects`, `end` | what concerns the whole room: getting into it, following its log, what an applied entry does, its end |
//! | `context`, `link`, `phase` | what all parts share; the connection; whether this guest is in the room |
//! | `joining` | opening a room, joining and rejoining it |
//! | `sync` | following the log, and what is done about entries that cannot be applied |
//! | `sending` | the jobs that wait to be sent, and the one append in flight |
//! | `upkeep` | what a client does by itself on timers: presence, leaves, doors, fresh keys |
//! | `history` | the messages, and when each is wiped |
//! | `command`, `event`, `config` | the types of the interface |

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
mod joins;
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
pub use event::{
    Confirmation, Connection, Ended, JoinFailure, Message, RoomEvent, RoomView, Trouble,
};
pub use machine::Machine;

pub use crate::{
    id::MemberKey,
    session::{Departure, Member, MessageText, Role, SafetyCode, SessionError},
};
