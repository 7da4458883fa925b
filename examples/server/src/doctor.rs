//! The posture of this machine, for an operator to read.

use std::{
    io::{self, Write},
    process::ExitCode,
};

use anocm_core::wire::Posture;
use anocm_guard::Report;

/// Prints what was found, and what to do about it.
pub(crate) fn tell(report: &Report) -> ExitCode {
    let told = write(&mut io::stdout(), report);
    if told.is_ok() && report.posture() == Posture::Kept {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

fn write(out: &mut impl Write, report: &Report) -> io::Result<()> {
    for finding in report.findings() {
        writeln!(out, "{:<8} {}", name(finding.state()), finding.says())?;
        if let Some(advice) = finding.advice() {
            writeln!(out, "         {advice}")?;
        }
    }
    out.flush()
}

const fn name(posture: Posture) -> &'static str {
    match posture {
        Posture::Kept => "kept",
        Posture::Unknown => "unknown",
        Posture::Broken => "broken",
    }
}
