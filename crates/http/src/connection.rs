//! The requests of one connection.

use std::{convert::Infallible, future::Future, pin::Pin, sync::Arc};

use http::{HeaderValue, Method, Request, Response, StatusCode, Version, header};
use http_body::Body as _;
use hyper::{body::Incoming, service::Service};
use ipnet::IpNet;
use penstock_domain::{Code, Error, Side};
use penstock_link::Resets;
use tokio_util::sync::CancellationToken;

use crate::{Body, Peer, body, caller, shape};

/// What answers the requests of a port.
pub trait Handler: Clone + Send + Sync + 'static {
    /// Answers one request. Dropped, the caller has gone.
    fn handle(
        &self,
        request: Request<Incoming>,
        peer: &Arc<Peer>,
    ) -> impl Future<Output = Response<Body>> + Send + 'static;
}

/// A handler with what is known and counted about one connection.
#[derive(Clone)]
pub(crate) struct Connection<H> {
    pub handler: H,
    pub peer: Arc<Peer>,
    /// The proxies that are believed; none of them if the peer is not one itself.
    pub trusted: Option<Arc<[IpNet]>>,
    pub header_fields: usize,
    /// Cancelled by the first request.
    pub asked: CancellationToken,
    /// Requests that the peer gave up.
    pub resets: Arc<Resets>,
}

impl<H: Handler> Service<Request<Incoming>> for Connection<H> {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn call(&self, request: Request<Incoming>) -> Self::Future {
        self.asked.cancel();
        let head = request.method() == Method::HEAD;
        if let Some(fault) = shape::fault(&request, self.header_fields) {
            let refusal = refusal(fault, request.version());
            return Box::pin(async move { Ok(if head { without_content(refusal) } else { refusal }) });
        }
        let handled = match &self.trusted {
            None => self.handler.handle(request, &self.peer),
            Some(trusted) => {
                let caller = caller::caller(&self.peer, request.headers(), trusted);
                self.handler.handle(request, &caller)
            }
        };
        let unanswered = Unanswered(Some(Arc::clone(&self.resets)));
        Box::pin(async move {
            let response = handled.await;
            unanswered.answered();
            Ok(if head { without_content(response) } else { response })
        })
    }
}

fn refusal(fault: &str, version: Version) -> Response<Body> {
    let error = Error::new(Code::Malformed, Side::Client, format!("the request is refused: {fault}"));
    let mut response = body::problem(&error);
    if fault.contains("fields") {
        *response.status_mut() = StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE;
    }
    if version < Version::HTTP_2 {
        // Where this request ends is in doubt, so none may follow it.
        response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    response
}

/// An answer of our own to HEAD: the fields without the content (RFC 9110 §9.3.2), which over HTTP/2 nobody else
/// removes. Answers of others tell their length themselves.
fn without_content(response: Response<Body>) -> Response<Body> {
    let (mut head, content) = response.into_parts();
    match content.size_hint().exact() {
        Some(length) if length > 0 && !head.headers.contains_key(header::CONTENT_LENGTH) => {
            head.headers.insert(header::CONTENT_LENGTH, length.into());
            Response::from_parts(head, body::empty())
        }
        _ => Response::from_parts(head, content),
    }
}

/// A request that is dropped before its answer was reset by the peer.
struct Unanswered(Option<Arc<Resets>>);

impl Unanswered {
    fn answered(mut self) {
        self.0 = None;
    }
}

impl Drop for Unanswered {
    fn drop(&mut self) {
        if let Some(resets) = &self.0 {
            resets.note();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_to_head_tells_the_length_of_what_it_does_not_hold() {
        let answer = without_content(body::text(StatusCode::OK, "ok\n"));
        assert_eq!(answer.headers().get(header::CONTENT_LENGTH).unwrap(), "3");
        assert!(answer.body().is_end_stream());
        let nothing = without_content(Response::new(body::empty()));
        assert!(nothing.headers().is_empty());
    }
}
