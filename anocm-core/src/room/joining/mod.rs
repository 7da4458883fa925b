//! Getting into a room: opening it, joining through its door, and rejoining.

pub(crate) mod external_join;
pub(crate) mod policy_negotiation;
pub(crate) mod pow;
pub(crate) mod state;
