//! One interface to both kinds of byte stream: a link's, whose chunks pass without a copy, and any other.

use std::io;

use bytes::{Bytes, BytesMut};
use penstock_link::{CHUNK_BYTES, Receive, Send as LinkSend};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};

/// What an idle stream holds, in bytes.
const SMALLEST: usize = 1024;

/// What a busy one reads at once, in bytes.
const LARGEST: usize = CHUNK_BYTES as usize;

/// Where bytes come from.
pub enum Source {
    /// A stream on a link.
    Link(Receive),
    /// Anything else.
    Io(Reader),
}

/// A reader with a buffer that grows while reads fill it.
pub struct Reader<R = Box<dyn AsyncRead + Send + Unpin>> {
    inner: R,
    buffer: BytesMut,
    size: usize,
}

impl Source {
    /// Reads from anything.
    pub fn io(inner: impl AsyncRead + Send + Unpin + 'static) -> Self {
        Self::Io(Reader::new(Box::new(inner)))
    }

    /// The next bytes, never empty; none at the end.
    ///
    /// # Errors
    /// The stream was cut.
    pub async fn chunk(&mut self) -> io::Result<Option<Bytes>> {
        match self {
            Self::Link(receive) => receive.chunk().await,
            Self::Io(reader) => reader.chunk().await,
        }
    }
}

impl<R: AsyncRead + Unpin> Reader<R> {
    pub(crate) fn new(inner: R) -> Self {
        Self { inner, buffer: BytesMut::new(), size: SMALLEST }
    }

    pub(crate) async fn chunk(&mut self) -> io::Result<Option<Bytes>> {
        self.buffer.reserve(self.size);
        let room = self.buffer.capacity();
        let read = self.inner.read_buf(&mut self.buffer).await?;
        if read == 0 {
            return Ok(None);
        }
        if read == room {
            self.size = (self.size * 4).min(LARGEST);
        } else if read < self.size / 8 {
            self.size = (self.size / 4).max(SMALLEST);
        }
        Ok(Some(self.buffer.split().freeze()))
    }
}

/// Where bytes go.
pub enum Sink {
    /// A stream on a link.
    Link(LinkSend),
    /// Anything else.
    Io(Box<dyn AsyncWrite + Send + Unpin>),
}

impl Sink {
    /// Writes to anything.
    pub fn io(inner: impl AsyncWrite + Send + Unpin + 'static) -> Self {
        Self::Io(Box::new(inner))
    }

    /// Sends bytes, waiting for room.
    ///
    /// # Errors
    /// The stream was cut.
    pub async fn send(&mut self, chunk: Bytes) -> io::Result<()> {
        match self {
            Self::Link(send) => send.send(chunk).await,
            Self::Io(writer) => {
                writer.write_all(&chunk).await?;
                writer.flush().await
            }
        }
    }

    /// Ends this direction in order.
    ///
    /// # Errors
    /// The stream is gone.
    pub async fn finish(&mut self) -> io::Result<()> {
        match self {
            Self::Link(send) => send.finish(),
            Self::Io(writer) => writer.shutdown().await,
        }
    }

    /// Ends both directions with an error where the stream can show one.
    pub fn reset(&mut self) {
        if let Self::Link(send) = self {
            send.reset();
        }
    }
}
