//! Requests that become byte streams: websocket and other upgrades of HTTP/1.1 (RFC 9110 §7.8), extended CONNECT of
//! HTTP/2 (RFC 8441), and plain CONNECT. On the link an upgrade is extended CONNECT.

use std::{
    future::poll_fn,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, Version, header};
use http_body_util::Empty;
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use penstock_domain::Error;
use penstock_http::{Body, body, headers};
use penstock_link::{Protocol, Receive, Send, Stream};
use penstock_relay::{Meter, join};
use tokio::time::{sleep, timeout};
use tokio_util::sync::WaitForCancellationFutureOwned;

use super::{
    Refused, answer::Download, attempt::Fault, errand::Errand, flight::Flight, malformed, websocket,
};
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

/// A byte stream to a worker. It counts as a request for as long as this is held.
pub struct Opened {
    /// The head of the worker's answer, without what is about one hop.
    pub head: http::response::Parts,
    /// Its bytes, and those for it.
    pub stream: Stream,
    /// What is to be held while they pass.
    pub held: Held,
}

/// The place of a byte stream among the requests that are served.
pub struct Held {
    _lease: Lease,
    flight: Flight,
    closing: Pin<Box<WaitForCancellationFutureOwned>>,
}

/// Asks a worker for the byte stream, and joins it with the caller's.
pub(super) async fn upgrade(errand: Errand, asked: Asked, flight: Flight) -> Result<Response<Body>, Refused> {
    let idle = errand.inner.settings.idle();
    let Opened { mut head, stream, held } = opened(errand, asked.protocol(), flight).await?;
    if let How::Upgrade { token, accept } = asked.how {
        head.status = StatusCode::SWITCHING_PROTOCOLS;
        head.headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
        head.headers.insert(header::UPGRADE, token);
        accept.and_then(|accept| head.headers.insert(header::SEC_WEBSOCKET_ACCEPT, accept));
    }
    tokio::spawn(relay(asked.on, stream, held, idle));
    let mut answer = Response::new(body::any(Empty::new()));
    (*answer.status_mut(), *answer.headers_mut()) = (head.status, head.headers);
    Ok(answer)
}

/// Asks a worker for the byte stream.
pub(super) async fn opened(
    mut errand: Errand,
    protocol: Option<Protocol>,
    mut flight: Flight,
) -> Result<Opened, Refused> {
    let asking = tokio::select! {
        asking = open(&mut errand, protocol) => asking,
        error = flight.over() => Err(error),
    };
    let (lease, response, send) = asking.inspect_err(|error| flight.refused(error))?;
    flight.answered(response.status(), Some(lease.worker.name()));
    let (mut head, receive) = response.into_parts();
    headers::strip_hop_by_hop(&mut head.headers);
    if let Some(cookie) = errand.cookie() {
        head.headers.append(header::SET_COOKIE, cookie);
    }
    if !head.status.is_success() {
        return Err(Refused::With(Box::new(denied(&errand, head, receive, send, lease, flight))));
    }
    head.headers.remove(header::CONTENT_LENGTH);
    let closing = Box::pin(errand.inner.close.clone().cancelled_owned());
    let held = Held { _lease: lease, flight, closing };
    Ok(Opened { head, stream: Stream { receive, send }, held })
}

/// A worker's answer that is no byte stream.
fn denied(
    errand: &Errand,
    head: http::response::Parts,
    receive: Receive,
    mut send: Send,
    lease: Lease,
    flight: Flight,
) -> Response<Body> {
    // A stream that is gone has nothing left to be told.
    let _gone = send.finish();
    let download = Download::new(receive, None, errand.inner.settings.idle(), lease, flight);
    let mut answer = Response::new(body::any(download));
    (*answer.status_mut(), *answer.headers_mut()) = (head.status, head.headers);
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

/// Relays until both directions have ended or the stream may be no longer.
async fn relay(on: OnUpgrade, stream: Stream, mut held: Held, idle: Duration) {
    let Ok(upgraded) = on.await else { return };
    let meter = Meter::default();
    tokio::select! {
        ended = join(stream, TokioIo::new(upgraded), &meter) => {
            if let Err(cut) = ended {
                tracing::debug!(target: "penstock::ingress", %cut, "an upgraded connection was cut");
            }
        }
        () = silence(&meter, idle) => {}
        () = poll_fn(|cx| held.poll_over(cx)) => {}
    }
    held.sent(usize::try_from(meter.client()).unwrap_or(usize::MAX));
}

impl Held {
    /// Ready when the stream may be no longer: everything ends, or the caller's login does.
    pub fn poll_over(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.closing.as_mut().poll(cx).is_ready() { Poll::Ready(()) } else { self.flight.poll_over(cx) }
    }

    /// Counts bytes that the caller was sent.
    pub fn sent(&mut self, bytes: usize) {
        self.flight.sent(bytes);
    }
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
