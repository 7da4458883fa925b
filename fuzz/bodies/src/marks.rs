//! What a body came to while it ran, so that a test can tell whether a corpus reaches it.

use std::{cell::RefCell, collections::BTreeSet};

thread_local! {
    static MARKS: RefCell<BTreeSet<&'static str>> = const { RefCell::new(BTreeSet::new()) };
}

/// Notes that something was reached.
pub(crate) fn reached(mark: &'static str) {
    MARKS.with_borrow_mut(|marks| marks.insert(mark));
}

/// Takes what this thread has reached so far.
#[must_use]
pub fn take() -> BTreeSet<&'static str> {
    MARKS.take()
}
