//! One guest's view of one room, as a state machine without I/O or clock: commands, frames and
//! the time go in; requests, events and the next deadline come out.
//!
//! **The rule: after every input, drain [`Machine::poll_request`] and [`Machine::poll_event`],
//! and call [`Machine::handle_timeout`] when [`Machine::poll_timeout`] has come.**
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
mod apply;
mod catch_up;
mod command;
mod commands;
mod config;
mod counters;
mod demotion;
mod door_check;
mod end;
mod epoch_history;
mod event;
mod external_join;
mod forced_refresh;
mod history;
mod joining;
mod key_refresh;
mod leave;
mod link;
mod log;
mod machine;
mod outbox;
mod output;
mod policy_negotiation;
mod pow;
mod presence;
mod rollback;
mod sending;
mod staging;
#[cfg(test)]
mod tests;

pub use command::{Command, CommandError, NewRoom, SendFailure};
pub use config::MachineConfig;
pub use event::{Connection, Ended, JoinFailure, Message, RoomEvent, RoomView, Trouble};
pub use machine::{Machine, Ticket};

pub use crate::session::MessageText;
