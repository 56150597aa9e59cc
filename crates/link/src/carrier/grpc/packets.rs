//! A byte stream over two message streams. Writes are gathered, so that many small frames become one message.

use std::{
    error::Error as _,
    io,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker, ready},
};

use bytes::{Buf as _, Bytes, BytesMut};
use futures_util::Stream;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tonic::{Status, Streaming};

use super::protobuf::Packet;
use crate::FRAME_BYTES;

/// Bytes that wait for the outer stream before the writer does.
const HELD_BYTES: usize = 4 * FRAME_BYTES as usize;

/// Bytes of a message: with the heads of its frame (RFC 9113 §4.1), of gRPC and of protobuf it fills four TLS records.
const PACKET_BYTES: usize = FRAME_BYTES as usize - 9 - 5 - 4;

/// The bytes of one gRPC call, as a stream to read from and to write to.
#[derive(Debug)]
pub struct PacketStream {
    inbound: Streaming<Packet>,
    held: Bytes,
    gather: Arc<Mutex<Gather>>,
}

/// Written bytes on their way to the outer stream.
#[derive(Debug, Default)]
struct Gather {
    bytes: BytesMut,
    /// No more will be written.
    finished: bool,
    /// Nobody will read.
    abandoned: bool,
    reader: Option<Waker>,
    writer: Option<Waker>,
}

/// The messages that leave.
#[derive(Debug)]
pub(super) struct Outbound(Arc<Mutex<Gather>>);

impl Outbound {
    /// The outbound half comes first: a call needs it before it can return its inbound half.
    pub(super) fn new() -> Self {
        Self(Arc::default())
    }

    /// A handle that joins an inbound half to this outbound one.
    pub(super) fn joiner(&self) -> Joiner {
        Joiner(Arc::clone(&self.0))
    }
}

/// Makes a [`PacketStream`] once the inbound half is there.
pub(super) struct Joiner(Arc<Mutex<Gather>>);

impl Joiner {
    pub(super) fn join(self, inbound: Streaming<Packet>) -> PacketStream {
        PacketStream { inbound, held: Bytes::new(), gather: self.0 }
    }
}

fn lock(gather: &Mutex<Gather>) -> MutexGuard<'_, Gather> {
    gather.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Stream for Outbound {
    type Item = Packet;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Packet>> {
        let mut gather = lock(&self.0);
        if gather.bytes.is_empty() {
            if gather.finished {
                return Poll::Ready(None);
            }
            gather.reader = Some(cx.waker().clone());
            return Poll::Pending;
        }
        let length = gather.bytes.len().min(PACKET_BYTES);
        let payload = gather.bytes.split_to(length).freeze();
        let writer = gather.writer.take();
        drop(gather);
        if let Some(writer) = writer {
            writer.wake();
        }
        Poll::Ready(Some(Packet { payload }))
    }
}

impl Drop for Outbound {
    fn drop(&mut self) {
        let mut gather = lock(&self.0);
        gather.abandoned = true;
        if let Some(writer) = gather.writer.take() {
            writer.wake();
        }
    }
}

impl PacketStream {
    /// What the body of a call holds.
    #[cfg(feature = "fuzz")]
    pub(crate) fn of_body<B>(body: B) -> Self
    where
        B: http_body::Body<Data = Bytes, Error: Into<tonic::codegen::StdError>> + Send + 'static,
    {
        let decoder = tonic::codec::Codec::decoder(&mut tonic_prost::ProstCodec::<Packet, Packet>::default());
        Outbound::new().joiner().join(Streaming::new_request(decoder, body, None, Some(super::MESSAGE_BYTES)))
    }

    /// Waits for room, then appends by `fill`, which says how much it took.
    fn poll_gather(
        &self,
        cx: &mut Context<'_>,
        fill: impl FnOnce(&mut BytesMut, usize) -> usize,
    ) -> Poll<io::Result<usize>> {
        let mut gather = lock(&self.gather);
        if gather.abandoned || gather.finished {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        let room = HELD_BYTES.saturating_sub(gather.bytes.len());
        if room == 0 {
            gather.writer = Some(cx.waker().clone());
            return Poll::Pending;
        }
        let taken = fill(&mut gather.bytes, room);
        let reader = gather.reader.take();
        drop(gather);
        if let Some(reader) = reader {
            reader.wake();
        }
        Poll::Ready(Ok(taken))
    }

    fn finish(&self) {
        let mut gather = lock(&self.gather);
        gather.finished = true;
        if let Some(reader) = gather.reader.take() {
            reader.wake();
        }
    }
}

impl AsyncRead for PacketStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        while self.held.is_empty() {
            match ready!(Pin::new(&mut self.inbound).poll_next(cx)) {
                None => return Poll::Ready(Ok(())),
                Some(Err(status)) => return Poll::Ready(Err(lost(&status))),
                Some(Ok(packet)) => self.held = packet.payload,
            }
        }
        let length = self.held.remaining().min(buf.remaining());
        buf.put_slice(&self.held.split_to(length));
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for PacketStream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_gather(cx, |bytes, room| append(bytes, buf, room))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.poll_gather(cx, |bytes, room| {
            bufs.iter().fold(0, |taken, buf| taken + append(bytes, buf, room - taken))
        })
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.finish();
        Poll::Ready(Ok(()))
    }
}

impl Drop for PacketStream {
    fn drop(&mut self) {
        self.finish();
    }
}

fn append(bytes: &mut BytesMut, buf: &[u8], room: usize) -> usize {
    let part = buf.get(..room).unwrap_or(buf);
    bytes.extend_from_slice(part);
    part.len()
}

fn lost(status: &Status) -> io::Error {
    let why = reset(status).unwrap_or_else(|| status.message().to_owned());
    io::Error::new(
        io::ErrorKind::ConnectionReset,
        format!("the gRPC stream ended: {:?}: {why}", status.code()),
    )
}

/// What the outer HTTP/2 says of it, in the protocol's own words: whoever is in between chose them.
fn reset(status: &Status) -> Option<String> {
    let mut cause = status.source();
    while let Some(error) = cause {
        if let Some(error) = error.downcast_ref::<h2::Error>()
            && let Some(reason) = error.reason()
        {
            let frame = if error.is_go_away() { "GOAWAY" } else { "RST_STREAM" };
            let side = if error.is_remote() { "came" } else { "was sent" };
            return Some(format!("{frame} {reason:?} {side}"));
        }
        cause = error.source();
    }
    None
}

#[cfg(test)]
mod tests {
    use prost::Message as _;

    use super::*;
    use crate::CHUNK_BYTES;

    /// Of a frame, of a gRPC message (its length, and whether it is compressed).
    const HEADS: usize = 9 + 5;

    #[test]
    fn the_largest_message_and_its_heads_fill_four_tls_records() {
        let packet = Packet { payload: vec![0; PACKET_BYTES].into() };
        assert_eq!(HEADS + packet.encoded_len(), 4 * 16 * 1024);
    }

    #[test]
    fn a_whole_chunk_in_its_frame_fits_one_message() {
        assert!(CHUNK_BYTES as usize + 9 <= PACKET_BYTES);
    }
}
