//! One direction between two sockets, for relays of which thousands rest while a few are busy.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll, ready},
};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::Buffers;

/// A read so small calls for a small buffer the next time.
const LITTLE: usize = 8 * 1024;

/// Copies until the end, which it passes on. It borrows a buffer only while bytes move.
#[derive(Debug, Default)]
pub struct Pump {
    buffer: Option<Box<[u8]>>,
    from: usize,
    to: usize,
    large: bool,
    phase: Phase,
    dirty: bool,
}

#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
enum Phase {
    #[default]
    Copying,
    Ending,
    Done,
}

impl Pump {
    /// Copies what can be copied now; ready when the end was passed on. `passed` sees every chunk before it
    /// is written.
    ///
    /// # Errors
    /// What cut it, `passed` included.
    pub fn poll<R, W>(
        &mut self,
        cx: &mut Context<'_>,
        reader: &mut R,
        writer: &mut W,
        buffers: &Buffers,
        passed: &mut impl FnMut(&[u8]) -> io::Result<()>,
    ) -> Poll<io::Result<()>>
    where
        R: AsyncRead + Unpin,
        W: AsyncWrite + Unpin,
    {
        loop {
            match self.phase {
                Phase::Done => return Poll::Ready(Ok(())),
                Phase::Ending => {
                    ready!(Pin::new(&mut *writer).poll_shutdown(cx))?;
                    self.phase = Phase::Done;
                }
                Phase::Copying => {
                    ready!(self.poll_write(cx, writer, buffers))?;
                    match self.poll_read(cx, reader, buffers) {
                        Poll::Ready(Ok(0)) => self.phase = Phase::Ending,
                        Poll::Ready(Ok(_)) => passed(self.waiting())?,
                        Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                        Poll::Pending => {
                            if self.dirty {
                                ready!(Pin::new(&mut *writer).poll_flush(cx))?;
                                self.dirty = false;
                            }
                            return Poll::Pending;
                        }
                    }
                }
            }
        }
    }

    fn waiting(&self) -> &[u8] {
        self.buffer.as_deref().and_then(|buffer| buffer.get(self.from..self.to)).unwrap_or_default()
    }

    fn poll_write<W: AsyncWrite + Unpin>(
        &mut self,
        cx: &mut Context<'_>,
        writer: &mut W,
        buffers: &Buffers,
    ) -> Poll<io::Result<()>> {
        while self.from < self.to {
            let written = ready!(Pin::new(&mut *writer).poll_write(cx, self.waiting()))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.from += written;
            self.dirty = true;
        }
        // One of the wrong size makes room for one of the right size.
        if let Some(buffer) = self.buffer.take_if(|_| self.to > 0) {
            buffers.give(buffer);
        }
        (self.from, self.to) = (0, 0);
        Poll::Ready(Ok(()))
    }

    fn poll_read<R: AsyncRead + Unpin>(
        &mut self,
        cx: &mut Context<'_>,
        reader: &mut R,
        buffers: &Buffers,
    ) -> Poll<io::Result<usize>> {
        let mut buffer = buffers.take(self.large);
        let mut target = ReadBuf::new(&mut buffer);
        let polled = Pin::new(reader).poll_read(cx, &mut target);
        let read = target.filled().len();
        if !matches!(polled, Poll::Ready(Ok(()))) || read == 0 {
            buffers.give(buffer);
            return polled.map_ok(|()| 0);
        }
        self.large = read == buffer.len() || (self.large && read > LITTLE);
        (self.from, self.to) = (0, read);
        self.buffer = Some(buffer);
        Poll::Ready(Ok(read))
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, duplex};

    use super::*;

    #[tokio::test]
    async fn every_byte_and_the_end_pass_and_nothing_is_kept() {
        let buffers = Buffers::default();
        let (mut caller, mut inner) = duplex(1_000_000);
        let (mut outer, mut target) = duplex(5_000);
        let sent: Vec<u8> = (0..600_000_u32).map(|number| (number % 251) as u8).collect();
        caller.write_all(&sent).await.unwrap();
        caller.shutdown().await.unwrap();
        let mut pump = Pump::default();
        let mut counted = 0;
        let copying = poll_fn(|cx| {
            pump.poll(cx, &mut inner, &mut outer, &buffers, &mut |chunk| {
                counted += chunk.len();
                Ok(())
            })
        });
        let mut received = Vec::new();
        let (copied, read) = tokio::join!(copying, target.read_to_end(&mut received));
        copied.unwrap();
        read.unwrap();
        assert!(
            received == sent && counted == sent.len() && pump.phase == Phase::Done && pump.buffer.is_none()
        );
    }
}
