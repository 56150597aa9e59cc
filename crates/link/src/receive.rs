//! The receiving half of a stream.

use std::{
    future::poll_fn,
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use bytes::{Buf as _, Bytes};
use h2::RecvStream;
use http::HeaderMap;
use http_body::{Body, Frame};

use crate::{in_flight::InFlight, stream::into_io};

/// Bytes from the peer, then its trailers.
#[derive(Debug)]
pub struct Receive {
    stream: RecvStream,
    pub(crate) held: Bytes,
    data_over: bool,
    in_flight: Arc<InFlight>,
}

impl Receive {
    pub(crate) const fn new(stream: RecvStream, in_flight: Arc<InFlight>) -> Self {
        Self { stream, held: Bytes::new(), data_over: false, in_flight }
    }

    /// The next bytes; none at the peer's end of stream. Empty DATA frames, which other implementations send to
    /// flush, are passed over.
    ///
    /// # Errors
    /// The stream was reset or the link was lost.
    pub async fn chunk(&mut self) -> io::Result<Option<Bytes>> {
        poll_fn(|cx| self.poll_chunk(cx)).await
    }

    /// The trailers, once [`Receive::chunk`] has said that there is no more; none if there are none.
    ///
    /// # Errors
    /// The stream was reset or the link was lost.
    pub async fn trailers(&mut self) -> io::Result<Option<HeaderMap>> {
        poll_fn(|cx| self.poll_trailers(cx)).await
    }

    /// [`Receive::chunk`], for those who poll.
    ///
    /// # Errors
    /// The stream was reset or the link was lost.
    pub fn poll_chunk(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Option<Bytes>>> {
        if self.held.has_remaining() {
            return Poll::Ready(Ok(Some(std::mem::take(&mut self.held))));
        }
        loop {
            return Poll::Ready(match ready!(self.stream.poll_data(cx)) {
                None => Ok(None),
                Some(Err(error)) => Err(self.broken(error)),
                Some(Ok(chunk)) => {
                    // Credit goes back when the chunk is taken, not when it has left: one chunk is all that is
                    // held beyond the window.
                    if let Err(error) = self.stream.flow_control().release_capacity(chunk.len()) {
                        Err(into_io(error))
                    } else if chunk.is_empty() {
                        continue;
                    } else {
                        Ok(Some(chunk))
                    }
                }
            });
        }
    }

    /// [`Receive::trailers`], for those who poll.
    ///
    /// # Errors
    /// The stream was reset or the link was lost.
    pub fn poll_trailers(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Option<HeaderMap>>> {
        self.stream.poll_trailers(cx).map_err(|error| self.broken(error))
    }

    /// Whether nothing more will come.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.held.is_empty() && self.stream.is_end_stream()
    }

    fn broken(&self, error: h2::Error) -> io::Error {
        if error.is_reset() && error.is_remote() {
            self.in_flight.note_reset();
        }
        into_io(error)
    }
}

impl Body for Receive {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        if !self.data_over {
            match ready!(self.poll_chunk(cx)) {
                Ok(Some(chunk)) => return Poll::Ready(Some(Ok(Frame::data(chunk)))),
                Ok(None) => self.data_over = true,
                Err(error) => return Poll::Ready(Some(Err(error))),
            }
        }
        Poll::Ready(ready!(self.poll_trailers(cx)).transpose().map(|trailers| trailers.map(Frame::trailers)))
    }

    fn is_end_stream(&self) -> bool {
        self.is_over()
    }
}
