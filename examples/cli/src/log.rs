//! What happens underneath, on standard error.

use tracing_subscriber::EnvFilter;

/// Turns on the log of our own crates. Others may log what ours never do, such as addresses.
pub(crate) fn start(verbose: u8) {
    let level = match verbose {
        0 => return,
        1 => "info",
        2 => "debug",
        _ => "trace",
    };
    let ours = format!("off,anocm={level},anocm_core={level},anocm_ws={level}");
    tracing_subscriber::fmt()
        .with_env_filter(EnvFilter::new(ours))
        .with_writer(std::io::stderr)
        // It would say so where nothing can be said, and panic.
        .log_internal_errors(false)
        .init();
}
