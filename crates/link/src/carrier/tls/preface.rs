//! HAProxy's flavour of reversal: who dials sends the HTTP/2 preface, then the roles swap (ALPN `h2`).
//!
//! A stock HTTP/2 stack gets one thing wrong about it, the direction of the preface's 24 bytes. [`Dialler`] lets a
//! serving stack dial: it sends the preface and makes the stack believe that it has received one. [`Acceptor`] lets
//! a requesting stack accept: it swallows the preface that comes, and the one that the stack would send.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll, ready},
};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// RFC 9113 §3.4.
const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// The dialling side, whose stack serves.
#[derive(Debug)]
pub(super) struct Dialler<T> {
    inner: T,
    /// Bytes of the preface that were sent.
    sent: usize,
    /// Bytes of the preface that the stack was given.
    given: usize,
}

impl<T> Dialler<T> {
    pub(super) const fn new(inner: T) -> Self {
        Self { inner, sent: 0, given: 0 }
    }
}

impl<T: AsyncWrite + Unpin> Dialler<T> {
    /// Sends what is left of the preface, before anything of the stack's.
    fn poll_preface(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while let Some(rest) = PREFACE.get(self.sent..).filter(|rest| !rest.is_empty()) {
            match ready!(Pin::new(&mut self.inner).poll_write(cx, rest))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                written => self.sent += written,
            }
        }
        Poll::Ready(Ok(()))
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for Dialler<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let rest = PREFACE.get(self.given..).unwrap_or_default();
        if rest.is_empty() {
            return Pin::new(&mut self.inner).poll_read(cx, buf);
        }
        let given = rest.get(..buf.remaining()).unwrap_or(rest);
        buf.put_slice(given);
        self.given += given.len();
        Poll::Ready(Ok(()))
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Dialler<T> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        ready!(self.poll_preface(cx))?;
        Pin::new(&mut self.inner).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        ready!(self.poll_preface(cx))?;
        Pin::new(&mut self.inner).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_preface(cx))?;
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}

/// The accepting side, whose stack requests.
#[derive(Debug)]
pub(crate) struct Acceptor<T> {
    inner: T,
    /// Bytes of the stack's preface that were dropped.
    dropped: usize,
    /// Bytes of the peer's preface that have come.
    seen: usize,
}

impl<T> Acceptor<T> {
    pub(crate) const fn new(inner: T) -> Self {
        Self { inner, dropped: 0, seen: 0 }
    }
}

impl<T: AsyncRead + Unpin> Acceptor<T> {
    /// Reads the peer's preface and nothing beyond it, so that garbage never reaches the stack.
    fn poll_preface(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while let Some(expected) = PREFACE.get(self.seen..).filter(|rest| !rest.is_empty()) {
            let mut bytes = [0u8; PREFACE.len()];
            let mut piece = ReadBuf::new(bytes.get_mut(..expected.len()).unwrap_or_default());
            ready!(Pin::new(&mut self.inner).poll_read(cx, &mut piece))?;
            let piece = piece.filled();
            if piece.is_empty() {
                return Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into()));
            }
            if !expected.starts_with(piece) {
                return Poll::Ready(Err(io::Error::new(
                    io::ErrorKind::InvalidData,
                    "the peer did not begin with an HTTP/2 preface",
                )));
            }
            self.seen += piece.len();
        }
        Poll::Ready(Ok(()))
    }
}

impl<T> Acceptor<T> {
    /// How many bytes of this write belong to the stack's preface and go nowhere.
    fn swallow(&mut self, length: usize) -> usize {
        let swallowed = length.min(PREFACE.len() - self.dropped);
        self.dropped += swallowed;
        swallowed
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for Acceptor<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        ready!(self.poll_preface(cx))?;
        Pin::new(&mut self.inner).poll_read(cx, buf)
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Acceptor<T> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        match self.swallow(buf.len()) {
            0 => Pin::new(&mut self.inner).poll_write(cx, buf),
            swallowed => Poll::Ready(Ok(swallowed)),
        }
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self.swallow(bufs.iter().map(|buf| buf.len()).sum()) {
            0 => Pin::new(&mut self.inner).poll_write_vectored(cx, bufs),
            swallowed => Poll::Ready(Ok(swallowed)),
        }
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

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, duplex};

    use super::*;

    #[tokio::test]
    async fn the_dialler_sends_the_preface_first_and_gives_its_stack_one() {
        for size in [1, 7, 1024] {
            let (near, mut far) = duplex(size);
            let mut dialler = Dialler::new(near);
            let peer = tokio::spawn(async move {
                let mut heard = [0u8; 32];
                far.read_exact(&mut heard).await.unwrap();
                far.write_all(b"answered").await.unwrap();
                heard
            });
            dialler.write_all(b"settings").await.unwrap();
            dialler.flush().await.unwrap();
            let mut given = [0u8; 32];
            dialler.read_exact(&mut given).await.unwrap();
            assert_eq!(given, *b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\nanswered");
            assert_eq!(peer.await.unwrap(), *b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\nsettings");
        }
    }

    #[tokio::test]
    async fn the_acceptor_swallows_both_prefaces() {
        for size in [1, 7, 1024] {
            let (near, mut far) = duplex(size);
            let mut acceptor = Acceptor::new(near);
            let peer = tokio::spawn(async move {
                far.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\nsettings").await.unwrap();
                let mut heard = [0u8; 8];
                far.read_exact(&mut heard).await.unwrap();
                heard
            });
            let mut heard = [0u8; 8];
            acceptor.read_exact(&mut heard).await.unwrap();
            assert_eq!(heard, *b"settings");
            // The stack writes its preface and its settings at once.
            acceptor.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\nanswered").await.unwrap();
            assert_eq!(peer.await.unwrap(), *b"answered");
        }
    }

    #[tokio::test]
    async fn a_peer_without_a_preface_is_refused() {
        for garbage in [&b"GET / HTTP/1.1\r\n\r\n........"[..], b"PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n"] {
            let (near, mut far) = duplex(64);
            far.write_all(garbage).await.unwrap();
            let error = Acceptor::new(near).read_u8().await.unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::InvalidData);
        }
        let (near, far) = duplex(64);
        drop(far);
        let error = Acceptor::new(near).read_u8().await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
    }
}
