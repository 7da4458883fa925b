//! The relay's metrics, for Prometheus.

use std::{
    fmt,
    net::SocketAddr,
    sync::{Arc, Weak},
};

use anocm_core::{
    relay::{Histogram, Relay, Statistics},
    store::{Health, Level},
    wire::Posture,
};
use anocm_ws::server::{ListenOptions, Listener};
use axum::{Router, http::StatusCode, response::IntoResponse, routing::get};
use hyper::header::CONTENT_TYPE;
use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeMetric, NoLabelSet, text},
    metrics::{MetricType, counter::ConstCounter, gauge::ConstGauge},
    registry::Registry,
};

use crate::Failure;

/// The content type that Prometheus expects.
const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Binds a port for the metrics.
pub(crate) async fn bind(address: SocketAddr) -> Result<Listener, Failure> {
    let fail = |source| Failure::Listen { address, source };
    let options = ListenOptions { max_connections: 8, ..ListenOptions::default() };
    let listener = Listener::bind(address, options).await.map_err(fail)?;
    if !listener.local_addr().map_err(fail)?.ip().is_loopback() {
        tracing::warn!("others may see the metrics: they tell when something happens");
    }
    Ok(listener)
}

/// Serves the metrics of `relay` and nothing else.
pub(crate) async fn serve(listener: Listener, relay: Weak<Relay>) {
    let mut registry = Registry::with_prefix("anocm");
    registry.register_collector(Box::new(Numbers(relay)));
    let registry = Arc::new(registry);
    let site = Router::new().route("/metrics", get(move || async move { show(&registry) }));
    listener.serve(site, std::future::pending()).await;
}

fn show(registry: &Registry) -> impl IntoResponse + use<> {
    let mut text = String::new();
    match text::encode(&mut text, registry) {
        Ok(()) => Ok(([(CONTENT_TYPE, OPEN_METRICS)], text)),
        Err(fmt::Error) => Err(StatusCode::INTERNAL_SERVER_ERROR),
    }
}

/// Collects the relay's metrics at each scrape.
#[derive(Debug)]
struct Numbers(Weak<Relay>);

impl Collector for Numbers {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let Some(relay) = self.0.upgrade() else {
            return Ok(());
        };
        encode(&relay.statistics(), &mut encoder)
    }
}

fn encode(numbers: &Statistics, to: &mut DescriptorEncoder<'_>) -> fmt::Result {
    gauge(to, "connections", "Connections now", numbers.connections)?;
    gauge(to, "connections_limit", "Connections at most", numbers.max_connections)?;
    store(numbers, to)?;
    gauge(to, "watched_rooms", "Rooms with a subscriber at this relay", numbers.watched_rooms)?;
    counter(to, "connected", "Connections that were taken", numbers.connected)?;
    counter(to, "turned_away", "Connections without a place", numbers.turned_away)?;
    counter(to, "stalled", "Connections that took nothing for too long", numbers.stalled)?;
    family(to, "requests", "Requests by kind", &numbers.requests)?;
    family(to, "refusals", "Refused requests by reason", &numbers.refusals)?;
    counter(to, "frames_sent", "Frames written", numbers.frames_sent)?;
    counter(to, "sent_bytes", "Bytes of frames written", numbers.bytes_sent)?;
    counter(to, "received_bytes", "Bytes of frames read", numbers.bytes_received)?;
    histogram(to, "answer_seconds", "How long requests took to be answered", &numbers.answers)?;
    histogram(to, "write_seconds", "How long writing what waited took", &numbers.writes)
}

/// Encodes the metrics of the store. Unknown numbers are left out.
fn store(numbers: &Statistics, to: &mut DescriptorEncoder<'_>) -> fmt::Result {
    let status = &numbers.store;
    gauge(to, "store_ready", "Whether the store answers", (status.health == Health::Ready).into())?;
    if let Some(Level { used, limit }) = status.memory {
        gauge(to, "memory_bytes", "Memory that rooms take", used)?;
        let help = "Memory at which new rooms and messages are refused";
        gauge(to, "memory_limit_bytes", help, limit)?;
    }
    if let Some(Level { used, limit }) = status.rooms {
        gauge(to, "rooms", "Rooms, with and without subscribers", used)?;
        gauge(to, "rooms_limit", "Rooms at most", limit)?;
    }
    if let Some(entries) = status.entries {
        gauge(to, "entries", "Entries that are kept", entries)?;
    }
    let help = "What guests are told of the memory-only promise";
    let mut posture = to.encode_descriptor("posture", help, None, MetricType::Gauge)?;
    for (name, state) in
        [("kept", Posture::Kept), ("unknown", Posture::Unknown), ("broken", Posture::Broken)]
    {
        let is = ConstGauge::new(i64::from(numbers.posture == state));
        is.encode(posture.encode_family(&[("state", name)])?)?;
    }
    Ok(())
}

fn gauge(to: &mut DescriptorEncoder<'_>, name: &str, help: &str, value: u64) -> fmt::Result {
    let gauge = ConstGauge::new(i64::try_from(value).unwrap_or(i64::MAX));
    gauge.encode(to.encode_descriptor(name, help, None, gauge.metric_type())?)
}

fn counter(to: &mut DescriptorEncoder<'_>, name: &str, help: &str, value: u64) -> fmt::Result {
    let counter = ConstCounter::new(value);
    counter.encode(to.encode_descriptor(name, help, None, counter.metric_type())?)
}

fn family(
    to: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    values: &[(&str, u64)],
) -> fmt::Result {
    let mut family = to.encode_descriptor(name, help, None, MetricType::Counter)?;
    for &(kind, value) in values {
        ConstCounter::new(value).encode(family.encode_family(&[("kind", kind)])?)?;
    }
    Ok(())
}

fn histogram(
    to: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    values: &Histogram,
) -> fmt::Result {
    let seconds = |millis: u64| std::time::Duration::from_millis(millis).as_secs_f64();
    let bound = |bound: Option<u64>| bound.map_or(f64::INFINITY, seconds);
    let buckets: Vec<_> = values.buckets.iter().map(|&(most, n)| (bound(most), n)).collect();
    let count = buckets.iter().map(|&(_, n)| n).sum();
    let mut encoder = to.encode_descriptor(name, help, None, MetricType::Histogram)?;
    encoder.encode_histogram::<NoLabelSet>(seconds(values.sum), count, &buckets, None)
}

#[cfg(test)]
mod tests {
    use anocm_core::{
        TokioClock,
        relay::RelayConfig,
        store::{MemoryLimits, MemoryStore},
        transport::Transport,
    };
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::TcpStream,
    };

    use super::*;

    #[tokio::test]
    async fn prometheus_gets_numbers_as_it_wants_them() {
        let clock = Arc::new(TokioClock::new());
        let store = MemoryStore::new(clock.clone(), MemoryLimits::default()).unwrap();
        let relay = Relay::new(store, clock, RelayConfig::default()).unwrap();
        let listener = bind(([127, 0, 0, 1], 0).into()).await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(serve(listener, Arc::downgrade(&relay)));
        let alice = relay.transport().connect().await.unwrap();
        alice.send(&[b"no hello".to_vec().into()]).await.unwrap();
        assert!(matches!(alice.recv().await, Ok(None) | Err(_)));

        let mut tcp = TcpStream::connect(address).await.unwrap();
        tcp.write_all(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
        let mut answer = String::new();
        tcp.read_to_string(&mut answer).await.unwrap();
        for line in [
            "HTTP/1.1 200 OK",
            "content-type: application/openmetrics-text; version=1.0.0; charset=utf-8",
            "# TYPE anocm_connections gauge",
            "anocm_connections 0",
            "anocm_connections_limit 10000",
            "anocm_store_ready 1",
            "anocm_memory_bytes 0",
            "anocm_memory_limit_bytes 966367642",
            "anocm_rooms 0",
            "anocm_rooms_limit 100000",
            "anocm_entries 0",
            r#"anocm_posture{state="kept"} 0"#,
            r#"anocm_posture{state="unknown"} 1"#,
            "anocm_connected_total 1",
            r#"anocm_requests_total{kind="publish"} 0"#,
            r#"anocm_answer_seconds_bucket{le="0.001"} 0"#,
            r#"anocm_answer_seconds_bucket{le="+Inf"} 0"#,
            "# EOF",
        ] {
            assert!(answer.lines().any(|said| said == line), "{line} is missing:\n{answer}");
        }
    }
}
