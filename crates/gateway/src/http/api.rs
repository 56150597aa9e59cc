//! The way to the API, which answers on a unix socket.

use bytes::Bytes;
use http::{HeaderValue, Request, Response, StatusCode, Version, header, header::InvalidHeaderValue};
use http_body_util::Limited;
use penstock_domain::{Code, Error, Side};
use penstock_http::{
    Body, Peer,
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
    /// Who asks.
    pub peer: &'a Peer,
    /// The published app on whose host it was asked; none on 8009.
    pub app: Option<&'a str>,
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
        match self.ask(request, asked).await {
            Ok(response) => response,
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

    /// The API's answer.
    ///
    /// # Errors
    /// Why there is none: on the client's side, or the API itself.
    pub(crate) async fn ask<B>(&self, request: Request<B>, asked: &Asked<'_>) -> Result<Response<Body>, Error>
    where
        B: http_body::Body<Data = Bytes> + Send + 'static,
        B::Error: Into<BoxError>,
    {
        let version = request.version();
        let request = self
            .rewrite(request.map(body::any), asked)
            .map_err(|error| Error::new(Code::Malformed, Side::Client, error.to_string()))?;
        let mut response = self.upstream.send(request).await?;
        if response.status() == StatusCode::PAYLOAD_TOO_LARGE && version < Version::HTTP_2 {
            // The rest of the body is not read, so no other request can follow it (RFC 9110 §15.5.14).
            response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        Ok(response.map(body::any))
    }

    /// Says where it comes from, in the place of whatever the caller said.
    fn rewrite(
        &self,
        mut request: Request<Body>,
        asked: &Asked<'_>,
    ) -> Result<Request<Body>, InvalidHeaderValue> {
        let headers = request.headers_mut();
        headers::forward(headers, asked.peer, None);
        headers.remove(APP);
        if let Some(app) = asked.app {
            headers.insert(APP, HeaderValue::from_str(app)?);
        }
        Ok(request.map(|body| body::any(Limited::new(body, self.body_bytes))))
    }
}
