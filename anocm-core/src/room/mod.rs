//! One guest's view of one room, as a state machine without I/O or clock: commands, frames and the
//! time go in; requests, events and the next deadline come out.
//!
//! **The rule: after every input, drain [`Machine::poll_request`] and [`Machine::poll_event`],
//! and call [`Machine::handle_timeout`] when [`Machine::poll_timeout`] has come.**
//!
//! | file | what it decides |
//! |---|---|
//! | `machine`, `link`, `output`, `end` | inputs, the connection, outputs, the end of the room |
//! | `joining` | opening a room, joining and rejoining it |
//! | `policy_negotiation` | the room's policy where the relay allows less than was requested |
//! | `external_join` | at the door: looking, joining, overtaken joins |
//! | `pow` | the proof of work that a relay under load requires |
//! | `log` | log order: which entry is next, what is missing |
//! | `age_bound` | how old an entry can be, whatever age is claimed |
//! | `catch_up` | proving an epoch, catching up |
//! | `apply` | applying an entry at its sequence number |
//! | `staging` | joins, which are merged when the epoch that they begin is proven |
//! | `outbox`, `sending` | the jobs that wait to be sent, and the one append in flight |
//! | `rollback`, `epoch_history` | rejected commits and joins; what may be voided |
//! | `forced_refresh` | fresh keys after a member has broken a ratchet or the door |
//! | `key_refresh` | periodic refresh of this guest's own keys |
//! | `demotion` | demoting moderators that left |
//! | `door_check` | whether newcomers can get in |
//! | `leave` | leaving, and committing the leaves of others |
//! | `timers` | when each timer is due, and what is done then |
//! | `counters` | message counters: repeats and gaps |
//! | `history` | the messages, and when each is wiped |
//! | `presence` | which members are here or typing |

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
mod timers;

pub use command::{Command, CommandError, NewRoom, SendFailure};
pub use config::MachineConfig;
pub use event::{Connection, Ended, JoinFailure, Message, RoomEvent, RoomView, Trouble};
pub use machine::{Machine, Ticket};

pub use crate::{
    id::MemberKey,
    session::{Departure, Member, MessageText, Role, SafetyCode, SessionError},
};
