//! The normal conversation, which continues during the abuse.

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
        clients::{Clients, Shared, Troubles, gather},
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

/// Guests in a room of their own. One of them sends.
pub(super) struct Conversation {
    clients: Vec<Clients>,
    guests: u32,
    apart: Duration,
    latencies: Arc<Latencies>,
    troubles: Arc<Troubles>,
}

impl Conversation {
    /// Opens the room and connects all guests.
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
        let clients =
            gather(slice::from_ref(target), rooms(1, Retention::Live, false)?, guests, &shared)
                .await?;
        let apart = Duration::from_secs_f64(1.0 / rate);
        Ok(Self { clients, guests, apart, latencies, troubles })
    }

    /// Sends messages until `until` completes, at a fixed rate (an open loop). Returns the result
    /// of `until` and the latencies.
    pub(super) async fn talk<T>(
        &self,
        until: impl Future<Output = T>,
    ) -> Result<(T, Latencies), MeasureError> {
        let over = Arc::new(AtomicBool::new(false));
        let (pacers, times): (Vec<_>, Vec<_>) =
            self.clients.iter().map(|_| mpsc::unbounded_channel()).unzip();
        let ends = Arc::clone(&over);
        publish::pace_while(pacers, Instant::now(), self.apart, move |_| {
            !ends.load(Ordering::Acquire)
        });
        let sending = self.clients.iter().zip(times);
        let sending = sending.map(|(clients, times)| publish::open(clients, SIZE, times));
        let sending = futures_util::future::try_join_all(sending);
        let ended = async {
            let ended = until.await;
            over.store(true, Ordering::Release);
            ended
        };
        let (sent, ended) = tokio::join!(sending, ended);
        sent?;
        drain(&self.clients, self.guests).await;
        Ok((ended, self.latencies.take()))
    }

    /// Returns the number of messages since the beginning.
    pub(super) fn messages(&self) -> u64 {
        let sent = self.clients.iter().map(|clients| clients.room.sent.load(Ordering::Acquire));
        sent.fold(0, u64::saturating_add)
    }

    /// Returns how many deliveries of them never arrived.
    pub(super) fn lost(&self) -> u64 {
        let due = self.messages().saturating_mul(self.guests.into());
        due.saturating_sub(delivered(&self.clients))
    }

    /// Returns the errors of the conversation's guests.
    pub(super) fn troubles(&self) -> Vec<String> {
        self.troubles.lines()
    }
}
