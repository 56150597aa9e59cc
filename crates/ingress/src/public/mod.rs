//! Public requests, on their way to workers.

mod answer;
mod attempt;
mod errand;
mod flight;
mod forward;
mod head;
mod passage;
mod source;
mod upgrade;
mod websocket;

use std::{future::Future, sync::Arc};

use bytes::Bytes;
use http::{HeaderValue, Request, Response, header, request::Parts, uri::Authority};
use http_body::Body as HttpBody;
use hyper::body::Incoming;
use penstock_domain::{Code, Error, Side};
use penstock_http::{Body, Handler, Peer, body};
use penstock_link::Protocol;

use crate::{Ingress, Route, climbs, routes::Routes};

use self::{errand::Errand, flight::Flight, head::authority, upgrade::Asked};
pub use self::{
    passage::Passage,
    upgrade::{Held, Opened},
};

/// Says who may pass, before a worker hears of a request.
pub trait Gatekeeper: Clone + Send + Sync + 'static {
    /// Admits a request, perhaps with other headers, or answers it.
    fn admit(
        &self,
        route: &Route,
        head: &mut Parts,
        peer: &Arc<Peer>,
    ) -> impl Future<Output = Result<Passage, Response<Body>>> + Send;
}

/// Everyone may pass.
#[derive(Clone, Copy, Debug, Default)]
pub struct Everyone;

impl Gatekeeper for Everyone {
    async fn admit(&self, _: &Route, _: &mut Parts, _: &Arc<Peer>) -> Result<Passage, Response<Body>> {
        Ok(Passage::default())
    }
}

/// The handler of public ports.
#[derive(Clone)]
pub struct Public<G = Everyone> {
    ingress: Ingress,
    gatekeeper: G,
    behind_tls: bool,
}

impl Public {
    /// A handler that lets everyone pass.
    #[must_use]
    pub const fn new(ingress: Ingress) -> Self {
        Self { ingress, gatekeeper: Everyone, behind_tls: false }
    }
}

impl<G: Gatekeeper> Public<G> {
    /// A handler that asks first.
    pub const fn with(ingress: Ingress, gatekeeper: G) -> Self {
        Self { ingress, gatekeeper, behind_tls: false }
    }

    /// With `behind`, TLS ends before a port of plain HTTP: callers speak it though we do not hear it.
    #[must_use]
    pub fn behind_tls(self, behind: bool) -> Self {
        Self { behind_tls: behind, ..self }
    }

    /// Answers a request, with whatever body it comes.
    pub async fn serve<B>(&self, request: Request<B>, peer: &Arc<Peer>) -> Response<Body>
    where
        B: HttpBody<Data = Bytes> + Send + Unpin + 'static,
        B::Error: Into<body::BoxError>,
    {
        self.pass(request, peer).await.unwrap_or_else(Refused::answer)
    }

    /// Asks a worker for a byte stream of that protocol (RFC 8441), for those who relay it themselves.
    ///
    /// # Errors
    /// The answer that refuses it, the worker's or ours.
    pub async fn open(
        &self,
        head: Parts,
        protocol: Protocol,
        peer: &Arc<Peer>,
    ) -> Result<Opened, Response<Body>> {
        let opening = async {
            let (errand, flight) = self.admit(head, Way::Upgrade, peer).await?;
            upgrade::opened(errand, Some(protocol), flight).await
        };
        opening.await.map_err(Refused::answer)
    }

    async fn pass<B>(&self, mut request: Request<B>, peer: &Arc<Peer>) -> Result<Response<Body>, Refused>
    where
        B: HttpBody<Data = Bytes> + Send + Unpin + 'static,
        B::Error: Into<body::BoxError>,
    {
        let asked = upgrade::asked(&mut request)?;
        let (head, body) = request.into_parts();
        let (errand, flight) = self.admit(head, Way::of(asked.as_ref()), peer).await?;
        match asked {
            None => Ok(forward::forward(errand, body, flight).await?),
            Some(asked) => upgrade::upgrade(errand, asked, flight).await,
        }
    }

    /// Finds the route, and asks the gatekeeper.
    async fn admit(&self, mut head: Parts, way: Way, peer: &Arc<Peer>) -> Result<(Errand, Flight), Refused> {
        let inner = &self.ingress.0;
        let routes = inner.routes.load_full();
        let (authority, route) = destination(&routes, &head, way)
            .inspect_err(|error| flight::turned_away(inner, &head, peer, error))?;
        let mut flight = Flight::begin(inner, &route.group, &head, peer);
        match self.gatekeeper.admit(route, &mut head, peer).await {
            Ok(passage) => flight.admitted(passage),
            Err(answer) => {
                flight.answered(answer.status(), None);
                return Err(Refused::With(Box::new(answer)));
            }
        }
        let errand = Errand::new(inner, &route.group, peer, authority, head, way == Way::Upgrade);
        Ok((errand, flight))
    }
}

/// What a request asks for, and the route that leads there.
fn destination<'a>(
    routes: &'a Routes,
    head: &Parts,
    way: Way,
) -> Result<(Option<Authority>, &'a Route), Error> {
    let authority = authority(head)?;
    let path = if way == Way::Connect { "/" } else { head.uri.path() };
    if climbs(path) {
        return Err(malformed("its path climbs with `..`"));
    }
    let host = authority.as_ref().map_or("", |authority| authority.host());
    let route = routes.find(host, path).ok_or_else(|| not_published(host))?;
    if way == Way::Connect && !route.connect {
        return Err(Error::new(Code::Forbidden, Side::Client, "CONNECT does not pass here"));
    }
    Ok((authority, route))
}

/// How a request goes out on a link.
#[derive(Clone, Copy, Eq, PartialEq)]
enum Way {
    Ordinary,
    /// As extended CONNECT.
    Upgrade,
    /// As plain CONNECT.
    Connect,
}

impl Way {
    fn of(asked: Option<&Asked>) -> Self {
        match asked {
            None => Self::Ordinary,
            Some(asked) if asked.is_plain_connect() => Self::Connect,
            Some(_) => Self::Upgrade,
        }
    }
}

/// A request that no worker serves, or not as it was asked.
enum Refused {
    /// Because of this.
    For(Error),
    /// With this answer.
    With(Box<Response<Body>>),
}

impl From<Error> for Refused {
    fn from(error: Error) -> Self {
        Self::For(error)
    }
}

impl Refused {
    fn answer(self) -> Response<Body> {
        match self {
            Self::For(error) => refusal(&error),
            Self::With(answer) => *answer,
        }
    }
}

impl<G: Gatekeeper> Handler for Public<G> {
    fn handle(
        &self,
        request: Request<Incoming>,
        peer: &Arc<Peer>,
    ) -> impl Future<Output = Response<Body>> + Send + 'static {
        let this = self.clone();
        let peer = if self.behind_tls && !peer.tls {
            Arc::new(Peer { tls: true, ..Peer::clone(peer) })
        } else {
            Arc::clone(peer)
        };
        async move { this.serve(request, &peer).await }
    }
}

/// The answer that an error is.
fn refusal(error: &Error) -> Response<Body> {
    let mut response = body::problem(error);
    if matches!(error.code, Code::AgentOffline | Code::Draining | Code::Limited) {
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("2"));
    }
    response
}

fn malformed(what: &str) -> Error {
    Error::new(Code::Malformed, Side::Client, format!("the request is refused: {what}"))
}

fn not_published(host: &str) -> Error {
    Error::new(Code::NotFound, Side::Client, format!("nothing is published here for {host:?}"))
        .hint("a route names the host, and perhaps the beginning of the path")
}
