//! Hardens this process, and says what that achieved.
//!
//! `cargo run -p anocm-guard --example report`

use std::io::{self, Write};

use anocm_guard::Report;

fn main() -> io::Result<()> {
    // Before everything else: what came earlier could be on a disk already.
    let report = anocm_guard::harden();
    print(&report, &mut io::stdout())
}

/// Prints each finding with its advice.
pub(crate) fn print(report: &Report, output: &mut impl Write) -> io::Result<()> {
    for finding in report.findings() {
        writeln!(output, "{:?}: {}", finding.state(), finding.says())?;
        if let Some(advice) = finding.advice() {
            writeln!(output, "  {advice}")?;
        }
    }
    match report.warning() {
        // For a log: one line.
        Some(warning) => writeln!(output, "{warning}"),
        None => writeln!(output, "this memory stays off disks"),
    }
}
