//! The requests of callers: each is read, its caller identified, its route found, its destination judged and
//! reached.

mod asked;
mod download;
mod exchange;
mod forward;
mod identity;
mod judge;
mod outgoing;
mod reach;
mod response;
mod tunnelling;
mod upgrade;

use std::{future::Future, sync::Arc, time::Duration};

use http::{Method, Request, Response, Version, header};
use hyper::body::Incoming;
use penstock_domain::{Code, Error, Side};
use penstock_http::{Body, Handler, Peer};
use serde_json::Value;
use tokio::time::timeout;

pub(crate) use self::exchange::Exchange;
use self::{asked::Asked, identity::Identities, judge::Judged, response::Outcome};
use crate::{
    access::{Access, Kind},
    config::Scheme,
    meter::now_ms,
    policy::Ask,
    refusal::Refusal,
    routes::{Act, Forward, Look, To, destination},
    shared::Shared,
    snapshot::Snapshot,
    target::Target,
    watch::Line,
};

/// Characters of a path that the access log keeps.
const LONGEST_PATH: usize = 2_000;

/// Answers the requests of one caller's connection.
#[derive(Clone)]
pub(crate) struct Proxy(Arc<Connection>);

/// One caller's connection.
pub(crate) struct Connection {
    shared: Arc<Shared>,
    listener: Arc<str>,
    connect: bool,
    line: Arc<Line>,
    identities: Identities,
}

impl Proxy {
    /// For a connection of a listener, watched by `line`.
    pub(crate) fn new(shared: &Arc<Shared>, listener: &Arc<str>, connect: bool, line: &Arc<Line>) -> Self {
        Self(Arc::new(Connection {
            shared: Arc::clone(shared),
            listener: Arc::clone(listener),
            connect,
            line: Arc::clone(line),
            identities: Identities::default(),
        }))
    }
}

impl Handler for Proxy {
    fn handle(
        &self,
        request: Request<Incoming>,
        peer: &Arc<Peer>,
    ) -> impl Future<Output = Response<Body>> + Send + 'static {
        let (connection, peer) = (Arc::clone(&self.0), Arc::clone(peer));
        async move { connection.answer(request, &peer).await }
    }
}

/// A request that may go where it goes.
struct Granted<'a> {
    snapshot: &'a Arc<Snapshot>,
    forward: &'a Forward,
    /// The destination that the request names.
    host: Target,
    /// The one to which it goes.
    target: Target,
    scheme: Scheme,
    judged: Judged,
}

impl Connection {
    async fn answer(self: &Arc<Self>, request: Request<Incoming>, peer: &Peer) -> Response<Body> {
        self.shared.counts.requests.add(1);
        let accept = request.headers().get(header::ACCEPT).cloned();
        let snapshot = self.shared.snapshot.load_full();
        let timeouts = &snapshot.config.timeouts;
        // A stream of HTTP/2 is watched for itself: its silence is nothing to its neighbours.
        let stream = (request.version() == Version::HTTP_2)
            .then(|| self.shared.lines.open_stream(timeouts.idle_ms, &self.line));
        let line = stream.as_ref().unwrap_or(&self.line);
        let mut exchange = Exchange::new(&self.shared, line, self.access(&request, peer));
        let limit = timeouts.request_ms;
        let served = within(limit, self.serve(request, peer, snapshot, &mut exchange));
        let served = match &stream {
            None => served.await,
            Some(stream) => Box::pin(unless_stopped(stream, served)).await,
        };
        exchange.stream = stream;
        match served {
            Ok(outcome) => outcome.answer(exchange),
            Err(refusal) => {
                exchange.refused(&refusal);
                refusal.answer(accept.as_ref())
            }
        }
    }

    async fn serve(
        self: &Arc<Self>,
        mut request: Request<Incoming>,
        peer: &Peer,
        snapshot: Arc<Snapshot>,
        exchange: &mut Exchange,
    ) -> Result<Outcome, Refusal> {
        let asked = Asked::of(&request)?;
        exchange.access.requested = asked.target.to_string();
        let caller = self.identities.of(&self.shared, &snapshot, &request, peer).await?;
        exchange.access.principal = Some(Arc::clone(&caller.name));
        exchange.proven.clone_from(&caller.proven);
        let tunnel = request.method() == Method::CONNECT && request.uri().scheme().is_none();
        if tunnel && !self.connect {
            return Err(Error::new(Code::Forbidden, Side::Policy, "CONNECT is not enabled on this listener")
                .hint("an operator can enable it with `connect`")
                .into());
        }
        self.refuse_loops(&request)?;
        let path = asked::path(&request);
        let method = asked::method(&request);
        let look = Look { target: &asked.target, method: &method, path: &path, headers: request.headers() };
        let route = Arc::clone(snapshot.routes.of(&look)?);
        exchange.access.route = Some(Arc::clone(&route.name));
        let forward = match &route.act {
            Act::Deny(reason) => return Err(denied(&route.name, reason)),
            Act::Forward(forward) => forward,
        };
        if tunnel && !forward.terminate_connect {
            let what = format!("route {} does not terminate CONNECT", route.name);
            let error = Error::new(Code::Forbidden, Side::Policy, what);
            return Err(error.hint("an operator can enable it with `terminate_connect`").into());
        }
        let read = self.read_body(&mut request, forward).await?;
        let host = asked.target.clone();
        let (target, scheme) = target(&request, asked, forward, read.as_deref())?;
        if target != host {
            exchange.access.target = Some(target.to_string());
        }
        let path = asked::path(&request);
        let now = now_ms() / 1_000;
        let ask = Ask { caller: &caller, target: &target, method: &method, path: &path, now };
        let guarded = !matches!(forward.to, To::Fixed(..));
        let judged = judge::judge(&self.shared, &snapshot, &ask, guarded, exchange).await?;
        let granted = Granted { snapshot: &snapshot, forward, host, target, scheme, judged };
        if tunnel {
            Box::pin(granted.tunnel(request, exchange)).await
        } else {
            granted.forward(request, read, exchange).await
        }
    }

    /// The bounded body that a template needs; it is then sent from memory.
    async fn read_body(
        &self,
        request: &mut Request<Incoming>,
        forward: &Forward,
    ) -> Result<Option<bytes::Bytes>, Refusal> {
        match forward.to.body_bytes() {
            0 => Ok(None),
            most => Box::pin(forward::read_whole(request.body_mut(), most)).await.map(Some),
        }
    }

    /// A request that carries our own `Via` has come round (RFC 9110 §7.6.3).
    fn refuse_loops(&self, request: &Request<Incoming>) -> Result<(), Refusal> {
        let own = self.shared.via.to_str().unwrap_or_default();
        let came_round = |via: &http::HeaderValue| {
            via.to_str().is_ok_and(|via| via.split(',').any(|hop| hop.trim() == own))
        };
        if request.headers().get_all(header::VIA).iter().any(came_round) {
            let error = Error::new(Code::Malformed, Side::Client, "the request has passed this proxy before");
            return Err(error.hint("do not name the proxy as a destination").into());
        }
        Ok(())
    }

    fn access(&self, request: &Request<Incoming>, peer: &Peer) -> Access {
        let uri = request.uri();
        let connect = request.method() == Method::CONNECT;
        let tunnel = connect && uri.scheme().is_none();
        let kind = if tunnel { Kind::Tunnel } else { Kind::Request };
        let mut access = Access::new(Arc::clone(&self.listener), peer.address, kind);
        request.method().as_str().clone_into(&mut access.method);
        access.path = (!tunnel).then(|| match uri.path() {
            short if short.len() <= LONGEST_PATH => short.to_owned(),
            long => long.chars().take(LONGEST_PATH).collect(),
        });
        access
    }
}

/// Bounds what a stream of HTTP/2 waits for.
async fn unless_stopped<T>(
    stream: &Line,
    served: impl Future<Output = Result<T, Refusal>>,
) -> Result<T, Refusal> {
    tokio::select! {
        served = served => served,
        ending = stream.stopped() => {
            let error = Error::new(Code::UpstreamTimeout, Side::Gateway, ending.to_string());
            Err(error.hint("the limit is timeouts.idle_ms").into())
        }
    }
}

/// Where the route sends it.
fn target(
    request: &Request<Incoming>,
    asked: Asked,
    forward: &Forward,
    read: Option<&[u8]>,
) -> Result<(Target, Scheme), Refusal> {
    let default = match forward.scheme {
        Scheme::Request => asked.scheme,
        scheme => scheme,
    };
    if let To::Fixed(target, _) = &forward.to {
        return Ok((target.clone(), default));
    }
    let body = match read {
        None => Value::Null,
        Some(read) => serde_json::from_slice(read).map_err(|_| {
            Error::new(Code::Malformed, Side::Client, "the body is no JSON, and the route looks into it")
        })?,
    };
    match forward.to.text(request.headers(), &body)? {
        None => Ok((asked.target, default)),
        Some(text) => Ok(destination(&text, default)?),
    }
}

/// Bounds a request as a whole; 0 does not.
async fn within<T>(limit_ms: u64, served: impl Future<Output = Result<T, Refusal>>) -> Result<T, Refusal> {
    if limit_ms == 0 {
        return served.await;
    }
    timeout(Duration::from_millis(limit_ms), served).await.unwrap_or_else(|_| {
        let what = format!("the request took longer than {limit_ms} ms");
        let error = Error::new(Code::UpstreamTimeout, Side::Gateway, what);
        Err(error.hint("the limit is timeouts.request_ms").into())
    })
}

fn denied(route: &str, reason: &str) -> Refusal {
    Error::new(Code::Forbidden, Side::Policy, format!("route {route} denies it: {reason}"))
        .hint("ask for another route")
        .into()
}
