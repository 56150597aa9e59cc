//! Answers that are no gRPC: those of whatever is between, in the gateway's place.

use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll},
};

use http::{HeaderValue, Request, Response, StatusCode, header};
use penstock_domain::{Code, Error, Side};
use tonic::{Status, body::Body, transport::Channel};
use tower::{BoxError, Service};

use super::accept::status;

/// A channel that passes gRPC on, and makes a refusal of anything else, which says who answered.
#[derive(Clone, Debug)]
pub(super) struct Genuine {
    channel: Channel,
    authority: String,
}

impl Genuine {
    pub(super) const fn new(channel: Channel, authority: String) -> Self {
        Self { channel, authority }
    }
}

impl Service<Request<Body>> for Genuine {
    type Response = Response<Body>;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, BoxError>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.channel.poll_ready(cx).map_err(BoxError::from)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let (answer, authority) = (self.channel.call(request), self.authority.clone());
        // Out of an error in a box tonic takes the status again, whole.
        Box::pin(async move { genuine(answer.await?, &authority).map_err(BoxError::from) })
    }
}

fn genuine<B>(response: Response<B>, authority: &str) -> Result<Response<B>, Status> {
    let kind = response.headers().get(header::CONTENT_TYPE).map(HeaderValue::as_bytes);
    if kind.is_some_and(|kind| kind.starts_with(b"application/grpc")) {
        return Ok(response);
    }
    let told = format!("something at {authority} answered {} in the gateway's place", response.status());
    Err(status(&Error::new(Code::Lost, Side::Gateway, told).hint(hint(response.status()))))
}

fn hint(status: StatusCode) -> &'static str {
    match status {
        StatusCode::BAD_GATEWAY | StatusCode::SERVICE_UNAVAILABLE | StatusCode::GATEWAY_TIMEOUT => {
            "is the gateway running, and does the proxy before it lead to port 8010 as HTTP/2 in clear \
             (nginx: grpc_pass, HAProxy: proto h2)?"
        }
        _ => "the proxy before the gateway must forward /protobuf.Transport/ to port 8010 as gRPC",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: u16, kind: Option<&str>) -> Result<Response<()>, Status> {
        let mut builder = Response::builder().status(status);
        if let Some(kind) = kind {
            builder = builder.header(header::CONTENT_TYPE, kind);
        }
        genuine(builder.body(()).unwrap(), "gw.example:443")
    }

    #[test]
    fn grpc_passes_whatever_its_status() {
        assert!(answer(200, Some("application/grpc")).is_ok());
        assert!(answer(200, Some("application/grpc+proto")).is_ok());
        assert!(answer(503, Some("application/grpc")).is_ok());
    }

    #[test]
    fn all_else_is_somebody_elses() {
        for (code, words) in [(502, "is the gateway running"), (404, "must forward"), (200, "must forward")] {
            for kind in [None, Some("text/html"), Some("application/json")] {
                let refused = answer(code, kind).unwrap_err();
                assert!(refused.message().contains(&format!("gw.example:443 answered {code}")));
                let problem = refused.metadata().get_bin(super::super::PROBLEM_HEADER).unwrap();
                let problem = String::from_utf8(problem.to_bytes().unwrap().to_vec()).unwrap();
                assert!(problem.contains(words), "{problem}");
            }
        }
    }
}
