//! The body of an answer on its way to the caller.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use penstock_http::body::BoxError;

use super::Exchange;
use crate::{destinations::Destination, upstream::Connection};

/// Resolves with the reason when an answer must end.
pub(super) type Over = Pin<Box<dyn Future<Output = String> + Send>>;

/// The body. It drives its connection, and gives it back when it is complete.
pub(super) struct Download {
    incoming: Incoming,
    /// Always there until it is dropped.
    connection: Option<Connection>,
    destination: Arc<Destination>,
    exchange: Exchange,
    /// What ends it early, if something does.
    over: Option<Over>,
    /// Connections that may rest.
    pool: usize,
    bytes: u64,
    done: bool,
    /// Why it was cut.
    fault: Option<String>,
}

impl Download {
    pub(super) fn new(
        incoming: Incoming,
        mut connection: Connection,
        destination: Arc<Destination>,
        exchange: Exchange,
        pool: usize,
        over: Option<Over>,
    ) -> Self {
        if exchange.sent.as_ref().is_some_and(|sent| !sent.is_done()) {
            // The upload must not wait until the answer is read.
            connection.detach();
        }
        let connection = Some(connection);
        Self { incoming, connection, destination, exchange, over, pool, bytes: 0, done: false, fault: None }
    }

    fn poll_incoming(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        if let Poll::Ready(frame) = Pin::new(&mut self.incoming).poll_frame(cx) {
            return Poll::Ready(frame);
        }
        if let Some(connection) = &mut self.connection {
            connection.drive(cx);
        }
        Pin::new(&mut self.incoming).poll_frame(cx)
    }

    fn cut(&mut self, why: String) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        self.fault = Some(why.clone());
        Poll::Ready(Some(Err(why.into())))
    }
}

impl Body for Download {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        if let Some(Poll::Ready(why)) = self.over.as_mut().map(|over| over.as_mut().poll(cx)) {
            return self.cut(why);
        }
        let Poll::Ready(frame) = self.poll_incoming(cx) else { return Poll::Pending };
        self.exchange.line.touch();
        match frame {
            Some(Ok(frame)) => {
                let bytes = frame.data_ref().map_or(0, Bytes::len) as u64;
                self.bytes += bytes;
                if let Err(exceeded) = self.exchange.meter.count(bytes) {
                    self.exchange.access.fired = Some(exceeded.name);
                    return self.cut(exceeded.message);
                }
                Poll::Ready(Some(Ok(frame)))
            }
            Some(Err(error)) => self.cut(format!("the destination cut its answer: {error}")),
            None => {
                self.done = true;
                Poll::Ready(None)
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.incoming.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.incoming.size_hint()
    }
}

impl Drop for Download {
    fn drop(&mut self) {
        let complete = self.fault.is_none() && (self.done || self.incoming.is_end_stream());
        let gone = || "the caller has gone before the end of the answer".to_owned();
        let fault = if complete { None } else { Some(self.fault.take().unwrap_or_else(gone)) };
        self.exchange.answered(self.bytes, fault);
        let uploaded = self.exchange.sent.as_ref().is_none_or(|sent| sent.is_done());
        if let Some(connection) = self.connection.take().filter(|_| complete && uploaded) {
            self.destination.pool.keep(connection, self.pool);
        }
    }
}
