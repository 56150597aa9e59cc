//! The handler of the public port: who may enter an app, and the pages for those who are not known yet.

use std::{future::Future, sync::Arc};

use http::{HeaderValue, Method, Request, Response, Uri, header, request::Parts};
use http_body_util::Empty;
use hyper::body::Incoming;
use penstock_domain::{Code, Error, Side};
use penstock_http::{Body, Handler, Peer, body};
use penstock_ingress::{Gatekeeper, Passage, Public as Requests, Route};

use super::{
    Public, challenge, credential,
    visit::{self, Visit},
};
use crate::{http::Asked, shared::Shared};

/// Paths of our own on hosts with an app that identifies its callers.
const OWN: &str = "/.penstock/";

/// Stands before every request to an app.
#[derive(Clone)]
pub(super) struct Door {
    shared: Arc<Shared>,
    public: Arc<Public>,
}

/// [`Door`] with what lies behind it.
#[derive(Clone)]
pub(super) struct House {
    door: Door,
    requests: Requests<Door>,
}

impl House {
    pub(super) fn new(shared: Arc<Shared>, public: Arc<Public>) -> Self {
        let ingress = public.ingress.clone();
        let door = Door { shared, public };
        Self { requests: Requests::with(ingress, door.clone()), door }
    }

    async fn answer(self, request: Request<Incoming>, peer: Arc<Peer>) -> Response<Body> {
        if request.uri().path().starts_with(OWN)
            && let Some(app) = self.door.public.apps.load().identifying(host(&request))
        {
            return self.door.page(request, &app.name, &peer).await;
        }
        self.requests.serve(request, &peer).await
    }
}

impl Handler for House {
    fn handle(
        &self,
        request: Request<Incoming>,
        peer: &Arc<Peer>,
    ) -> impl Future<Output = Response<Body>> + Send + 'static {
        self.clone().answer(request, Arc::clone(peer))
    }
}

impl Gatekeeper for Door {
    async fn admit(
        &self,
        route: &Route,
        head: &mut Parts,
        peer: &Arc<Peer>,
    ) -> Result<Passage, Response<Body>> {
        let cookie = credential::take_cookie(&mut head.headers);
        visit::strip(&mut head.headers);
        let identify = match self.public.apps.load().get(route.group.name()) {
            None => return Err(body::problem(&gone())),
            Some(app) => app.identify.then(|| Arc::clone(app)),
        };
        let Some(app) = identify else { return Ok(Passage::default()) };
        let Some(token) = credential::take_authorization(&mut head.headers).or(cookie) else {
            return Err(challenged(head, &nobody()));
        };
        let (shared, public) = (Arc::clone(&self.shared), Arc::clone(&self.public));
        let visit = Visit { shared, public, app, token, peer: peer.name() };
        let changes = self.public.visitors.changes();
        let entered = match visit.enter().await {
            Ok(visitor) => visit::tell(&mut head.headers, &visitor).map(|()| visitor),
            Err(error) => Err(error),
        };
        match entered {
            Ok(visitor) => {
                let user = Some(visitor.name.clone());
                Ok(Passage { user, over: Some(Box::pin(visit.over(changes, visitor))) })
            }
            Err(error) => Err(self.refuse(head, &visit, peer, &error).await),
        }
    }
}

impl Door {
    async fn refuse(&self, head: &Parts, visit: &Visit, peer: &Peer, error: &Error) -> Response<Body> {
        match error.code {
            Code::Unauthenticated => challenged(head, error),
            Code::Forbidden if challenge::is_page(head) => self.denied(head, visit, peer).await,
            _ => body::problem(error),
        }
    }

    /// The page that says why, in the place of what was asked for.
    async fn denied(&self, head: &Parts, visit: &Visit, peer: &Peer) -> Response<Body> {
        let mut request = Request::new(Empty::new());
        *request.method_mut() = head.method.clone();
        *request.uri_mut() = Uri::from_static("/.penstock/denied");
        let host = head.uri.authority().and_then(|host| HeaderValue::from_str(host.as_str()).ok());
        if let Some(host) = host.or_else(|| head.headers.get(header::HOST).cloned()) {
            request.headers_mut().insert(header::HOST, host);
        }
        if let Ok(mut token) = HeaderValue::from_str(&format!("Bearer {}", visit.token)) {
            token.set_sensitive(true);
            request.headers_mut().insert(header::AUTHORIZATION, token);
        }
        self.ask_api(request, &visit.app.name, peer).await
    }

    /// A page of ours; what is none is not for the app either.
    async fn page(&self, request: Request<Incoming>, app: &str, peer: &Peer) -> Response<Body> {
        let known = matches!(request.uri().path(), "/.penstock/login" | "/.penstock/logout");
        if !known || !matches!(*request.method(), Method::GET | Method::HEAD | Method::POST) {
            return body::problem(&Error::new(Code::NotFound, Side::Client, "there is no such page"));
        }
        self.ask_api(request, app, peer).await
    }

    async fn ask_api<B>(&self, request: Request<B>, app: &str, peer: &Peer) -> Response<Body>
    where
        B: http_body::Body<Data = bytes::Bytes> + Send + 'static,
        B::Error: Into<body::BoxError>,
    {
        self.shared.api.forward(request, &Asked { peer, app: Some(app) }).await
    }
}

fn challenged(head: &Parts, error: &Error) -> Response<Body> {
    if challenge::is_page(head) {
        challenge::to_login(head)
    } else {
        challenge::unauthenticated(error, &head.headers)
    }
}

/// The host that is asked, without its port.
fn host<B>(request: &Request<B>) -> &str {
    let named = || request.headers().get(header::HOST).and_then(|host| host.to_str().ok());
    let host = request.uri().host().or_else(named).unwrap_or_default();
    let host = host
        .rsplit_once(':')
        .filter(|(_, port)| port.bytes().all(|b| b.is_ascii_digit()))
        .map_or(host, |(host, _)| host);
    host.strip_suffix('.').unwrap_or(host)
}

fn nobody() -> Error {
    Error::new(Code::Unauthenticated, Side::Client, "this app is for users who are logged in")
        .hint("send Authorization: Bearer TOKEN, or any name and the token as the password; penstock login")
}

fn gone() -> Error {
    Error::new(Code::NotFound, Side::Client, "the app is not published any more")
}
