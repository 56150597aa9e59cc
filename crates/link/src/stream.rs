//! One HTTP/2 stream as two halves of bytes.

use std::{
    future::poll_fn,
    io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    task::{Context, Poll, ready},
};

use bytes::{Buf as _, Bytes};
use h2::{Reason, RecvStream, SendStream};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::Resets;

/// Counts one stream for as long as one of its halves lives, and its reset by the peer.
#[derive(Debug)]
pub(crate) struct InFlight {
    count: Arc<AtomicUsize>,
    resets: Option<Arc<Resets>>,
    reset: AtomicBool,
}

impl InFlight {
    pub(crate) fn count(count: &Arc<AtomicUsize>, resets: Option<&Arc<Resets>>) -> Arc<Self> {
        count.fetch_add(1, Ordering::Relaxed);
        Arc::new(Self { count: Arc::clone(count), resets: resets.cloned(), reset: AtomicBool::new(false) })
    }

    /// Notes that the peer has reset the stream; once, however many notice it.
    pub(crate) fn note_reset(&self) {
        if let Some(resets) = &self.resets
            && !self.reset.swap(true, Ordering::Relaxed)
        {
            resets.note();
        }
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.count.fetch_sub(1, Ordering::Relaxed);
    }
}

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
        Self {
            receive: Receive { stream: receive, held: Bytes::new(), in_flight: Arc::clone(&in_flight) },
            send: Send { stream: send, finished: false, _in_flight: in_flight },
        }
    }
}

/// The receiving half.
#[derive(Debug)]
pub struct Receive {
    stream: RecvStream,
    held: Bytes,
    in_flight: Arc<InFlight>,
}

impl Receive {
    /// The next bytes; none at the peer's end of stream. Empty DATA frames, which other implementations send to
    /// flush, are passed over.
    ///
    /// # Errors
    /// The stream was reset or the link was lost.
    pub async fn chunk(&mut self) -> io::Result<Option<Bytes>> {
        if self.held.has_remaining() {
            return Ok(Some(std::mem::take(&mut self.held)));
        }
        poll_fn(|cx| self.poll_chunk(cx)).await
    }

    fn poll_chunk(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Option<Bytes>>> {
        loop {
            return Poll::Ready(match ready!(self.stream.poll_data(cx)) {
                None => Ok(None),
                Some(Err(error)) => {
                    if error.is_reset() && error.is_remote() {
                        self.in_flight.note_reset();
                    }
                    Err(into_io(error))
                }
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
}

/// The sending half.
#[derive(Debug)]
pub struct Send {
    stream: SendStream<Bytes>,
    finished: bool,
    _in_flight: Arc<InFlight>,
}

impl Send {
    /// Sends bytes, waiting for credit.
    ///
    /// # Errors
    /// The stream was reset or the link was lost.
    pub async fn send(&mut self, mut chunk: Bytes) -> io::Result<()> {
        while chunk.has_remaining() {
            let granted = poll_fn(|cx| self.poll_capacity(cx, chunk.len())).await?;
            let part = chunk.split_to(granted.min(chunk.len()));
            self.stream.send_data(part, false).map_err(into_io)?;
        }
        Ok(())
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

    /// Ends both directions with an error that the peer sees.
    pub fn reset(&mut self) {
        self.finished = true;
        self.stream.send_reset(Reason::CANCEL);
    }

    /// Resolves when the peer has reset the stream or the link is lost.
    pub async fn gone(&mut self) {
        // Either answer, a reset or a lost link, says the same.
        let _reason = poll_fn(|cx| self.stream.poll_reset(cx)).await;
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

impl AsyncRead for Stream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let receive = &mut self.get_mut().receive;
        if receive.held.is_empty() {
            match ready!(receive.poll_chunk(cx))? {
                None => return Poll::Ready(Ok(())),
                Some(chunk) => receive.held = chunk,
            }
        }
        let part = receive.held.split_to(receive.held.len().min(buf.remaining()));
        buf.put_slice(&part);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let send = &mut self.get_mut().send;
        if buf.is_empty() {
            return Poll::Ready(Ok(0));
        }
        let granted = ready!(send.poll_capacity(cx, buf.len()))?.min(buf.len());
        let part = Bytes::copy_from_slice(buf.get(..granted).unwrap_or_default());
        send.stream.send_data(part, false).map_err(into_io)?;
        Poll::Ready(Ok(granted))
    }

    fn poll_flush(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(self.get_mut().send.finish())
    }
}

/// A reset by the peer is `ConnectionReset`, all else `BrokenPipe`.
fn into_io(error: h2::Error) -> io::Error {
    if error.is_io() {
        return io::Error::new(io::ErrorKind::BrokenPipe, format!("the link was lost: {error}"));
    }
    let kind = if error.is_reset() { io::ErrorKind::ConnectionReset } else { io::ErrorKind::BrokenPipe };
    io::Error::new(kind, error)
}
