//! Ordinary HTTP requests over a link, for the side that asks.

use std::sync::Arc;

use bytes::Bytes;
use h2::{Reason, client::ResponseFuture};
use http::Response;

use crate::{Receive, Send, in_flight::InFlight};

/// A request that has gone out.
#[derive(Debug)]
pub struct Exchange {
    /// What comes back.
    pub answer: Answer,
    /// The request's body; none if the request had none.
    pub send: Option<Send>,
}

/// The answer to come. Dropped, it resets the stream.
#[derive(Debug)]
pub struct Answer {
    response: ResponseFuture,
    in_flight: Arc<InFlight>,
}

impl Exchange {
    pub(crate) fn new(
        (response, send): (ResponseFuture, h2::SendStream<Bytes>),
        end: bool,
        in_flight: Arc<InFlight>,
    ) -> Self {
        let send = (!end).then(|| Send::new(send, Arc::clone(&in_flight)));
        Self { answer: Answer { response, in_flight }, send }
    }
}

impl Answer {
    /// The head, and the body to be received.
    ///
    /// # Errors
    /// The stream was reset or the link was lost.
    pub async fn head(self) -> Result<Response<Receive>, Failure> {
        let response = self.response.await.map_err(|error| Failure::from(&error))?;
        Ok(response.map(|body| Receive::new(body, self.in_flight)))
    }
}

/// Why a request has no answer.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{why}")]
pub struct Failure {
    /// Whether the peer has provably not acted on the request (RFC 9113 §8.7), so that any method may be sent
    /// again.
    pub unprocessed: bool,
    /// Whether it is the link that went, and not the peer that gave up on this request alone.
    pub lost: bool,
    /// What happened, for the log.
    pub why: String,
}

impl Failure {
    /// The request never left.
    pub(crate) fn unsent(error: &h2::Error) -> Self {
        Self { unprocessed: true, lost: true, why: error.to_string() }
    }
}

impl From<&h2::Error> for Failure {
    fn from(error: &h2::Error) -> Self {
        // h2 ends a stream with the peer's GOAWAY only if that says that it was not processed.
        let unprocessed =
            error.is_remote() && (error.is_go_away() || error.reason() == Some(Reason::REFUSED_STREAM));
        Self { unprocessed, lost: !error.is_reset(), why: error.to_string() }
    }
}
