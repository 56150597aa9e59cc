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

use super::{Connection, Sent};
use crate::{destinations::Destination, meter::Meter, watch::Line};

/// Learns how an answer ended.
pub(crate) trait Ending: Send + Unpin + 'static {
    /// All bytes of the answer's body have passed, or not.
    fn ended(&mut self, bytes: u64, complete: bool);
}

/// The body. It drives its connection, and gives it back when it is complete.
#[derive(Debug)]
pub(crate) struct Download<E: Ending> {
    incoming: Incoming,
    /// Always there until it is dropped.
    connection: Option<Connection>,
    destination: Arc<Destination>,
    sent: Option<Arc<Sent>>,
    line: Arc<Line>,
    meter: Arc<Meter>,
    bytes: u64,
    done: bool,
    pool: usize,
    ending: E,
}

impl<E: Ending> Download<E> {
    pub(crate) fn new(
        incoming: Incoming,
        mut connection: Connection,
        destination: Arc<Destination>,
        sent: Option<Arc<Sent>>,
        line: Arc<Line>,
        meter: Arc<Meter>,
        pool: usize,
        ending: E,
    ) -> Self {
        if sent.as_ref().is_some_and(|sent| !sent.is_done()) {
            connection.detach();
        }
        let connection = Some(connection);
        Self { incoming, connection, destination, sent, line, meter, bytes: 0, done: false, pool, ending }
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
}

impl<E: Ending> Body for Download<E> {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let Poll::Ready(frame) = self.poll_incoming(cx) else { return Poll::Pending };
        self.line.touch();
        match frame {
            Some(Ok(frame)) => {
                let bytes = frame.data_ref().map_or(0, Bytes::len) as u64;
                self.bytes += bytes;
                if let Err(exceeded) = self.meter.count(bytes) {
                    return Poll::Ready(Some(Err(exceeded.message.into())));
                }
                Poll::Ready(Some(Ok(frame)))
            }
            Some(Err(error)) => Poll::Ready(Some(Err(error.into()))),
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

impl<E: Ending> Drop for Download<E> {
    fn drop(&mut self) {
        let complete = self.done || self.incoming.is_end_stream();
        self.ending.ended(self.bytes, complete);
        let uploaded = self.sent.as_ref().is_none_or(|sent| sent.is_done());
        if let Some(connection) = self.connection.take().filter(|_| complete && uploaded) {
            self.destination.pool.keep(connection, self.pool);
        }
    }
}
