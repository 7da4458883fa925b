//! Checks that a conformance suite lists all its cases.

use std::collections::BTreeSet;

/// Fails unless `listed` names exactly the cases in `sources`, and every contract number up to
/// `numbers` has at least one case.
pub(super) fn assert_complete(sources: &[&str], listed: &[&str], numbers: usize) {
    let written: BTreeSet<&str> = sources
        .iter()
        .flat_map(|source| source.lines())
        .filter_map(|line| line.strip_prefix("pub async fn "))
        .filter_map(|line| line.split(['(', '<']).next())
        .collect();
    let listed: BTreeSet<&str> = listed.iter().copied().collect();
    assert_eq!(written, listed);
    for number in 1..=numbers {
        let prefix = format!("contract_{number:02}_");
        assert!(
            listed.iter().any(|case| case.starts_with(&prefix)),
            "contract number {number} has no case"
        );
    }
}
