//! The server side of the opening handshake (RFC 6455, section 4.2).
//!
//! Implemented here instead of with axum's extractor, whose WebSocket keeps a read buffer of 128
//! KiB for each connection.
//!
//! The value of `Origin` is not checked. Such a check protects cookies and other credentials that a
//! browser adds by itself; a relay has none. Access to a room needs a token inside a frame, which a
//! foreign page does not have, and the web client may be served from another origin. A relay for
//! one machine can be configured to refuse every request with an `Origin`: otherwise any page open
//! on that machine could reach it and fill it with rooms.

use axum::{
    extract::Request,
    response::{IntoResponse, Response},
};
use data_encoding::BASE64;
use http::{
    HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Version,
    header::{
        ALLOW, CONNECTION, ORIGIN, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_PROTOCOL,
        SEC_WEBSOCKET_VERSION, UPGRADE,
    },
    request::Parts,
};
use hyper::upgrade::OnUpgrade;

use crate::{accept_key::accept_key, token::names};

const WEBSOCKET: HeaderValue = HeaderValue::from_static("websocket");
const VERSION_13: HeaderValue = HeaderValue::from_static("13");

/// A valid WebSocket upgrade request.
pub(super) struct Upgrade {
    /// The request without its body.
    pub(super) parts: Parts,
    /// Resolves to the connection once `response` has been sent.
    pub(super) on: OnUpgrade,
    /// The response that accepts the upgrade.
    pub(super) response: Response,
}

/// Why a request is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    Method,
    NoUpgrade,
    WebSocketVersion,
    Malformed,
    Subprotocol,
    Origin,
}

impl Upgrade {
    pub(super) fn of(mut request: Request, refuse_origin: bool) -> Result<Self, Refusal> {
        if request.method() != Method::GET {
            return Err(Refusal::Method);
        }
        if request.version() != Version::HTTP_11 {
            return Err(Refusal::Malformed);
        }
        let headers = request.headers();
        if refuse_origin && headers.contains_key(ORIGIN) {
            return Err(Refusal::Origin);
        }
        let named = |header: HeaderName, token| {
            names(headers.get_all(header).iter().map(HeaderValue::as_bytes), token)
        };
        if !named(UPGRADE, "websocket") || !named(CONNECTION, "upgrade") {
            return Err(Refusal::NoUpgrade);
        }
        if headers.get(SEC_WEBSOCKET_VERSION) != Some(&VERSION_13) {
            return Err(Refusal::WebSocketVersion);
        }
        // A browser that requests a subprotocol fails when none is selected; an explicit refusal is
        // clearer.
        if headers.contains_key(SEC_WEBSOCKET_PROTOCOL) {
            return Err(Refusal::Subprotocol);
        }
        let accept = accept(headers)?;
        let on = request.extensions_mut().remove::<OnUpgrade>().ok_or(Refusal::NoUpgrade)?;
        let head = [
            (CONNECTION, HeaderValue::from_static("Upgrade")),
            (UPGRADE, WEBSOCKET),
            (SEC_WEBSOCKET_ACCEPT, accept),
        ];
        let response = (StatusCode::SWITCHING_PROTOCOLS, head).into_response();
        Ok(Self { parts: request.into_parts().0, on, response })
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let connection = (CONNECTION, HeaderValue::from_static("Upgrade"));
        match self {
            Self::Method => {
                (StatusCode::METHOD_NOT_ALLOWED, [(ALLOW, HeaderValue::from_static("GET"))])
                    .into_response()
            }
            Self::NoUpgrade => (
                StatusCode::UPGRADE_REQUIRED,
                [connection, (UPGRADE, WEBSOCKET)],
                "this is a WebSocket\n",
            )
                .into_response(),
            Self::WebSocketVersion => (
                StatusCode::UPGRADE_REQUIRED,
                [connection, (UPGRADE, WEBSOCKET), (SEC_WEBSOCKET_VERSION, VERSION_13)],
            )
                .into_response(),
            Self::Malformed => StatusCode::BAD_REQUEST.into_response(),
            Self::Origin => (StatusCode::FORBIDDEN, "no page may speak here\n").into_response(),
            Self::Subprotocol => {
                (StatusCode::BAD_REQUEST, "no subprotocol is spoken here\n").into_response()
            }
        }
    }
}

/// Returns the accept value for the only key: 16 bytes in base64.
fn accept(headers: &HeaderMap) -> Result<HeaderValue, Refusal> {
    let mut keys = headers.get_all(SEC_WEBSOCKET_KEY).iter();
    let (Some(key), None) = (keys.next(), keys.next()) else {
        return Err(Refusal::Malformed);
    };
    let key = key.as_bytes();
    match BASE64.decode(key) {
        Ok(bytes) if bytes.len() == 16 => {
            HeaderValue::try_from(accept_key(key)).map_err(|_| Refusal::Malformed)
        }
        _ => Err(Refusal::Malformed),
    }
}
