//! Marks that a body reaches while it runs, so that a test can check what a corpus covers.

use std::{cell::RefCell, collections::BTreeSet};

thread_local! {
    static MARKS: RefCell<BTreeSet<&'static str>> = const { RefCell::new(BTreeSet::new()) };
}

/// Records that a mark was reached.
pub(crate) fn reached(mark: &'static str) {
    MARKS.with_borrow_mut(|marks| marks.insert(mark));
}

/// Returns and clears the marks that this thread has reached.
#[must_use]
pub fn take() -> BTreeSet<&'static str> {
    MARKS.take()
}
