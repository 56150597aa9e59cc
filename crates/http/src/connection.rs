//! The requests of one connection.

use std::{convert::Infallible, future::Future, pin::Pin, sync::Arc};

use http::{HeaderValue, Request, Response, StatusCode, Version, header};
use hyper::{body::Incoming, service::Service};
use penstock_domain::{Code, Error, Side};
use penstock_link::Resets;
use tokio_util::sync::CancellationToken;

use crate::{Body, Peer, body, shape};

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
        if let Some(fault) = shape::fault(&request, self.header_fields) {
            let refusal = refusal(fault, request.version());
            return Box::pin(async move { Ok(refusal) });
        }
        let handled = self.handler.handle(request, &self.peer);
        let unanswered = Unanswered(Some(Arc::clone(&self.resets)));
        Box::pin(async move {
            let response = handled.await;
            unanswered.answered();
            Ok(response)
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
