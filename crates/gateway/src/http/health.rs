//! Health checks: `/api/healthz` on 8009, `/` and `/healthz` on 8010, and grpc.health.v1 on both.
//!
//! None of them opens a session, asks the decider or is noted; a balancer asks every few seconds.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use hyper::body::Incoming;
use penstock_http::{Body, Peer, body};
use serde_json::json;
use tokio::time::timeout;
use tonic_health::{ServingStatus, server::HealthReporter};

use super::Asked;
use crate::shared::{Phase, Shared};

/// How long the API may take: longer than it gives the store, shorter than balancers wait.
const LIMIT: Duration = Duration::from_secs(4);

/// Whether this asks for the health of the whole gateway.
pub(super) fn is_healthz<B>(request: &Request<B>) -> bool {
    is_look(request.method()) && request.uri().path() == "/api/healthz"
}

/// The health of the whole gateway. While new work is not welcome the API need not be asked, nor be there.
pub(super) async fn healthz(shared: &Shared, request: Request<Incoming>, peer: &Peer) -> Response<Body> {
    match shared.ready.phase() {
        Phase::Starting => return unavailable("starting"),
        Phase::Stopping => return unavailable("shutting down"),
        Phase::Ready => {}
    }
    let asked = Asked { peer, app: None };
    let answered = timeout(LIMIT, shared.api.ask(request, &asked)).await;
    match answered {
        // The phase may have changed while the store was asked.
        Ok(Ok(answer)) if shared.ready.get() && !is_fault(answer.status()) => answer,
        Ok(Ok(_)) if !shared.ready.get() => unavailable("shutting down"),
        _ => unavailable("the API does not answer"),
    }
}

/// A balancer's look at the gRPC port.
pub(super) fn probe<B>(shared: &Shared, request: &Request<B>) -> Response<Body> {
    let known = is_look(request.method()) && matches!(request.uri().path(), "/" | "/healthz");
    let (status, text) = match (known, shared.ready.get()) {
        (true, true) => (StatusCode::OK, "ok\n"),
        (true, false) => (StatusCode::SERVICE_UNAVAILABLE, "not ready\n"),
        (false, _) => {
            (StatusCode::NOT_FOUND, "this is Penstock's gRPC port; the API and the web app are on 8009\n")
        }
    };
    body::text(status, text)
}

/// Keeps grpc.health.v1 in step.
pub(super) async fn report(reporter: HealthReporter, shared: Arc<Shared>) {
    let mut ready = shared.ready.watch();
    loop {
        let status = match *ready.borrow_and_update() {
            Phase::Ready => ServingStatus::Serving,
            Phase::Starting | Phase::Stopping => ServingStatus::NotServing,
        };
        for service in ["", "protobuf.Transport"] {
            reporter.set_service_status(service, status).await;
        }
        if ready.changed().await.is_err() {
            return;
        }
    }
}

const fn is_look(method: &Method) -> bool {
    matches!(*method, Method::GET | Method::HEAD)
}

/// An answer that says nothing of the gateway's health, where 503 does.
fn is_fault(status: StatusCode) -> bool {
    status.is_server_error() && status != StatusCode::SERVICE_UNAVAILABLE
}

fn unavailable(reason: &str) -> Response<Body> {
    let body = json!({"status": "unavailable", "reason": reason}).to_string();
    let mut response =
        body::whole(StatusCode::SERVICE_UNAVAILABLE, "application/json", Bytes::from(body.into_bytes()));
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
