//! The body of an upstream's answer.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;

use super::{pool::Connection, upload::Progress};

/// The body of an answer. Dropped, it gives the connection back if the answer was complete, and ends what is left
/// of the upload.
#[derive(Debug)]
pub struct Answer {
    body: Incoming,
    // The order of the fields is that in which they are dropped: an answer that is not complete, or an upload that
    // ends early, makes the connection useless before it is given back.
    _progress: Progress,
    _connection: Connection,
}

impl Answer {
    pub(super) const fn new(body: Incoming, connection: Connection, progress: Progress) -> Self {
        Self { body, _progress: progress, _connection: connection }
    }
}

impl Body for Answer {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
