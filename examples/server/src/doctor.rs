//! The posture of this machine, as a report for the operator.

use std::{
    io::{self, Write},
    path::Path,
    process::ExitCode,
};

use anocm_core::wire::Posture;
use anocm_guard::Report;

use crate::certificate::{self, Concern};

/// Prints the findings and how to fix them; for a certificate too, if one is given.
pub(crate) fn run(report: &Report, certificate: Option<&Path>) -> ExitCode {
    let concern = certificate.map(|file| certificate::concern(file, crate::now()));
    let told = write(&mut io::stdout(), report).and_then(|()| match &concern {
        Some(concern) => write_certificate(&mut io::stdout(), concern.as_ref()),
        None => Ok(()),
    });
    if told.is_ok() && report.posture() == Posture::Kept && !matches!(concern, Some(Some(_))) {
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

fn write_certificate(out: &mut impl Write, concern: Option<&Concern>) -> io::Result<()> {
    match concern {
        None => writeln!(out, "{:<8} the certificate is valid, and for two weeks yet", "kept")?,
        Some(concern) => {
            let state = if concern.is_refused() { "broken" } else { "unknown" };
            writeln!(out, "{state:<8} {concern}")?;
            writeln!(out, "         renew it, or correct this machine's clock")?;
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
