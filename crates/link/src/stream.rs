//! One HTTP/2 stream as two halves of bytes.

use std::{
    error, fmt, io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use h2::{RecvStream, SendStream};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::{Receive, Send, in_flight::InFlight};

/// A byte stream on a link. Dropping it unfinished resets it, so that a cut result never looks complete.
#[derive(Debug)]
pub struct Stream {
    /// Bytes from the peer.
    pub receive: Receive,
    /// Bytes to the peer.
    pub send: Send,
}

impl Stream {
    pub(crate) fn new(send: SendStream<Bytes>, receive: RecvStream, in_flight: Arc<InFlight>) -> Self {
        Self { receive: Receive::new(receive, Arc::clone(&in_flight)), send: Send::new(send, in_flight) }
    }
}

impl AsyncRead for Stream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let receive = &mut self.get_mut().receive;
        match ready!(receive.poll_chunk(cx))? {
            None => {}
            Some(mut chunk) => {
                let part = chunk.split_to(chunk.len().min(buf.remaining()));
                buf.put_slice(&part);
                receive.held = chunk;
            }
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.get_mut().send.poll_write(cx, buf)
    }

    fn poll_flush(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(self.get_mut().send.finish())
    }
}

/// Why a stream broke whose link was lost.
#[derive(Debug)]
struct Lost(h2::Error);

impl fmt::Display for Lost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the link was lost: {}", self.0)
    }
}

impl error::Error for Lost {}

/// Whether a stream broke because its whole link was lost, rather than by itself.
#[must_use]
pub fn link_lost(error: &io::Error) -> bool {
    error.get_ref().is_some_and(|error| error.is::<Lost>())
}

/// A reset by the peer is `ConnectionReset`, all else `BrokenPipe`.
pub(crate) fn into_io(error: h2::Error) -> io::Error {
    if error.is_io() {
        return io::Error::new(io::ErrorKind::BrokenPipe, Lost(error));
    }
    let kind = if error.is_reset() { io::ErrorKind::ConnectionReset } else { io::ErrorKind::BrokenPipe };
    io::Error::new(kind, error)
}
