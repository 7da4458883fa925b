//! The text of a message, wiped when its last clone is dropped.

use std::{fmt, ops::Deref, sync::Arc};

use zeroize::Zeroizing;

/// Text that is wiped when its last clone is dropped. Cheap to clone; never printed by its
/// `Debug`; what is taken out of it, such as `text.trim()`, is an ordinary `str`, which prints itself.
///
/// It is a `str` as far as reading goes. `Display` prints it as it was sent: pass it through
/// [`clean_text`](crate::name::clean_text) before it reaches a terminal or another screen that
/// interprets characters.
///
/// # Examples
/// ```
/// use anocm_core::room::MessageText;
///
/// let text = MessageText::new("!roll 2d6".to_owned());
/// assert_eq!(text.strip_prefix("!roll "), Some("2d6"));
/// assert_eq!(text, "!roll 2d6");
/// assert_eq!(format!("{text}, {text:?}"), "!roll 2d6, MessageText(..)");
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct MessageText(Arc<Zeroizing<String>>);

impl MessageText {
    /// Takes ownership of the text.
    #[must_use]
    pub fn new(text: String) -> Self {
        Self(Arc::new(Zeroizing::new(text)))
    }

    /// Returns the text as it was sent.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns whether no other clone exists.
    #[cfg(test)]
    pub(crate) fn is_last(&self) -> bool {
        Arc::strong_count(&self.0) == 1
    }
}

impl Deref for MessageText {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl AsRef<str> for MessageText {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl PartialEq<str> for MessageText {
    fn eq(&self, other: &str) -> bool {
        self.as_str() == other
    }
}

impl PartialEq<&str> for MessageText {
    fn eq(&self, other: &&str) -> bool {
        self.as_str() == *other
    }
}

impl fmt::Display for MessageText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self)
    }
}

impl fmt::Debug for MessageText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MessageText(..)")
    }
}
