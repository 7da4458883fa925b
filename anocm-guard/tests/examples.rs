//! The example of this crate, in use.

#[expect(dead_code, reason = "its main is not called")]
#[path = "../examples/report.rs"]
mod report;

#[test]
fn report_has_a_line_for_each_finding() {
    let found = anocm_guard::harden();
    let mut output = Vec::new();
    report::print(&found, &mut output).unwrap();
    let output = String::from_utf8(output).unwrap();
    assert!(output.starts_with("Kept: freed memory is overwritten\n"), "{output}");
    for finding in found.findings() {
        assert!(output.contains(finding.says()), "{output}");
    }
    let advice = found.findings().iter().filter_map(|finding| finding.advice());
    assert_eq!(output.lines().count(), found.findings().len() + advice.count() + 1);
}
