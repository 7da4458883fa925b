//! The state machine on its own: driven by hand, against a relay that the test controls.

mod ages;
mod bench;
mod branches;
mod coming_back;
mod contradictions;
mod counters;
mod door_check;
mod ending;
mod forbidden;
mod guest;
mod impostor;
mod key_refresh;
mod late;
mod leave;
mod newcomers;
mod opening;
mod pow;
mod relay;
mod retention;
mod roles;
mod settings_upkeep;
mod staging;
