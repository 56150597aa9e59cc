//! Frames in the log (`LOG_GRPC`): kind, flags, stream and length of each, and nothing of what they hold.

use tokio::io::{AsyncRead, AsyncWrite};
use tokio_util::io::{InspectReader, InspectWriter};

/// RFC 9113 §4.1.
const HEADER: usize = 9;

/// Bytes of the preface, which the requesting side sends before its first frame (RFC 9113 §3.4).
const PREFACE: usize = 24;

/// One direction of a connection, cut into frames.
#[derive(Debug)]
struct Direction {
    name: &'static str,
    header: [u8; HEADER],
    /// Bytes of the header that were seen.
    seen: usize,
    /// Bytes until the next header.
    skip: usize,
}

/// What a frame's header says.
#[derive(Debug, Eq, PartialEq)]
struct Head {
    kind: &'static str,
    flags: u8,
    stream: u32,
    length: usize,
}

/// Around the connection of the side that requests: its frames are told to the log, if that wants to hear of them
/// now.
pub(crate) fn requesting<T: AsyncRead + AsyncWrite + Unpin>(io: T) -> impl AsyncRead + AsyncWrite + Unpin {
    told(io, 0, PREFACE)
}

/// The same around the connection of the side that serves.
pub(crate) fn serving<T: AsyncRead + AsyncWrite + Unpin>(io: T) -> impl AsyncRead + AsyncWrite + Unpin {
    told(io, PREFACE, 0)
}

fn told<T: AsyncRead + AsyncWrite + Unpin>(
    io: T,
    received: usize,
    sent: usize,
) -> impl AsyncRead + AsyncWrite + Unpin {
    let wanted = tracing::enabled!(target: "penstock::link", tracing::Level::TRACE);
    let mut received = wanted.then(|| Direction::new("received", received));
    let mut sent = wanted.then(|| Direction::new("sent", sent));
    let io = InspectReader::new(io, move |bytes: &[u8]| {
        if let Some(received) = &mut received {
            received.tell(bytes);
        }
    });
    InspectWriter::new(io, move |bytes: &[u8]| {
        if let Some(sent) = &mut sent {
            sent.tell(bytes);
        }
    })
}

impl Direction {
    const fn new(name: &'static str, skip: usize) -> Self {
        Self { name, header: [0; HEADER], seen: 0, skip }
    }

    fn tell(&mut self, bytes: &[u8]) {
        let name = self.name;
        self.cut(bytes, |Head { kind, flags, stream, length }| {
            tracing::trace!(target: "penstock::link", kind, flags, stream, length, "frame {name}");
        });
    }

    fn cut(&mut self, mut bytes: &[u8], mut each: impl FnMut(Head)) {
        while !bytes.is_empty() {
            let passed = self.skip.min(bytes.len());
            self.skip -= passed;
            bytes = bytes.get(passed..).unwrap_or_default();
            let room = self.header.get_mut(self.seen..).unwrap_or_default();
            let taken = room.len().min(bytes.len());
            if let (Some(room), Some(part)) = (room.get_mut(..taken), bytes.get(..taken)) {
                room.copy_from_slice(part);
            }
            self.seen += taken;
            bytes = bytes.get(taken..).unwrap_or_default();
            if self.seen == HEADER {
                let head = Head::read(self.header);
                (self.seen, self.skip) = (0, head.length);
                each(head);
            }
        }
    }
}

impl Head {
    fn read([a, b, c, kind, flags, s, t, u, v]: [u8; HEADER]) -> Self {
        Self {
            kind: name(kind),
            flags,
            // The highest bit is reserved.
            stream: u32::from_be_bytes([s & 0x7f, t, u, v]),
            length: u32::from_be_bytes([0, a, b, c]) as usize,
        }
    }
}

/// RFC 9113 §6.
const fn name(kind: u8) -> &'static str {
    match kind {
        0 => "DATA",
        1 => "HEADERS",
        2 => "PRIORITY",
        3 => "RST_STREAM",
        4 => "SETTINGS",
        5 => "PUSH_PROMISE",
        6 => "PING",
        7 => "GOAWAY",
        8 => "WINDOW_UPDATE",
        9 => "CONTINUATION",
        _ => "unknown",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_frame_is_found_whatever_the_sizes_in_which_it_comes() {
        let mut sent = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
        sent.extend_from_slice(&[0, 0, 6, 4, 0, 0, 0, 0, 0, 0, 3, 0, 0, 1, 2]);
        sent.extend_from_slice(&[0, 0, 2, 0, 1, 0x80, 0, 0, 5, b'h', b'i']);
        sent.extend_from_slice(&[0, 0, 0, 99, 0, 0, 0, 0, 0]);
        for size in [1, 2, 9, 10, 1024] {
            let (mut direction, mut found) = (Direction::new("sent", PREFACE), Vec::new());
            for piece in sent.chunks(size) {
                direction.cut(piece, |head| found.push(head));
            }
            let frame = |kind, flags, stream, length| Head { kind, flags, stream, length };
            assert_eq!(
                found,
                [frame("SETTINGS", 0, 0, 6), frame("DATA", 1, 5, 2), frame("unknown", 0, 0, 0)]
            );
        }
    }
}
