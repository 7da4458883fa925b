//! Wrong watches.

use std::task::Poll;

use anocm_core::store::{Watch, Watched};
use futures_util::{Stream, StreamExt, stream};

/// How many items wait for a watch that lags soon.
const FEW: usize = 16;

/// Loses what it cannot hold without a word.
pub(super) fn lags_silently(watch: Watch) -> Watch {
    Watch::new(watch.filter(|item| std::future::ready(*item != Watched::Lagged)))
}

/// Goes on after the end.
pub(super) fn goes_on(watch: Watch) -> Watch {
    Watch::new(watch.chain(stream::pending()))
}

/// Holds back only a few items.
pub(super) fn lags_soon(mut watch: Watch) -> Watch {
    let mut waiting = Vec::new();
    Watch::new(stream::poll_fn(move |cx| {
        while let Poll::Ready(Some(item)) = std::pin::Pin::new(&mut watch).poll_next(cx) {
            waiting.push(item);
        }
        if waiting.len() > FEW {
            waiting = vec![Watched::Lagged];
        }
        if waiting.is_empty() { Poll::Pending } else { Poll::Ready(Some(waiting.remove(0))) }
    }))
}
