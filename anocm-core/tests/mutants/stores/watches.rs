//! Faulty watches.

use std::task::Poll;

use anocm_core::store::{Watch, Watched};
use futures_util::{Stream, StreamExt, stream};

/// The buffer size of a watch that lags too early.
const FEW: usize = 16;

/// Drops items that exceed the buffer without reporting it.
pub(super) fn lags_silently(watch: Watch) -> Watch {
    Watch::new(watch.filter(|item| std::future::ready(*item != Watched::Lagged)))
}

/// Does not end after the last item.
pub(super) fn goes_on(watch: Watch) -> Watch {
    Watch::new(watch.chain(stream::pending()))
}

/// Buffers only a few items.
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
