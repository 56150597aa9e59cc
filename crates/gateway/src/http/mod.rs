//! What the ports 8009 and 8010 answer: gRPC, health checks, and on 8009 the API behind its unix socket.

mod api;
mod health;

use std::{convert::Infallible, future::Future, sync::Arc};

use http::{HeaderValue, Request, Response, StatusCode, Version, header};
use hyper::body::Incoming;
use penstock_domain::{Code, Error, Side};
use penstock_http::{Body, Handler, Peer, body};
use penstock_link::carrier::grpc;
use tonic_health::{
    pb::health_server::HealthServer,
    server::{HealthReporter, HealthService},
};
use tower_service::Service;

pub(crate) use self::api::{Api, Asked};
use crate::{shared::Shared, transport::Links};

type Transport = grpc::Server<Links>;
type Health = HealthServer<HealthService>;

/// Which port was asked.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Surface {
    /// 8009.
    Api,
    /// 8010.
    Grpc,
}

impl Surface {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Api => "http",
            Self::Grpc => "grpc",
        }
    }
}

/// The front of one port.
#[derive(Clone)]
pub(crate) struct Front {
    surface: Surface,
    transport: Transport,
    health: Health,
    shared: Arc<Shared>,
}

impl Front {
    pub(crate) fn new(shared: Arc<Shared>, surface: Surface) -> Self {
        let reporter = HealthReporter::new();
        tokio::spawn(health::report(reporter.clone(), Arc::clone(&shared)));
        Self {
            surface,
            transport: grpc::service(Arc::new(Links::new(Arc::clone(&shared)))),
            health: HealthServer::new(HealthService::from_health_reporter(reporter)),
            shared,
        }
    }

    async fn answer(mut self, mut request: Request<Incoming>, peer: Arc<Peer>) -> Response<Body> {
        let path = request.uri().path();
        if path.starts_with("/protobuf.Transport/") {
            if request.version() < Version::HTTP_2 {
                return grpc::refusal(&not_http2(request.version()));
            }
            request.extensions_mut().insert(peer.name());
            return infallible(self.transport.call(request).await).map(body::any);
        }
        if path.starts_with("/grpc.health.v1.Health/") {
            return infallible(self.health.call(request).await).map(body::any);
        }
        if is_grpc(&request) {
            return unimplemented_method();
        }
        match self.surface {
            Surface::Api if health::is_healthz(&request) => {
                health::healthz(&self.shared, request, &peer).await
            }
            Surface::Api => self.shared.api.forward(request, &Asked { peer: &peer, app: None }).await,
            Surface::Grpc => health::probe(&self.shared, &request),
        }
    }
}

impl Handler for Front {
    fn handle(
        &self,
        request: Request<Incoming>,
        peer: &Arc<Peer>,
    ) -> impl Future<Output = Response<Body>> + Send + 'static {
        self.clone().answer(request, Arc::clone(peer))
    }
}

fn is_grpc<B>(request: &Request<B>) -> bool {
    let kind = request.headers().get(header::CONTENT_TYPE).map(HeaderValue::as_bytes);
    kind.is_some_and(|kind| kind.starts_with(b"application/grpc"))
}

/// gRPC status 12, which load balancers' probes take as a sign of life.
fn unimplemented_method() -> Response<Body> {
    let mut response = body::text(StatusCode::OK, "");
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    headers.insert("grpc-status", HeaderValue::from_static("12"));
    response
}

/// gRPC is defined over HTTP/2 alone. What comes otherwise was rewritten on its way, and its streams would hang.
fn not_http2(version: Version) -> Error {
    Error::new(Code::Malformed, Side::Client, format!("the call came by {version:?}, and gRPC needs HTTP/2"))
        .hint("something in between forwards it as plain HTTP: grpc_pass in nginx, `proto h2` in HAProxy")
}

fn infallible<T>(result: Result<T, Infallible>) -> T {
    match result {
        Ok(value) => value,
        Err(never) => match never {},
    }
}
