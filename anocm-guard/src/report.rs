//! The findings of the hardening, as a report.

use anocm_core::wire::Posture;

/// The findings about the memory-only promise of this process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report(Vec<Finding>);

/// The result of one check.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Finding {
    state: Posture,
    says: &'static str,
    advice: Option<&'static str>,
}

impl Report {
    pub(crate) const fn new(findings: Vec<Finding>) -> Self {
        Self(findings)
    }

    /// Returns all findings.
    #[must_use]
    pub fn findings(&self) -> &[Finding] {
        &self.0
    }

    /// Returns the posture that a relay in this process can report: the worst of the findings.
    #[must_use]
    pub fn posture(&self) -> Posture {
        self.0.iter().map(Finding::state).max().unwrap_or(Posture::Unknown)
    }

    /// Returns the texts of all findings that are not `Kept`, the worst first; `None` when there
    /// are none.
    #[must_use]
    pub fn warning(&self) -> Option<String> {
        let mut bad: Vec<_> =
            self.0.iter().filter(|finding| finding.state != Posture::Kept).collect();
        bad.sort_by_key(|finding| std::cmp::Reverse(finding.state));
        let said: Vec<_> = bad.into_iter().map(Finding::says).collect();
        (!said.is_empty()).then(|| said.join("; "))
    }
}

impl Finding {
    pub(crate) const fn kept(says: &'static str) -> Self {
        Self { state: Posture::Kept, says, advice: None }
    }

    pub(crate) const fn unknown(says: &'static str, advice: &'static str) -> Self {
        Self { state: Posture::Unknown, says, advice: Some(advice) }
    }

    pub(crate) const fn broken(says: &'static str, advice: &'static str) -> Self {
        Self { state: Posture::Broken, says, advice: Some(advice) }
    }

    /// Returns whether this finding keeps the promise.
    #[must_use]
    pub const fn state(&self) -> Posture {
        self.state
    }

    /// Returns the finding as a sentence.
    #[must_use]
    pub const fn says(&self) -> &'static str {
        self.says
    }

    /// Returns what an operator can do about the finding.
    #[must_use]
    pub const fn advice(&self) -> Option<&'static str> {
        self.advice
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worst_decides_and_is_said_first() {
        let kept = Finding::kept("a");
        let unknown = Finding::unknown("b", "do b");
        let broken = Finding::broken("c", "do c");
        let of = |findings: &[Finding]| {
            let report = Report::new(findings.to_vec());
            (report.posture(), report.warning())
        };
        assert_eq!(of(&[kept]), (Posture::Kept, None));
        assert_eq!(of(&[kept, unknown]), (Posture::Unknown, Some("b".to_owned())));
        assert_eq!(of(&[unknown, broken, kept]), (Posture::Broken, Some("c; b".to_owned())));
    }
}
