//! The sending half of a stream.

use std::{
    future::poll_fn,
    io,
    sync::Arc,
    task::{Context, Poll, ready},
};

use bytes::{Buf as _, Bytes};
use h2::{Reason, SendStream};
use http::HeaderMap;

use crate::{in_flight::InFlight, stream::into_io};

/// Bytes to the peer, then perhaps trailers. Dropped unfinished, it resets the stream, so that a cut body never
/// looks complete.
#[derive(Debug)]
pub struct Send {
    stream: SendStream<Bytes>,
    finished: bool,
    _in_flight: Arc<InFlight>,
}

impl Send {
    pub(crate) const fn new(stream: SendStream<Bytes>, in_flight: Arc<InFlight>) -> Self {
        Self { stream, finished: false, _in_flight: in_flight }
    }

    /// Sends bytes, waiting for credit.
    ///
    /// # Errors
    /// The stream was reset or the link was lost.
    pub async fn send(&mut self, mut chunk: Bytes) -> io::Result<()> {
        poll_fn(|cx| self.poll_send(cx, &mut chunk)).await
    }

    /// [`Send::send`], for those who poll: what credit allows leaves `chunk` at once; ready when it is empty.
    ///
    /// # Errors
    /// The stream was reset or the link was lost.
    pub fn poll_send(&mut self, cx: &mut Context<'_>, chunk: &mut Bytes) -> Poll<io::Result<()>> {
        while chunk.has_remaining() {
            let granted = ready!(self.poll_capacity(cx, chunk.len()))?;
            let part = chunk.split_to(granted.min(chunk.len()));
            self.stream.send_data(part, false).map_err(into_io)?;
        }
        Poll::Ready(Ok(()))
    }

    /// Ends this direction in order (END_STREAM): a half-close.
    ///
    /// # Errors
    /// The stream is gone.
    pub fn finish(&mut self) -> io::Result<()> {
        if self.finished {
            return Ok(());
        }
        self.finished = true;
        self.stream.send_data(Bytes::new(), true).map_err(into_io)
    }

    /// Sends the last bytes and ends this direction with the same frame, waiting for credit.
    ///
    /// # Errors
    /// The stream was reset or the link was lost.
    pub async fn send_last(&mut self, mut chunk: Bytes) -> io::Result<()> {
        poll_fn(|cx| self.poll_send_last(cx, &mut chunk)).await
    }

    /// [`Send::send_last`], for those who poll: what credit allows leaves `chunk` at once; ready when this
    /// direction has ended.
    ///
    /// # Errors
    /// The stream was reset or the link was lost.
    pub fn poll_send_last(&mut self, cx: &mut Context<'_>, chunk: &mut Bytes) -> Poll<io::Result<()>> {
        while chunk.has_remaining() {
            let granted = ready!(self.poll_capacity(cx, chunk.len()))?;
            let part = chunk.split_to(granted.min(chunk.len()));
            self.finished = chunk.is_empty();
            self.stream.send_data(part, self.finished).map_err(into_io)?;
        }
        Poll::Ready(self.finish())
    }

    /// Ends this direction with trailers.
    ///
    /// # Errors
    /// The stream is gone.
    pub fn trailers(&mut self, trailers: HeaderMap) -> io::Result<()> {
        if self.finished {
            return Ok(());
        }
        self.finished = true;
        self.stream.send_trailers(trailers).map_err(into_io)
    }

    /// Ends both directions with CANCEL.
    pub fn reset(&mut self) {
        self.finished = true;
        self.stream.send_reset(Reason::CANCEL);
    }

    /// Ends both directions with INTERNAL_ERROR: what was sent is not all that should have been.
    pub fn fail(&mut self) {
        self.finished = true;
        self.stream.send_reset(Reason::INTERNAL_ERROR);
    }

    /// Resolves when the peer has reset the stream or the link is lost.
    pub async fn gone(&mut self) {
        poll_fn(|cx| self.poll_gone(cx)).await;
    }

    /// [`Send::gone`], for those who poll.
    pub fn poll_gone(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        // Either answer, a reset or a lost link, says the same.
        self.stream.poll_reset(cx).map(|_reason| ())
    }

    pub(crate) fn poll_write(&mut self, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        if buf.is_empty() {
            return Poll::Ready(Ok(0));
        }
        let granted = ready!(self.poll_capacity(cx, buf.len()))?.min(buf.len());
        let part = Bytes::copy_from_slice(buf.get(..granted).unwrap_or_default());
        self.stream.send_data(part, false).map_err(into_io)?;
        Poll::Ready(Ok(granted))
    }

    fn poll_capacity(&mut self, cx: &mut Context<'_>, wanted: usize) -> Poll<io::Result<usize>> {
        self.stream.reserve_capacity(wanted);
        loop {
            let capacity = self.stream.capacity();
            if capacity > 0 {
                return Poll::Ready(Ok(capacity));
            }
            match ready!(self.stream.poll_capacity(cx)) {
                None => return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into())),
                Some(Err(error)) => return Poll::Ready(Err(into_io(error))),
                Some(Ok(_)) => {}
            }
        }
    }
}

impl Drop for Send {
    fn drop(&mut self) {
        if !self.finished {
            self.stream.send_reset(Reason::CANCEL);
        }
    }
}
