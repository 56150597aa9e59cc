//! The admin port: metrics and state, on loopback, on a runtime of its own.

use std::{
    convert::Infallible,
    sync::{Arc, atomic::Ordering::Relaxed},
};

use http::{Method, Request, Response, StatusCode};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use serde_json::json;
use tokio::{net::TcpListener, runtime::Handle};

use crate::{
    http::body::{self, Body},
    shared::Shared,
};

pub(crate) fn spawn(runtime: &Handle, listener: std::net::TcpListener, shared: Arc<Shared>) {
    runtime.spawn(async move {
        match TcpListener::from_std(listener) {
            Ok(listener) => serve(listener, shared).await,
            Err(error) => tracing::error!(target: "penstock::admin", %error, "no admin port"),
        }
    });
}

async fn serve(listener: TcpListener, shared: Arc<Shared>) {
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = shared.close.cancelled() => return,
        };
        let Ok((tcp, _peer)) = accepted else {
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
            continue;
        };
        let shared = Arc::clone(&shared);
        tokio::spawn(async move {
            let service = service_fn(|request| {
                let response = answer(&request, &shared);
                async move { Ok::<_, Infallible>(response) }
            });
            let serving = http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(shared.config.handshake())
                .serve_connection(TokioIo::new(tcp), service);
            if let Err(error) = serving.await {
                tracing::debug!(target: "penstock::admin", %error, "connection ended");
            }
        });
    }
}

fn answer(request: &Request<Incoming>, shared: &Shared) -> Response<Body> {
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        return body::text(StatusCode::METHOD_NOT_ALLOWED, "GET only\n");
    }
    match request.uri().path() {
        "/metrics" => metrics(shared),
        "/stats" => json(&json!({
            "agents": shared.agents.snapshot(),
            "sessions": shared.sessions.snapshot(),
            "client_links": shared.clients.len(),
            "recorder_queue": shared.recorder.stats().queued.load(Relaxed),
        })),
        "/config_dump" => json(&json!(shared.config)),
        "/ready" if shared.ready.get() => body::text(StatusCode::OK, "ready\n"),
        "/ready" => body::text(StatusCode::SERVICE_UNAVAILABLE, "not ready\n"),
        "/live" => body::text(StatusCode::OK, "live\n"),
        "/" => body::text(StatusCode::OK, "/metrics /stats /config_dump /ready /live\n"),
        _ => body::text(StatusCode::NOT_FOUND, "try /\n"),
    }
}

fn metrics(shared: &Shared) -> Response<Body> {
    const KIND: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    match shared.metrics.encode(shared) {
        Ok(text) => body::whole(StatusCode::OK, KIND, text.into()),
        Err(_) => body::text(StatusCode::INTERNAL_SERVER_ERROR, "the metrics cannot be written\n"),
    }
}

fn json(value: &serde_json::Value) -> Response<Body> {
    body::whole(StatusCode::OK, "application/json", format!("{value:#}\n").into())
}
