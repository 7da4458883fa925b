//! The state machine on its own: driven by hand, against a relay that the test speaks for.

mod ages;
mod bench;
mod coming_back;
mod contradictions;
mod counters;
mod doorkeeping;
mod ending;
mod farewell;
mod forbidden;
mod guest;
mod impostor;
mod key_refresh;
mod late;
mod newcomers;
mod relay;
mod retention;
mod roles;
mod staging;
mod strikes;
mod working;
