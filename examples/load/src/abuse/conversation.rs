//! The normal conversation, which goes on whatever others do.

use std::{
    slice,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use anocm_core::Retention;
use tokio::{sync::mpsc, time::Instant};

use crate::{
    fanout::rooms,
    guest::{
        clients::{Crowd, Shared, Troubles, gather},
        mark::Marker,
        publish,
        room::random,
        socket::Target,
    },
    latency::Latencies,
    measure::{MeasureError, delivered, drain},
};

/// Sealed bytes of a message.
const SIZE: usize = 1_000;

/// Guests in a room of their own, one of whom talks.
pub(super) struct Conversation {
    crowds: Vec<Crowd>,
    guests: u32,
    apart: Duration,
    latencies: Arc<Latencies>,
    troubles: Arc<Troubles>,
}

impl Conversation {
    /// Fills the room.
    pub(super) async fn begin(
        target: &Target,
        guests: u32,
        rate: f64,
    ) -> Result<Self, MeasureError> {
        let latencies = Arc::new(Latencies::new()?);
        let troubles = Arc::new(Troubles::default());
        let shared = Shared {
            marker: Marker::new(random()?),
            latencies: Arc::clone(&latencies),
            troubles: Arc::clone(&troubles),
            size: SIZE,
            in_flight: 0,
        };
        let crowds =
            gather(slice::from_ref(target), rooms(1, Retention::Live, false)?, guests, &shared)
                .await?;
        let apart = Duration::from_secs_f64(1.0 / rate);
        Ok(Self { crowds, guests, apart, latencies, troubles })
    }

    /// Talks until `until` is over, at its rate whatever becomes of the messages. Gives how long
    /// they took.
    pub(super) async fn talk<T>(
        &self,
        until: impl Future<Output = T>,
    ) -> Result<(T, Latencies), MeasureError> {
        let over = Arc::new(AtomicBool::new(false));
        let (pacers, times): (Vec<_>, Vec<_>) =
            self.crowds.iter().map(|_| mpsc::unbounded_channel()).unzip();
        let ends = Arc::clone(&over);
        publish::pace_while(pacers, Instant::now(), self.apart, move |_| {
            !ends.load(Ordering::Acquire)
        });
        let sending = self.crowds.iter().zip(times);
        let sending = sending.map(|(crowd, times)| publish::open(crowd, SIZE, times));
        let sending = futures_util::future::try_join_all(sending);
        let ended = async {
            let ended = until.await;
            over.store(true, Ordering::Release);
            ended
        };
        let (sent, ended) = tokio::join!(sending, ended);
        sent?;
        drain(&self.crowds, self.guests).await;
        Ok((ended, self.latencies.take()))
    }

    /// Messages since the beginning.
    pub(super) fn messages(&self) -> u64 {
        let sent = self.crowds.iter().map(|crowd| crowd.room.sent.load(Ordering::Acquire));
        sent.fold(0, u64::saturating_add)
    }

    /// Deliveries of them that never came.
    pub(super) fn lost(&self) -> u64 {
        let due = self.messages().saturating_mul(self.guests.into());
        due.saturating_sub(delivered(&self.crowds))
    }

    /// What went wrong for those who talk.
    pub(super) fn troubles(&self) -> Vec<String> {
        self.troubles.lines()
    }
}
