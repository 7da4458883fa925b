//! Bounded queues between a room and its subscribers.

use std::{
    collections::VecDeque,
    fmt,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    task::{Context, Poll, Waker},
};

use futures_core::Stream;

use crate::{
    store::{Watch, Watched},
    time::{Clock, Timestamp, millis},
    wire::{CloseReason, MAX_SEALED},
};

/// Maximum number of items queued for one watch before it lags.
const MAX_WAITING: usize = 256;
/// Maximum number of sealed bytes queued for one watch before it lags.
const MAX_WAITING_BYTES: usize = 16 * MAX_SEALED;

/// The subscribers of one room: back ends create their watches with it.
///
/// A watch that is not read queues up to 256 items or a little over a megabyte of sealed bytes, and
/// lags from then on. With a [clock](Self::with_clock) the age of an entry grows while it is
/// queued.
///
/// # Examples
/// ```
/// use anocm_core::{store::{Feeds, Watched}, wire::CloseReason};
/// use futures_util::StreamExt;
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// let mut feeds = Feeds::default();
/// let mut watch = feeds.watch();
/// feeds.close(CloseReason::Gone);
/// assert_eq!(watch.next().await, Some(Watched::Closed(CloseReason::Gone)));
/// # }
/// ```
#[derive(Default)]
pub struct Feeds {
    feeds: Vec<Weak<Feed>>,
    clock: Option<Arc<dyn Clock>>,
}

impl fmt::Debug for Feeds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Feeds(..)")
    }
}

impl Feeds {
    /// Creates feeds whose watches add to an entry's age the time that it spent in the queue.
    /// Without a clock a watch yields the age that was passed to [`broadcast`](Self::broadcast).
    #[must_use]
    pub fn with_clock(clock: Arc<dyn Clock>) -> Self {
        Self { feeds: Vec::new(), clock: Some(clock) }
    }

    /// Creates a watch that receives every item sent from now on.
    pub fn watch(&mut self) -> Watch {
        self.feeds.retain(|feed| feed.strong_count() > 0);
        let feed = Arc::new(Feed { clock: self.clock.clone(), waiting: Mutex::default() });
        self.feeds.push(Arc::downgrade(&feed));
        Watch::new(Watching(feed))
    }

    /// Sends an item to every watch. A payload in `item` is shared, not copied.
    pub fn broadcast(&mut self, item: &Watched) {
        self.feeds.retain(|feed| {
            let Some(feed) = feed.upgrade() else {
                return false;
            };
            feed.push(item.clone());
            true
        });
    }

    /// Whether any watch is still alive.
    #[must_use]
    pub fn is_watched(&self) -> bool {
        self.feeds.iter().any(|feed| feed.strong_count() > 0)
    }

    /// Ends every watch.
    pub fn close(&mut self, reason: CloseReason) {
        self.broadcast(&Watched::Closed(reason));
        self.feeds.clear();
    }
}

struct Feed {
    clock: Option<Arc<dyn Clock>>,
    waiting: Mutex<Waiting>,
}

#[derive(Default)]
struct Waiting {
    /// Each item with the time at which it was queued.
    items: VecDeque<(Timestamp, Watched)>,
    bytes: usize,
    ended: bool,
    reader: Option<Waker>,
}

impl Feed {
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        // Every change below is complete before any code that could panic.
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn now(&self) -> Timestamp {
        self.clock.as_ref().map_or(Timestamp::ZERO, |clock| clock.now())
    }

    fn push(&self, item: Watched) {
        let now = self.now();
        let mut waiting = self.lock();
        let fits = waiting.items.len() < MAX_WAITING
            && waiting.bytes.saturating_add(bytes(&item)) <= MAX_WAITING_BYTES;
        if fits || matches!(item, Watched::Closed(_)) {
            waiting.bytes = waiting.bytes.saturating_add(bytes(&item));
            waiting.items.push_back((now, item));
        } else if !matches!(waiting.items.back(), Some((_, Watched::Lagged))) {
            waiting.items.push_back((now, Watched::Lagged));
        }
        let reader = waiting.reader.take();
        drop(waiting);
        if let Some(reader) = reader {
            reader.wake();
        }
    }
}

/// The reading end of a feed.
struct Watching(Arc<Feed>);

impl Stream for Watching {
    type Item = Watched;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Watched>> {
        let mut waiting = self.0.lock();
        if let Some((queued_at, mut item)) = waiting.items.pop_front() {
            if let Watched::Entry(item) = &mut item {
                item.age = item
                    .age
                    .saturating_add(millis(self.0.now().saturating_duration_since(queued_at)));
            }
            waiting.bytes = waiting.bytes.saturating_sub(bytes(&item));
            waiting.ended = matches!(item, Watched::Closed(_));
            return Poll::Ready(Some(item));
        }
        if waiting.ended {
            return Poll::Ready(None);
        }
        waiting.reader = Some(cx.waker().clone());
        Poll::Pending
    }
}

fn bytes(item: &Watched) -> usize {
    match item {
        Watched::Entry(item) => item.entry.sealed.len(),
        _ => 0,
    }
}
