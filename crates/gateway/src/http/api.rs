//! The way to the API, which answers on a unix socket.

use std::{
    future::Future,
    io,
    path::PathBuf,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderValue, Request, Response, StatusCode, Uri, Version, header, uri::PathAndQuery};
use http_body_util::{BodyExt as _, Limited};
use hyper_util::{
    client::legacy::{
        Client,
        connect::{Connected, Connection},
    },
    rt::{TokioExecutor, TokioIo},
};
use penstock_domain::{Code, Error, Side};
use penstock_http::{
    Body,
    body::{self, BoxError},
    headers,
};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::UnixStream,
    time::timeout,
};
use tower_service::Service;

use crate::Config;

/// How long the API may take until its answer begins.
const TIMEOUT: Duration = Duration::from_secs(60);

/// Tells the API by which published app a request came. Callers cannot set it.
const APP: &str = "x-penstock-app";

/// Where a request comes from.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Asked<'a> {
    /// The caller's address.
    pub peer: &'a str,
    /// The published app on whose host it was asked; none on 8009.
    pub app: Option<&'a str>,
    /// Whether it came by TLS.
    pub tls: bool,
}

impl<'a> Asked<'a> {
    pub(crate) const fn directly(peer: &'a str) -> Self {
        Self { peer, app: None, tls: true }
    }
}

pub(crate) struct Api {
    client: Client<Socket, Limited<Body>>,
    body_bytes: usize,
}

impl Api {
    pub(crate) fn new(config: &Config) -> Self {
        let socket = Socket(config.api_socket.clone());
        Self { client: Client::builder(TokioExecutor::new()).build(socket), body_bytes: config.body_bytes }
    }

    /// Passes a request on, and the answer back.
    pub(crate) async fn forward<B>(&self, request: Request<B>, asked: &Asked<'_>) -> Response<Body>
    where
        B: http_body::Body<Data = Bytes> + Send + 'static,
        B::Error: Into<BoxError>,
    {
        let version = request.version();
        let request = match self.rewrite(request.map(body::any), asked) {
            Ok(request) => request,
            Err(error) => {
                return body::problem(&Error::new(Code::Malformed, Side::Client, error.to_string()));
            }
        };
        match timeout(TIMEOUT, self.client.request(request)).await {
            Ok(Ok(mut response)) => {
                headers::strip_hop_by_hop(response.headers_mut());
                if response.status() == StatusCode::PAYLOAD_TOO_LARGE && version < Version::HTTP_2 {
                    // The rest of the body is not read, so no other request can follow it (RFC 9110 §15.5.14).
                    response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
                }
                response.map(|body| body::any(body.map_err(BoxError::from)))
            }
            Ok(Err(error)) => {
                tracing::warn!(target: "penstock::http", error = %root(&error), "the API does not answer");
                body::problem(
                    &Error::new(Code::Internal, Side::Gateway, "the API does not answer")
                        .hint("it may be starting or stopping; see the gateway's log"),
                )
            }
            Err(_) => body::problem(&Error::new(
                Code::Internal,
                Side::Gateway,
                format!("the API did not answer within {} s", TIMEOUT.as_secs()),
            )),
        }
    }

    fn rewrite(
        &self,
        request: Request<Body>,
        asked: &Asked<'_>,
    ) -> Result<Request<Limited<Body>>, http::Error> {
        let (mut head, body) = request.into_parts();
        let host =
            head.uri.authority().map(|authority| HeaderValue::from_str(authority.as_str())).transpose()?;
        let path = head.uri.path_and_query().cloned().unwrap_or_else(|| PathAndQuery::from_static("/"));
        head.uri = Uri::builder().scheme("http").authority("penstock").path_and_query(path).build()?;
        head.version = http::Version::HTTP_11;
        headers::strip_hop_by_hop(&mut head.headers);
        headers::strip_forwarded(&mut head.headers);
        head.headers.remove(APP);
        if let Some(host) = host {
            head.headers.insert(header::HOST, host);
        }
        head.headers.insert("x-forwarded-for", HeaderValue::from_str(asked.peer)?);
        if let Some(app) = asked.app {
            head.headers.insert(APP, HeaderValue::from_str(app)?);
            let scheme = if asked.tls { "https" } else { "http" };
            head.headers.insert("x-forwarded-proto", HeaderValue::from_static(scheme));
        }
        Ok(Request::from_parts(head, Limited::new(body, self.body_bytes)))
    }
}

fn root(error: &(dyn std::error::Error + 'static)) -> String {
    let mut cause = error;
    while let Some(deeper) = cause.source() {
        cause = deeper;
    }
    cause.to_string()
}

/// Connects to the unix socket, whatever the URI says.
#[derive(Clone)]
struct Socket(PathBuf);

impl Service<Uri> for Socket {
    type Response = TokioIo<ApiStream>;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<Self::Response>> + Send>>;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _uri: Uri) -> Self::Future {
        let path = self.0.clone();
        Box::pin(async move { UnixStream::connect(path).await.map(ApiStream).map(TokioIo::new) })
    }
}

struct ApiStream(UnixStream);

impl Connection for ApiStream {
    fn connected(&self) -> Connected {
        Connected::new()
    }
}

impl AsyncRead for ApiStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buf)
    }
}

impl AsyncWrite for ApiStream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}
