//! Getting into a room: opening it, joining through its door, and rejoining.
//!
//! | file | what it decides |
//! |---|---|
//! | `attempt` | which of the two it is, and its next request |
//! | `creating`, `policy_negotiation` | opening a room; asking for less where the relay allows less |
//! | `external_join` | at the door: looking, joining, overtaken joins |
//! | `state` | what lasts longer than one attempt: refusals, and what a guest that was in the room knows |
//! | `pow` | the proof of work that a relay under load requires |

pub(crate) mod attempt;
pub(crate) mod creating;
pub(crate) mod external_join;
pub(crate) mod policy_negotiation;
pub(crate) mod pow;
pub(crate) mod state;
