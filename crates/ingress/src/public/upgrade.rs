//! Requests that become byte streams: websocket and other upgrades of HTTP/1.1 (RFC 9110 §7.8), extended CONNECT of
//! HTTP/2 (RFC 8441), and plain CONNECT. On the link an upgrade is extended CONNECT.

use std::time::Duration;

use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, Version, header};
use http_body_util::Empty;
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use penstock_domain::Error;
use penstock_http::{Body, body, headers};
use penstock_link::{Protocol, Receive, Send, Stream};
use penstock_relay::{Meter, join};
use tokio::time::{sleep, timeout};

use super::{answer::Download, attempt::Fault, errand::Errand, flight::Flight, malformed, websocket};
use crate::worker::Lease;

/// Upgrades that are about one hop and that we do not make.
const OURS: [&str; 2] = ["h2c", "tls"];

/// A request for a byte stream.
pub(super) struct Asked {
    how: How,
    on: OnUpgrade,
}

enum How {
    /// HTTP/1.1: the token, and the proof that a websocket's caller wants.
    Upgrade { token: HeaderValue, accept: Option<HeaderValue> },
    /// HTTP/2: the protocol.
    Extended(String),
    /// CONNECT of either.
    Connect,
}

impl Asked {
    pub(super) const fn is_plain_connect(&self) -> bool {
        matches!(self.how, How::Connect)
    }

    fn protocol(&self) -> Option<Protocol> {
        match &self.how {
            How::Upgrade { token, .. } => token.to_str().ok().map(Protocol::from),
            How::Extended(protocol) => Some(Protocol::from(protocol.as_str())),
            How::Connect => None,
        }
    }
}

/// What the request wants to become; none if it is an ordinary one.
pub(super) fn asked<B>(request: &mut Request<B>) -> Result<Option<Asked>, Error> {
    let how = if *request.method() == Method::CONNECT {
        let protocol = request.extensions().get::<hyper::ext::Protocol>();
        protocol.map_or(How::Connect, |protocol| How::Extended(protocol.as_str().to_owned()))
    } else {
        let Some(token) = token(request) else { return Ok(None) };
        let accept = if token.as_bytes().eq_ignore_ascii_case(b"websocket") {
            Some(websocket::accept(request.headers()).ok_or_else(|| malformed("its websocket handshake"))?)
        } else {
            None
        };
        How::Upgrade { token, accept }
    };
    Ok(Some(Asked { how, on: hyper::upgrade::on(request) }))
}

/// The upgrade that a request of HTTP/1.1 asks for; none where it may be passed over, for a server may (RFC 9110
/// §7.8).
fn token<B>(request: &Request<B>) -> Option<HeaderValue> {
    let fields = request.headers();
    if request.version() != Version::HTTP_11 || *request.method() != Method::GET || has_body(fields) {
        return None;
    }
    let connection = fields.get_all(header::CONNECTION).iter().filter_map(|value| value.to_str().ok());
    let mut options = connection.flat_map(|value| value.split(','));
    if !options.any(|option| option.trim().eq_ignore_ascii_case("upgrade")) {
        return None;
    }
    let token = fields.get(header::UPGRADE)?;
    let text = token.to_str().ok()?;
    let name = text.split('/').next().unwrap_or_default();
    let passed = !text.is_empty()
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._/".contains(&byte))
        && !OURS.iter().any(|ours| name.eq_ignore_ascii_case(ours));
    passed.then(|| token.clone())
}

fn has_body(fields: &HeaderMap) -> bool {
    fields.contains_key(header::TRANSFER_ENCODING)
        || fields.get(header::CONTENT_LENGTH).is_some_and(|length| length != "0")
}

/// Asks a worker for the byte stream, and joins it with the caller's.
pub(super) async fn upgrade(
    mut errand: Errand,
    asked: Asked,
    mut flight: Flight,
) -> Result<Response<Body>, Error> {
    let opened = tokio::select! {
        opened = open(&mut errand, asked.protocol()) => opened,
        error = flight.over() => Err(error),
    };
    let (lease, response, send) = match opened {
        Ok(opened) => opened,
        Err(error) => {
            flight.refused(&error);
            return Err(error);
        }
    };
    let accepted = response.status().is_success();
    let (mut parts, receive) = response.into_parts();
    headers::strip_hop_by_hop(&mut parts.headers);
    if let Some(cookie) = errand.cookie() {
        parts.headers.append(header::SET_COOKIE, cookie);
    }
    if !accepted {
        return Ok(refused(&errand, parts, receive, send, lease, flight));
    }
    if let How::Upgrade { token, accept } = asked.how {
        parts.status = StatusCode::SWITCHING_PROTOCOLS;
        parts.headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
        parts.headers.insert(header::UPGRADE, token);
        accept.and_then(|accept| parts.headers.insert(header::SEC_WEBSOCKET_ACCEPT, accept));
    }
    parts.headers.remove(header::CONTENT_LENGTH);
    flight.answered(parts.status, Some(lease.worker.name()));
    tokio::spawn(relay(errand, asked.on, Stream { receive, send }, lease, flight));
    let mut answer = Response::new(body::any(Empty::new()));
    (*answer.status_mut(), *answer.headers_mut()) = (parts.status, parts.headers);
    Ok(answer)
}

/// A worker's answer that is no byte stream.
fn refused(
    errand: &Errand,
    parts: http::response::Parts,
    receive: Receive,
    mut send: Send,
    lease: Lease,
    mut flight: Flight,
) -> Response<Body> {
    // A stream that is gone has nothing left to be told.
    let _gone = send.finish();
    flight.answered(parts.status, Some(lease.worker.name()));
    let download = Download::new(receive, None, errand.inner.settings.idle(), lease, flight);
    let mut answer = Response::new(body::any(download));
    (*answer.status_mut(), *answer.headers_mut()) = (parts.status, parts.headers);
    answer
}

/// The worker's answer, and the way to it.
async fn open(
    errand: &mut Errand,
    protocol: Option<Protocol>,
) -> Result<(Lease, Response<Receive>, Send), Error> {
    errand.connect();
    loop {
        let lease = errand.lease().await?;
        let mut request = errand.request();
        if let Some(protocol) = &protocol {
            request.extensions_mut().insert(protocol.clone());
        }
        match ask(&lease, request, errand.patience()).await {
            Ok((response, send)) => return Ok((lease, response, send)),
            Err(fault) => errand.again(&lease, fault, true)?,
        }
    }
}

async fn ask(
    lease: &Lease,
    request: Request<()>,
    patience: Duration,
) -> Result<(Response<Receive>, Send), Fault> {
    let sent = lease.link.link.request(request, false).await;
    let exchange = sent.map_err(|failure| Fault::Unsent(failure.why))?;
    let head = timeout(patience, exchange.answer.head()).await;
    let response = head.map_err(|_| Fault::Late)?.map_err(Fault::Failed)?;
    let send = exchange.send.ok_or_else(|| Fault::Unsent("the stream has no way out".into()))?;
    Ok((response, send))
}

/// Relays until both directions have ended, nothing has passed for long, or everything ends.
async fn relay(errand: Errand, on: OnUpgrade, stream: Stream, lease: Lease, mut flight: Flight) {
    let Ok(upgraded) = on.await else { return };
    let meter = Meter::default();
    tokio::select! {
        ended = join(stream, TokioIo::new(upgraded), &meter) => {
            if let Err(cut) = ended {
                tracing::debug!(target: "penstock::ingress", %cut, "an upgraded connection was cut");
            }
        }
        () = silence(&meter, errand.inner.settings.idle()) => {}
        () = errand.inner.close.cancelled() => {}
        _error = flight.over() => {}
    }
    flight.sent(usize::try_from(meter.client()).unwrap_or(usize::MAX));
    drop(lease);
}

async fn silence(meter: &Meter, most: Duration) {
    let passed = || (meter.client(), meter.upstream());
    let mut before = passed();
    loop {
        sleep(most).await;
        let now = passed();
        if now == before {
            return;
        }
        before = now;
    }
}
