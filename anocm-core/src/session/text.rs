//! The text of a message, wiped when its last clone is dropped.

use std::{fmt, sync::Arc};

use zeroize::Zeroizing;

/// Text that is wiped when its last clone is dropped. Cheap to clone; never printed by `Debug`.
#[derive(Clone, PartialEq, Eq)]
pub struct MessageText(Arc<Zeroizing<String>>);

impl MessageText {
    /// Takes ownership of the text.
    #[must_use]
    pub fn new(text: String) -> Self {
        Self(Arc::new(Zeroizing::new(text)))
    }

    /// Returns the text as it was sent. Pass it through [`clean_text`](crate::name::clean_text)
    /// before displaying it.
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

impl fmt::Debug for MessageText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MessageText(..)")
    }
}
