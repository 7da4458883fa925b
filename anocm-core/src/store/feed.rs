//! Bounded queues between a room and those who watch it.

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

/// Items that wait for one watch before it lags.
const MAX_WAITING: usize = 256;
/// Sealed bytes that wait for one watch before it lags.
const MAX_WAITING_BYTES: usize = 16 * MAX_SEALED;

/// Everyone who watches one room: what a back end makes its watches of.
///
/// A watch that is not read holds back 256 items or a little over a megabyte of sealed bytes, and
/// lags from then on. With a [clock](Self::with_clock) an entry that waits grows older meanwhile.
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
    /// Feeds whose watches add to an entry's age the time for which it waited to be read. Without
    /// a clock a watch yields the age that was told.
    #[must_use]
    pub fn with_clock(clock: Arc<dyn Clock>) -> Self {
        Self { feeds: Vec::new(), clock: Some(clock) }
    }

    /// A new watch, which sees what is told from now on.
    pub fn watch(&mut self) -> Watch {
        self.feeds.retain(|feed| feed.strong_count() > 0);
        let feed = Arc::new(Feed { clock: self.clock.clone(), waiting: Mutex::default() });
        self.feeds.push(Arc::downgrade(&feed));
        Watch::new(Watching(feed))
    }

    /// Tells every watch. A payload in `item` is shared, not copied.
    pub fn tell(&mut self, item: &Watched) {
        self.feeds.retain(|feed| {
            let Some(feed) = feed.upgrade() else {
                return false;
            };
            feed.tell(item.clone());
            true
        });
    }

    /// Whether anybody still has a watch.
    #[must_use]
    pub fn is_watched(&self) -> bool {
        self.feeds.iter().any(|feed| feed.strong_count() > 0)
    }

    /// Ends every watch.
    pub fn close(&mut self, reason: CloseReason) {
        self.tell(&Watched::Closed(reason));
        self.feeds.clear();
    }
}

struct Feed {
    clock: Option<Arc<dyn Clock>>,
    waiting: Mutex<Waiting>,
}

#[derive(Default)]
struct Waiting {
    /// With the moment since when each waits.
    items: VecDeque<(Timestamp, Watched)>,
    bytes: usize,
    ended: bool,
    reader: Option<Waker>,
}

impl Feed {
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        // Every change below is whole before anything could panic.
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn now(&self) -> Timestamp {
        self.clock.as_ref().map_or(Timestamp::ZERO, |clock| clock.now())
    }

    fn tell(&self, item: Watched) {
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
        if let Some((told, mut item)) = waiting.items.pop_front() {
            if let Watched::Entry(item) = &mut item {
                item.age =
                    item.age.saturating_add(millis(self.0.now().saturating_duration_since(told)));
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
