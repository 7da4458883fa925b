//! The HTTP routes besides the WebSocket, and the headers of all responses.

use std::sync::Weak;

use anocm_core::relay::Relay;
use axum::{
    Router,
    http::StatusCode,
    middleware::map_response,
    response::{Html, IntoResponse, Response},
    routing::get,
};
use hyper::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, HeaderName, HeaderValue, REFERRER_POLICY,
    X_CONTENT_TYPE_OPTIONS,
};

/// Pages load nothing, are not cached, and send no referrer.
const HEADERS: [(HeaderName, &str); 4] = [
    (
        CONTENT_SECURITY_POLICY,
        "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    ),
    (REFERRER_POLICY, "no-referrer"),
    (X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (CACHE_CONTROL, "no-store"),
];

/// Returns the whole site, with the WebSocket in `web_socket`.
pub(crate) fn site(web_socket: Router, relay: Weak<Relay>) -> Router {
    Router::new()
        .route("/", get(Html(include_str!("page.html"))))
        // No details: any client that can reach the relay can request this.
        .route("/health", get("ok"))
        .route("/ready", get(move || async move { readiness(&relay) }))
        .merge(web_socket)
        .layer(map_response(harden))
}

/// Returns whether guests should be sent here. A live relay (`/health`) may be unready for a while:
/// restarting it would end rooms and fix nothing.
fn readiness(relay: &Weak<Relay>) -> impl IntoResponse + use<> {
    match relay.upgrade() {
        Some(relay) if relay.is_ready() => (StatusCode::OK, "ready"),
        _ => (StatusCode::SERVICE_UNAVAILABLE, "not ready"),
    }
}

async fn harden(mut response: Response) -> Response {
    for (name, value) in HEADERS {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    response
}
