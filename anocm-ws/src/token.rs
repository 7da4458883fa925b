//! Headers with list values (RFC 9110, section 5.6.1).

/// Returns true if one of the `values` of a header contains `token`, ignoring case. Commas separate
/// tokens, and a list may continue in another line of the same name.
pub(crate) fn names<'a>(values: impl IntoIterator<Item = &'a [u8]>, token: &str) -> bool {
    values
        .into_iter()
        .flat_map(|value| value.split(|byte| *byte == b','))
        .any(|value| value.trim_ascii().eq_ignore_ascii_case(token.as_bytes()))
}
