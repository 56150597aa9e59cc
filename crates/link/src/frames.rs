//! A filter for HTTP/2 frames between a carrier and the HTTP/2 stack, for what the stack cannot be told.
//!
//! * Other implementations flush with empty DATA frames, of which `h2` takes a hundred in a connection's life. They
//!   carry nothing, so they end here; a flood of them does not.
//! * HAProxy ignores MAX_CONCURRENT_STREAMS in the SETTINGS that come before the roles are reversed, and heeds it in
//!   later ones. [`Frames::serving`] sends it once more, and swallows the acknowledgement, of which the stack does
//!   not know.
//! * GOAWAY is told to who has to dial again, and said where the stack does not ([`Farewell`]).

use std::{
    io,
    pin::Pin,
    task::{Context, Poll, ready},
};

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, ReadBuf, Take};
use tokio_util::sync::CancellationToken;

use crate::farewell::Farewell;

/// RFC 9113 §4.1.
const HEADER: usize = 9;
const DATA: u8 = 0;
const SETTINGS: u8 = 4;
const GOAWAY: u8 = 7;
const END_STREAM: u8 = 1;
const ACK: u8 = 1;
const MAX_CONCURRENT_STREAMS: u8 = 3;

/// Bytes of the preface that a serving stack reads before the first frame (RFC 9113 §3.4).
const PREFACE: u64 = 24;

/// Empty DATA frames that may come without any that hold something; beyond them it is a flood, and the stack's.
const SPARE: u32 = 100;

/// Empty DATA frames that one with content makes up for: who flushes sends one after it.
const EARNED: u32 = 2;

/// A byte stream that is looked at frame by frame.
#[derive(Debug)]
pub(crate) struct Frames<T> {
    /// Limited to the rest of the frame that is being read.
    inner: Take<T>,
    header: [u8; HEADER],
    /// Bytes of the header that have come.
    read: usize,
    /// Bytes of the header that are due to the stack.
    due: std::ops::Range<usize>,
    spare: u32,
    acknowledgements: u32,
    opening: Option<Opening>,
    /// Cancelled when the first frame comes.
    established: Option<CancellationToken>,
    /// Cancelled when the peer says GOAWAY.
    going_away: CancellationToken,
    farewell: Option<Farewell>,
}

/// The stack's first frame, and ours behind it.
#[derive(Debug)]
struct Opening {
    bytes: Vec<u8>,
    written: usize,
    settings: Option<[u8; HEADER + 6]>,
}

impl<T: AsyncRead> Frames<T> {
    /// For a stack that requests; it says `farewell` when that is wanted. `going_away` is cancelled when the peer says
    /// GOAWAY.
    pub(crate) fn requesting(inner: T, farewell: Farewell, going_away: CancellationToken) -> Self {
        Self { farewell: Some(farewell), ..Self::new(inner, 0, None, going_away) }
    }

    /// For a stack that serves; with `again` it admits so many streams, and says so again. `established` is
    /// cancelled when the peer's first frame comes: before that nothing is known of a peer that asks for a
    /// certificate. `going_away` is cancelled when it says GOAWAY.
    pub(crate) fn serving(
        inner: T,
        again: Option<u32>,
        established: CancellationToken,
        going_away: CancellationToken,
    ) -> Self {
        let opening = again.map(Opening::new);
        Self { established: Some(established), ..Self::new(inner, PREFACE, opening, going_away) }
    }

    fn new(inner: T, unexamined: u64, opening: Option<Opening>, going_away: CancellationToken) -> Self {
        Self {
            inner: inner.take(unexamined),
            header: [0; HEADER],
            read: 0,
            due: 0..0,
            spare: SPARE,
            acknowledgements: u32::from(opening.is_some()),
            opening,
            established: None,
            going_away,
            farewell: None,
        }
    }

    /// Whether the frame whose header has come goes to the stack.
    fn passes(&mut self) -> bool {
        let [_, _, _, kind, flags, ..] = self.header;
        match (kind, self.length()) {
            (DATA, 0) if flags & END_STREAM == 0 && self.spare > 0 => {
                self.spare -= 1;
                false
            }
            (SETTINGS, 0) if flags & ACK != 0 && self.acknowledgements > 0 => {
                self.acknowledgements -= 1;
                false
            }
            (GOAWAY, _) => {
                self.going_away.cancel();
                true
            }
            (DATA, 1..) => {
                self.spare = (self.spare + EARNED).min(SPARE);
                true
            }
            _ => true,
        }
    }

    fn length(&self) -> u64 {
        let [a, b, c, ..] = self.header;
        u32::from_be_bytes([0, a, b, c]).into()
    }
}

impl<T: AsyncRead + Unpin> Frames<T> {
    /// Reads headers until one is due to the stack, or until the end of the stream.
    fn poll_header(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        loop {
            while self.read < HEADER {
                let mut rest = ReadBuf::new(self.header.get_mut(self.read..).unwrap_or_default());
                ready!(Pin::new(self.inner.get_mut()).poll_read(cx, &mut rest))?;
                match rest.filled().len() {
                    0 => {
                        self.due = 0..std::mem::take(&mut self.read);
                        return Poll::Ready(Ok(()));
                    }
                    more => self.read += more,
                }
            }
            self.read = 0;
            if let Some(established) = self.established.take() {
                established.cancel();
            }
            if self.passes() {
                self.due = 0..HEADER;
                self.inner.set_limit(self.length());
                return Poll::Ready(Ok(()));
            }
        }
    }

    fn give(&mut self, buf: &mut ReadBuf<'_>) {
        let due = self.header.get(self.due.clone()).unwrap_or_default();
        let given = due.get(..buf.remaining()).unwrap_or(due);
        buf.put_slice(given);
        self.due.start += given.len();
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for Frames<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.due.is_empty() && self.inner.limit() == 0 {
            ready!(self.poll_header(cx))?;
        }
        let before = buf.filled().len();
        self.give(buf);
        if buf.remaining() == 0 || self.inner.limit() == 0 {
            return Poll::Ready(Ok(()));
        }
        match Pin::new(&mut self.inner).poll_read(cx, buf) {
            Poll::Pending if buf.filled().len() > before => Poll::Ready(Ok(())),
            poll => poll,
        }
    }
}

impl Opening {
    fn new(streams: u32) -> Self {
        let [a, b, c, d] = streams.to_be_bytes();
        let settings = [0, 0, 6, SETTINGS, 0, 0, 0, 0, 0, 0, MAX_CONCURRENT_STREAMS, a, b, c, d];
        Self { bytes: Vec::new(), written: 0, settings: Some(settings) }
    }

    /// Takes what belongs to the stack's first frame; behind its last byte comes ours.
    fn take(&mut self, buf: &[u8]) -> usize {
        let mut taken = 0;
        while let (Some(settings), Some(rest)) = (&self.settings, buf.get(taken..)) {
            let missing = self.missing();
            let part = rest.get(..missing).unwrap_or(rest);
            self.bytes.extend_from_slice(part);
            taken += part.len();
            if part.len() < missing {
                break;
            }
            if self.missing() == 0 {
                self.bytes.extend_from_slice(settings);
                self.settings = None;
            }
        }
        taken
    }

    /// Bytes up to the end of the frame's header, then up to the end of the frame.
    fn missing(&self) -> usize {
        let whole = match self.bytes.as_slice() {
            [a, b, c, _, _, _, _, _, _, ..] => HEADER + u32::from_be_bytes([0, *a, *b, *c]) as usize,
            _ => HEADER,
        };
        whole.saturating_sub(self.bytes.len())
    }
}

impl<T: AsyncRead + AsyncWrite + Unpin> Frames<T> {
    /// Writes what is held of the opening; nothing before the stack's first frame is whole.
    fn poll_opening(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Some(opening) = self.opening.as_mut().filter(|opening| opening.settings.is_none()) else {
            return Poll::Ready(Ok(()));
        };
        while let Some(rest) = opening.bytes.get(opening.written..).filter(|rest| !rest.is_empty()) {
            match ready!(Pin::new(self.inner.get_mut()).poll_write(cx, rest))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                written => opening.written += written,
            }
        }
        self.opening = None;
        Poll::Ready(Ok(()))
    }

    /// Says GOAWAY if that is wanted and this is the place for it.
    fn poll_farewell(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Some(farewell) = &mut self.farewell else { return Poll::Ready(Ok(())) };
        while let Some(due) = farewell.due() {
            match ready!(Pin::new(self.inner.get_mut()).poll_write(cx, due))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                written => farewell.said(written),
            }
        }
        Poll::Ready(Ok(()))
    }

    /// So much of what the stack wrote has left.
    fn note_written<'a>(&mut self, bufs: impl Iterator<Item = &'a [u8]>, written: usize) {
        let Some(farewell) = &mut self.farewell else { return };
        let mut left = written;
        for buf in bufs {
            let part = buf.get(..left).unwrap_or(buf);
            farewell.pass(part);
            left -= part.len();
        }
    }
}

impl<T: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Frames<T> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        ready!(self.poll_opening(cx))?;
        if let Some(opening) = &mut self.opening {
            return Poll::Ready(Ok(opening.take(buf)));
        }
        ready!(self.poll_farewell(cx))?;
        let written = ready!(Pin::new(self.inner.get_mut()).poll_write(cx, buf))?;
        self.note_written(std::iter::once(buf), written);
        Poll::Ready(Ok(written))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        if self.opening.is_some() {
            let first = bufs.iter().find(|buf| !buf.is_empty()).map_or(&[][..], |buf| buf);
            return self.poll_write(cx, first);
        }
        ready!(self.poll_farewell(cx))?;
        let written = ready!(Pin::new(self.inner.get_mut()).poll_write_vectored(cx, bufs))?;
        self.note_written(bufs.iter().map(|buf| &**buf), written);
        Poll::Ready(Ok(written))
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.get_ref().is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_opening(cx))?;
        ready!(self.poll_farewell(cx))?;
        Pin::new(self.inner.get_mut()).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(self.inner.get_mut()).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncWriteExt as _, duplex};

    use super::*;

    fn frame(kind: u8, flags: u8, payload: &[u8]) -> Vec<u8> {
        let mut frame = vec![0, 0, u8::try_from(payload.len()).unwrap(), kind, flags, 0, 0, 0, 1];
        frame.extend_from_slice(payload);
        frame
    }

    fn requesting<T: AsyncRead>(inner: T) -> Frames<T> {
        let token = CancellationToken::new;
        Frames::requesting(inner, Farewell::new(token()), token())
    }

    fn serving<T: AsyncRead>(inner: T, again: Option<u32>) -> Frames<T> {
        Frames::serving(inner, again, CancellationToken::new(), CancellationToken::new())
    }

    /// What the stack reads of `sent`, whatever the sizes in which it comes.
    async fn read(
        sent: &[u8],
        size: usize,
        frames: fn(tokio::io::DuplexStream) -> Frames<tokio::io::DuplexStream>,
    ) -> Vec<u8> {
        let (near, mut far) = duplex(size);
        let sent = sent.to_vec();
        let sender = tokio::spawn(async move { far.write_all(&sent).await });
        let mut given = Vec::new();
        frames(near).read_to_end(&mut given).await.unwrap();
        sender.await.unwrap().unwrap();
        given
    }

    #[tokio::test]
    async fn empty_data_is_dropped_and_all_else_passes() {
        let kept =
            [frame(1, 4, b"head"), frame(DATA, 0, b"abc"), frame(DATA, END_STREAM, b""), frame(9, 0, b"")];
        let mut sent = Vec::new();
        for frame in &kept {
            sent.extend_from_slice(&self::frame(DATA, 0, b""));
            sent.extend_from_slice(frame);
        }
        for size in [1, 3, 9, 10, 1024] {
            assert_eq!(read(&sent, size, requesting).await, kept.concat(), "{size}");
        }
    }

    #[tokio::test]
    async fn a_flood_of_empty_data_is_the_stacks() {
        let sent = frame(DATA, 0, b"").repeat(SPARE as usize + 7);
        assert_eq!(read(&sent, 1024, requesting).await.len(), 7 * HEADER);
        let flushing = [frame(DATA, 0, b"x"), frame(DATA, 0, b"")].concat().repeat(1000);
        assert_eq!(read(&flushing, 1024, requesting).await.len(), 1000 * (HEADER + 1));
    }

    #[tokio::test]
    async fn a_cut_header_reaches_the_stack_as_it_came() {
        assert_eq!(read(&[0, 0, 4, 1], 2, requesting).await, [0, 0, 4, 1]);
    }

    #[tokio::test]
    async fn a_serving_stack_gets_its_preface_and_one_acknowledgement() {
        let ack = frame(SETTINGS, ACK, b"");
        let sent =
            [b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".as_slice(), &ack, &frame(1, 4, b"head"), &ack].concat();
        let given = [b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".as_slice(), &frame(1, 4, b"head"), &ack].concat();
        for size in [1, 1024] {
            assert_eq!(read(&sent, size, |near| serving(near, Some(1))).await, given);
        }
    }

    #[tokio::test]
    async fn the_limit_of_streams_is_said_again_behind_the_first_frame() {
        let again = [0, 0, 6, SETTINGS, 0, 0, 0, 0, 0, 0, MAX_CONCURRENT_STREAMS, 0, 0, 1, 2];
        let (first, next) = (frame(SETTINGS, 0, b"123456"), frame(6, 0, b"12345678"));
        for size in [1, 7, 1024] {
            let (near, mut far) = duplex(size);
            let mut frames = serving(near, Some(258));
            let written = [first.clone(), next.clone()].concat();
            let writer = tokio::spawn(async move {
                for piece in written.chunks(size) {
                    frames.write_all(piece).await.unwrap();
                    frames.flush().await.unwrap();
                }
            });
            let mut heard = Vec::new();
            far.read_to_end(&mut heard).await.unwrap();
            writer.await.unwrap();
            assert_eq!(heard, [first.clone(), again.to_vec(), next.clone()].concat());
        }
    }
}
