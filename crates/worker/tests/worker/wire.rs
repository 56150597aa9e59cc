//! A proxy that speaks frame by frame.

use penstock_link::carrier::Duplex;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::proxy::{Proxy, soon};

pub const DATA: u8 = 0;
pub const HEADERS: u8 = 1;
pub const RST_STREAM: u8 = 3;
pub const SETTINGS: u8 = 4;
pub const PING: u8 = 6;
pub const GOAWAY: u8 = 7;
pub const CONTINUATION: u8 = 9;

pub const END_STREAM: u8 = 1;
pub const ACK: u8 = 1;
pub const END_HEADERS: u8 = 4;

/// `GET https://a/hello`, in HPACK without compression.
pub const HELLO: &[u8] = b"\x82\x87\x01\x01a\x04\x06/hello";

/// `GET https://a/flood`.
pub const FLOOD: &[u8] = b"\x82\x87\x01\x01a\x04\x06/flood";

/// `POST https://a/hold`.
pub const HOLD: &[u8] = b"\x83\x87\x01\x01a\x04\x05/hold";

#[derive(Debug)]
pub struct Frame {
    pub kind: u8,
    pub flags: u8,
    pub stream: u32,
    pub payload: Vec<u8>,
}

pub struct Wire(Box<dyn Duplex>);

impl Wire {
    /// The next link. Both flavours look the same from here: the carrier hides who sends the preface.
    pub async fn accept(proxy: &Proxy) -> Self {
        let mut wire = Self(proxy.accept().await.unwrap());
        wire.0.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await.unwrap();
        wire.send(SETTINGS, 0, 0, &[]).await;
        wire
    }

    pub async fn send(&mut self, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
        // A worker that has hung up is for the reader to find.
        let _gone = self.try_send(kind, flags, stream, payload).await;
    }

    pub async fn try_send(
        &mut self,
        kind: u8,
        flags: u8,
        stream: u32,
        payload: &[u8],
    ) -> std::io::Result<()> {
        let [_, length @ ..] = u32::try_from(payload.len()).unwrap().to_be_bytes();
        let head = [&length[..], &[kind, flags], &stream.to_be_bytes()].concat();
        self.0.write_all(&[head.as_slice(), payload].concat()).await?;
        self.0.flush().await
    }

    /// The next frame; none at the end of the link.
    pub async fn frame(&mut self) -> Option<Frame> {
        let mut head = [0u8; 9];
        soon(self.0.read_exact(&mut head)).await.ok()?;
        let [a, b, c, kind, flags, stream @ ..] = head;
        let mut payload = vec![0; u32::from_be_bytes([0, a, b, c]) as usize];
        soon(self.0.read_exact(&mut payload)).await.ok()?;
        Some(Frame { kind, flags, stream: u32::from_be_bytes(stream), payload })
    }

    /// The next frame of this kind, and no acknowledgement.
    pub async fn next(&mut self, kind: u8) -> Frame {
        loop {
            let frame = self.frame().await.unwrap_or_else(|| panic!("the link ended before a frame {kind}"));
            if frame.kind == kind && (kind != SETTINGS || frame.flags & ACK == 0) {
                return frame;
            }
        }
    }

    /// Reads to the end of the link; the reason of its GOAWAY, if there was one.
    pub async fn end(&mut self) -> Option<u32> {
        let mut reason = None;
        while let Some(frame) = self.frame().await {
            if let (GOAWAY, [_, _, _, _, code @ ..]) = (frame.kind, frame.payload.as_slice()) {
                reason = code.first_chunk().map(|code| u32::from_be_bytes(*code));
            }
        }
        reason
    }
}
