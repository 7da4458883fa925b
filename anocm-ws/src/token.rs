//! Headers that are lists (RFC 9110, section 5.6.1).

/// Whether one of the `values` of a header names `token`, in whatever case. Commas separate
/// tokens, and a list may go on in another line of the same name.
pub(crate) fn names<'a>(values: impl IntoIterator<Item = &'a [u8]>, token: &str) -> bool {
    values
        .into_iter()
        .flat_map(|value| value.split(|byte| *byte == b','))
        .any(|value| value.trim_ascii().eq_ignore_ascii_case(token.as_bytes()))
}
