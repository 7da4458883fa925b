//! The watches of a store, compared with the items that the model delivered to them.

use anocm_core::store::{Watch, Watched};
use futures_util::{FutureExt, StreamExt};

use super::model::Model;
use crate::marks::reached;

/// The sealed bytes that a watch must at least be able to buffer.
const MAY_WAIT: usize = 1_000_000;

#[derive(Default)]
pub(super) struct Feeds(Vec<Feed>);

struct Feed {
    watch: Watch,
    lazy: bool,
    /// How many of the model's items were received or skipped by a lag.
    heard: usize,
    ended: bool,
}

impl Feeds {
    /// Adds a watch, which the model knows by the next number.
    pub(super) fn add(&mut self, watch: Option<Watch>, lazy: bool) {
        self.0.extend(watch.map(|watch| Feed { watch, lazy, heard: 0, ended: false }));
    }

    /// Whether items may be buffered.
    pub(super) fn some_wait(&self) -> bool {
        self.0.iter().any(|feed| feed.lazy)
    }

    /// Polls all watches, or only those that are not lazy.
    pub(super) fn hear(&mut self, model: &Model, the_lazy_too: bool) {
        for (number, feed) in self.0.iter_mut().enumerate() {
            if the_lazy_too || !feed.lazy {
                feed.hear(&model.told(number));
            }
        }
    }
}

impl Feed {
    fn hear(&mut self, told: &[Watched]) {
        let mut left_out = false;
        let waiting: usize = told[self.heard..].iter().map(sealed).sum();
        while !self.ended {
            match self.watch.next().now_or_never() {
                None => break,
                Some(None) => {
                    assert!(matches!(told.last(), Some(Watched::Closed(_))), "it had an end");
                    self.ended = true;
                }
                Some(Some(Watched::Lagged)) => {
                    reached("lagged");
                    assert!(!left_out && waiting > MAY_WAIT, "no more is left out than must be");
                    left_out = true;
                }
                Some(Some(item)) => {
                    reached("heard");
                    let rest = &told[self.heard..];
                    let at = rest.iter().position(|told| *told == item);
                    let at = at.expect("it was told, and not heard before");
                    assert!(at == 0 || left_out, "nothing is left out without a word");
                    self.heard += at + 1;
                    left_out = false;
                }
            }
        }
        assert!(left_out || self.heard == told.len(), "all is heard");
        self.heard = told.len();
    }
}

fn sealed(told: &Watched) -> usize {
    match told {
        Watched::Entry(item) => item.entry.sealed.len(),
        _ => 0,
    }
}
