//! The admin port: what a process tells of itself, over HTTP/1.1, on loopback. It runs on a runtime of its own,
//! so that a scrape never waits behind a session, nor a session behind a scrape.

use std::{convert::Infallible, sync::Arc, time::Duration};

use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use http_body_util::Full;
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use penstock_domain::{Code, Error, Side};
use serde_json::Value;
use tokio::{net::TcpListener, runtime::Handle, time::sleep};
use tokio_util::sync::CancellationToken;

/// How long a request's headers may take.
const HEADERS: Duration = Duration::from_secs(10);

/// What a process tells of itself.
pub trait Admin: Send + Sync + 'static {
    /// OpenMetrics text; none if it cannot be written.
    fn metrics(&self) -> Option<String>;
    /// The state of this moment.
    fn stats(&self) -> Value;
    /// The settings in force, without secrets.
    fn config(&self) -> Value;
    /// Whether new work is welcome.
    fn ready(&self) -> bool;
}

/// A bound admin port.
#[derive(Debug)]
pub struct Port(std::net::TcpListener);

impl Port {
    /// Binds `HOST:PORT`.
    ///
    /// # Errors
    /// [`Code::Conflict`] if the port is taken.
    pub fn bind(address: &str) -> Result<Self, Error> {
        let bound = std::net::TcpListener::bind(address)
            .and_then(|listener| listener.set_nonblocking(true).map(|()| listener));
        bound.map(Self).map_err(|error| {
            Error::new(Code::Conflict, Side::Gateway, format!("cannot listen on {address}: {error}"))
                .hint("end the program that has the port, or set ADMIN_LISTEN to another HOST:PORT")
        })
    }

    /// The bound address.
    #[must_use]
    pub fn address(&self) -> String {
        self.0.local_addr().map(|address| address.to_string()).unwrap_or_default()
    }

    /// Serves on `runtime` until `close`.
    pub fn serve(self, runtime: &Handle, admin: Arc<dyn Admin>, close: CancellationToken) {
        runtime.spawn(async move {
            match TcpListener::from_std(self.0) {
                Ok(listener) => accept(listener, admin, close).await,
                Err(error) => tracing::error!(target: "penstock::admin", %error, "no admin port"),
            }
        });
    }
}

async fn accept(listener: TcpListener, admin: Arc<dyn Admin>, close: CancellationToken) {
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = close.cancelled() => return,
        };
        let Ok((tcp, _peer)) = accepted else {
            sleep(Duration::from_millis(100)).await;
            continue;
        };
        let admin = Arc::clone(&admin);
        tokio::spawn(async move {
            let service = service_fn(|request| {
                let response = answer(&request, &*admin);
                async move { Ok::<_, Infallible>(response) }
            });
            let serving = http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(HEADERS)
                .serve_connection(TokioIo::new(tcp), service);
            if let Err(error) = serving.await {
                tracing::debug!(target: "penstock::admin", %error, "connection ended");
            }
        });
    }
}

fn answer(request: &Request<Incoming>, admin: &dyn Admin) -> Response<Full<Bytes>> {
    const OPENMETRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        return text(StatusCode::METHOD_NOT_ALLOWED, "GET only\n");
    }
    match request.uri().path() {
        "/metrics" => match admin.metrics() {
            Some(metrics) => whole(StatusCode::OK, OPENMETRICS, metrics.into()),
            None => text(StatusCode::INTERNAL_SERVER_ERROR, "the metrics cannot be written\n"),
        },
        "/stats" => json(&admin.stats()),
        "/config_dump" => json(&admin.config()),
        "/ready" if admin.ready() => text(StatusCode::OK, "ready\n"),
        "/ready" => text(StatusCode::SERVICE_UNAVAILABLE, "not ready\n"),
        "/live" => text(StatusCode::OK, "live\n"),
        "/" => text(StatusCode::OK, "/metrics /stats /config_dump /ready /live\n"),
        _ => text(StatusCode::NOT_FOUND, "try /\n"),
    }
}

fn json(value: &Value) -> Response<Full<Bytes>> {
    whole(StatusCode::OK, "application/json", format!("{value:#}\n").into())
}

fn text(status: StatusCode, text: &'static str) -> Response<Full<Bytes>> {
    whole(status, "text/plain; charset=utf-8", Bytes::from_static(text.as_bytes()))
}

fn whole(status: StatusCode, kind: &'static str, body: Bytes) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    response
}
