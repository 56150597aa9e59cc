//! The bytes of a worker's connection, with a word when the first have come and when it is over.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll},
};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_util::sync::{CancellationToken, DropGuard};

/// A connection that tells of its first bytes and of its end.
pub(crate) struct Heard<T> {
    inner: T,
    heard: Option<CancellationToken>,
    _over: DropGuard,
}

/// What a connection tells.
#[derive(Clone, Debug)]
pub(crate) struct Word {
    /// The peer has begun to speak.
    pub heard: CancellationToken,
    /// The connection is closed.
    pub over: CancellationToken,
}

impl<T> Heard<T> {
    pub(crate) fn new(inner: T) -> (Self, Word) {
        let word = Word { heard: CancellationToken::new(), over: CancellationToken::new() };
        (Self { inner, heard: Some(word.heard.clone()), _over: word.over.clone().drop_guard() }, word)
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for Heard<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let poll = Pin::new(&mut self.inner).poll_read(cx, buf);
        if buf.filled().len() > before
            && let Some(heard) = self.heard.take()
        {
            heard.cancel();
        }
        poll
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Heard<T> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}
