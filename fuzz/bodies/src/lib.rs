//! The checks of the fuzz targets, as ordinary functions.
//!
//! Each takes any bytes and panics on a finding. They are here and not in `fuzz/fuzz_targets`, so
//! that `cargo test` replays the corpora with any compiler: see `tests/corpora.rs`.

#![forbid(unsafe_code)]
#![expect(
    clippy::cast_possible_truncation,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a panic is a finding"
)]

mod content;
mod invite;
pub mod marks;
mod relay;
mod runtime;
mod sealed_entry;
mod seed;
pub mod seeds;
mod store;
mod wire_frame;
mod world;
mod ws_frames;

pub use content::content;
pub use invite::invite;
pub use relay::relay_connection;
pub use sealed_entry::sealed_entry;
pub use store::store_ops;
pub use wire_frame::wire_frame;
pub use ws_frames::ws_frames;
