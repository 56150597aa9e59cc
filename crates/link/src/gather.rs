//! What a turn of a connection writes, leaves in one piece.
//!
//! `h2` writes each DATA frame of more than 255 bytes apart, and flushes after it: with many small messages the
//! system calls cost more than all the rest. Here they are gathered until the connection has nothing more to say.

use std::{
    io,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, ready},
};

use bytes::{Buf as _, BytesMut};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Bytes that are gathered before they leave anyway.
const MOST: usize = 32 * 1024;

/// Bytes that are made room for at first.
const FIRST: usize = 4 * 1024;

/// Writes from this size on are not gathered: copying them costs more than it saves.
const LARGE: usize = 8 * 1024;

/// A byte stream that gathers. Its clone is for whoever polls the connection, to let go what was gathered.
#[derive(Debug)]
pub(crate) struct Gather<T>(Arc<Mutex<Gathered<T>>>);

#[derive(Debug)]
struct Gathered<T> {
    inner: T,
    bytes: BytesMut,
    gathers: bool,
}

impl<T> Clone for Gather<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T: AsyncWrite + Unpin> Gather<T> {
    /// Passes everything on, until [`Gather::begin`].
    pub(crate) fn new(inner: T) -> Self {
        Self(Arc::new(Mutex::new(Gathered { inner, bytes: BytesMut::new(), gathers: false })))
    }

    /// From now on whoever polls the connection calls [`Gather::poll_leave`] after it.
    pub(crate) fn begin(&self) {
        self.gathered().gathers = true;
    }

    /// Lets go what was gathered. An error comes back from the connection's next write.
    pub(crate) fn poll_leave(&self, cx: &mut Context<'_>) {
        let mut gathered = self.gathered();
        if !gathered.bytes.is_empty()
            && let Poll::Ready(Err(error)) = gathered.poll_leave(cx)
        {
            tracing::debug!(target: "penstock::link", %error, "a link takes no more");
        }
    }

    /// As [`Gather::poll_leave`], and has the stream below say what it has to say of its own.
    pub(crate) fn poll_through(&self, cx: &mut Context<'_>) {
        if let Poll::Ready(Err(error)) = self.gathered().poll_leave(cx) {
            tracing::debug!(target: "penstock::link", %error, "a link takes no more");
        }
    }

    fn gathered(&self) -> MutexGuard<'_, Gathered<T>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T: AsyncWrite + Unpin> Gathered<T> {
    fn poll_leave(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.bytes.is_empty() {
            let written = ready!(Pin::new(&mut self.inner).poll_write(cx, &self.bytes))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.bytes.advance(written);
        }
        // An idle link holds no memory for this.
        self.bytes = BytesMut::new();
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    /// Whether a write of this size is to be gathered; all that was must have left if it is not.
    fn poll_gathers(&mut self, cx: &mut Context<'_>, size: usize) -> Poll<io::Result<bool>> {
        if self.gathers && size < LARGE && self.bytes.len() + size <= MOST {
            self.bytes.reserve(size.max(FIRST));
            return Poll::Ready(Ok(true));
        }
        if !self.bytes.is_empty() {
            ready!(self.poll_leave(cx))?;
        }
        Poll::Ready(Ok(self.gathers && size < LARGE))
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for Gather<T> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let mut gathered = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        Pin::new(&mut gathered.inner).poll_read(cx, buf)
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Gather<T> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let mut gathered = self.gathered();
        if ready!(gathered.poll_gathers(cx, buf.len()))? {
            gathered.bytes.extend_from_slice(buf);
            return Poll::Ready(Ok(buf.len()));
        }
        Pin::new(&mut gathered.inner).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let mut gathered = self.gathered();
        let size = bufs.iter().map(|buf| buf.len()).sum();
        if ready!(gathered.poll_gathers(cx, size))? {
            for buf in bufs {
                gathered.bytes.extend_from_slice(buf);
            }
            return Poll::Ready(Ok(size));
        }
        Pin::new(&mut gathered.inner).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.gathered().inner.is_write_vectored()
    }

    /// What is gathered leaves when the connection has nothing more to say.
    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut gathered = self.gathered();
        if gathered.bytes.is_empty() {
            return Pin::new(&mut gathered.inner).poll_flush(cx);
        }
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut gathered = self.gathered();
        ready!(gathered.poll_leave(cx))?;
        Pin::new(&mut gathered.inner).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use std::task::Waker;

    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex};

    use super::*;

    /// A gathering stream with room for so much, and its other end.
    fn gathering(room: usize) -> (Gather<DuplexStream>, DuplexStream) {
        let (near, far) = duplex(room);
        let gather = Gather::new(near);
        gather.begin();
        (gather, far)
    }

    fn leave(gather: &Gather<DuplexStream>) {
        gather.poll_leave(&mut Context::from_waker(Waker::noop()));
    }

    async fn arrived(far: &mut DuplexStream, room: usize) -> Vec<u8> {
        let mut bytes = vec![0; room];
        let read = far.read(&mut bytes).await.unwrap();
        bytes.truncate(read);
        bytes
    }

    #[tokio::test]
    async fn small_writes_leave_in_one_piece_and_in_order() {
        let (mut gather, mut far) = gathering(1 << 20);
        gather.write_all(b"one ").await.unwrap();
        gather.flush().await.unwrap();
        gather.write_all(b"two").await.unwrap();
        gather.flush().await.unwrap();
        leave(&gather);
        assert_eq!(arrived(&mut far, 100).await, b"one two");
    }

    #[tokio::test]
    async fn a_large_write_takes_along_what_was_gathered() {
        let (mut gather, mut far) = gathering(1 << 20);
        gather.write_all(b"small").await.unwrap();
        gather.write_all(&[7; LARGE]).await.unwrap();
        let bytes = arrived(&mut far, 1 << 20).await;
        assert_eq!(bytes.len(), 5 + LARGE);
        assert!(bytes.starts_with(b"small"));
    }

    #[tokio::test]
    async fn no_more_is_gathered_than_the_limit() {
        let (mut gather, mut far) = gathering(1 << 20);
        for _ in 0..=MOST / 1024 {
            gather.write_all(&[7; 1024]).await.unwrap();
        }
        assert_eq!(arrived(&mut far, 1 << 20).await.len(), MOST);
    }

    #[tokio::test]
    async fn a_peer_that_does_not_read_stops_the_writer() {
        let (mut gather, _far) = gathering(10);
        let mut cx = Context::from_waker(Waker::noop());
        let taken = (0..1000)
            .take_while(|_| Pin::new(&mut gather).poll_write(&mut cx, &[7; 1024]).is_ready())
            .count();
        assert_eq!(taken, MOST / 1024);
    }

    #[tokio::test]
    async fn the_end_comes_after_all_that_was_gathered() {
        let (mut gather, mut far) = gathering(1 << 20);
        gather.write_all(b"last words").await.unwrap();
        gather.shutdown().await.unwrap();
        let mut bytes = Vec::new();
        far.read_to_end(&mut bytes).await.unwrap();
        assert_eq!(bytes, b"last words");
    }

    #[tokio::test]
    async fn nothing_is_gathered_before_the_beginning() {
        let (near, mut far) = duplex(100);
        let mut gather = Gather::new(near);
        gather.write_all(b"preface").await.unwrap();
        assert_eq!(arrived(&mut far, 100).await, b"preface");
    }
}
