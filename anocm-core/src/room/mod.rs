//! One guest's view of one room, as a state machine without I/O or clock: commands, frames and
//! the time go in; requests, events and the next deadline come out.
//!
//! **The rule: after every input, drain [`Machine::poll_request`] and [`Machine::poll_event`],
//! and call [`Machine::tick`] when [`Machine::deadline`] has come.**
//!
//! | file | what it decides |
//! |---|---|
//! | `machine`, `link`, `output`, `end` | inputs, the connection, what comes out |
//! | `entrance` | opening a room, getting in, getting back in |
//! | `wish` | what a room is opened with where the relay allows less than was asked for |
//! | `knock` | at the door: looking, joining, being too late |
//! | `working` | the work that a relay under load asks for |
//! | `log` | places in order: which entry is next, what is missing |
//! | `age_bound` | how old an entry can be, whatever age is claimed |
//! | `reading` | proving an epoch, catching up |
//! | `applying` | what an entry at its place does |
//! | `staging` | joins, which are followed when the epoch that they begin is proven |
//! | `outbox`, `sending` | what waits to be said, and the one append in flight |
//! | `repair`, `past` | commits and joins that cannot be followed; what may be taken back |
//! | `renewal` | fresh keys after somebody has spoilt something |
//! | `key_refresh` | fresh keys of one's own, now and then |
//! | `roles` | moderators who left are struck off the list |
//! | `doorkeeping` | whether newcomers can get in |
//! | `farewell` | leaving, and carrying out the leaving of others |
//! | `senders` | counters: repeats and gaps |
//! | `history` | what was said and when it is wiped |
//! | `presence` | who is here, who is typing |

mod age_bound;
mod applying;
mod command;
mod commands;
mod config;
mod doorkeeping;
mod end;
mod entrance;
mod event;
mod farewell;
mod history;
mod key_refresh;
mod knock;
mod link;
mod log;
mod machine;
mod outbox;
mod output;
mod past;
mod presence;
mod reading;
mod renewal;
mod repair;
mod roles;
mod senders;
mod sending;
mod staging;
#[cfg(test)]
mod tests;
mod wish;
mod working;

pub use command::{Command, CommandError, NewRoom, SendFailure};
pub use config::MachineConfig;
pub use event::{Connection, Ended, JoinFailure, Message, RoomEvent, RoomView, Trouble};
pub use machine::{Machine, Ticket};

pub use crate::session::MessageText;
