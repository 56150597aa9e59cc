//! The way to the API, which answers on a unix socket.

use bytes::Bytes;
use http::{HeaderValue, Request, Response, StatusCode, Version, header, header::InvalidHeaderValue};
use http_body_util::Limited;
use penstock_domain::{Code, Error, Side};
use penstock_http::{
    Body,
    body::{self, BoxError},
    headers,
    upstream::{Options, Upstream},
};

use crate::Config;

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
    upstream: Upstream,
    body_bytes: usize,
}

impl Api {
    pub(crate) fn new(config: &Config) -> Self {
        let upstream = Upstream::unix(config.api_socket.clone(), Options::default());
        Self { upstream, body_bytes: config.body_bytes }
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
        match self.upstream.send(request).await {
            Ok(mut response) => {
                if response.status() == StatusCode::PAYLOAD_TOO_LARGE && version < Version::HTTP_2 {
                    // The rest of the body is not read, so no other request can follow it (RFC 9110 §15.5.14).
                    response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
                }
                response.map(body::any)
            }
            Err(error) if error.side == Side::Client => body::problem(&error),
            Err(error) => {
                tracing::warn!(target: "penstock::http", %error, "the API does not answer");
                body::problem(
                    &Error::new(Code::Internal, Side::Gateway, "the API does not answer")
                        .hint("it may be starting or stopping; see the gateway's log"),
                )
            }
        }
    }

    /// Says where it comes from, in the place of whatever the caller said.
    fn rewrite(
        &self,
        mut request: Request<Body>,
        asked: &Asked<'_>,
    ) -> Result<Request<Body>, InvalidHeaderValue> {
        let headers = request.headers_mut();
        headers::strip_forwarded(headers);
        headers.remove(APP);
        headers.insert("x-forwarded-for", HeaderValue::from_str(asked.peer)?);
        if let Some(app) = asked.app {
            headers.insert(APP, HeaderValue::from_str(app)?);
            let scheme = if asked.tls { "https" } else { "http" };
            headers.insert("x-forwarded-proto", HeaderValue::from_static(scheme));
        }
        Ok(request.map(|body| body::any(Limited::new(body, self.body_bytes))))
    }
}
