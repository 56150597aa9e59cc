//! Bytes that go to the gateway and come back.

use std::{io, sync::atomic::Ordering};

use bytes::Bytes;
use penstock_domain::{Code, Error, Side};
use penstock_link::{Receive, Send, Stream};

use crate::Carried;

/// Bytes that are sent at once.
const CHUNK: usize = 64 * 1024;

/// One byte there and back.
pub(crate) async fn byte(stream: &mut Stream) -> Result<(), Error> {
    stream.send.send(Bytes::from_static(b"?")).await.map_err(|error| cut(&error))?;
    match stream.receive.chunk().await {
        Ok(Some(chunk)) if *chunk == *b"?" => Ok(()),
        Ok(_) => Err(unasked()),
        Err(error) => Err(cut(&error)),
    }
}

/// Sends so many bytes, and takes them back meanwhile.
pub(crate) async fn message(stream: Stream, bytes: u64, carried: &Carried) -> Result<(), Error> {
    let Stream { receive, send } = stream;
    tokio::try_join!(there(send, bytes, carried), back(receive, carried)).map_err(|error| cut(&error))?;
    if carried.received() == bytes { Ok(()) } else { Err(unasked()) }
}

async fn there(mut send: Send, bytes: u64, carried: &Carried) -> io::Result<()> {
    let chunk = Bytes::from(vec![0x55; CHUNK]);
    let mut left = bytes;
    while left > 0 {
        let size = chunk.len().min(usize::try_from(left).unwrap_or(CHUNK));
        send.send(chunk.slice(..size)).await?;
        left -= size as u64;
        carried.sent.fetch_add(size as u64, Ordering::Relaxed);
    }
    send.finish()
}

async fn back(mut receive: Receive, carried: &Carried) -> io::Result<()> {
    while let Some(chunk) = receive.chunk().await? {
        carried.received.fetch_add(chunk.len() as u64, Ordering::Relaxed);
    }
    Ok(())
}

/// The stream broke.
pub(crate) fn cut(error: &io::Error) -> Error {
    Error::new(Code::Lost, Side::Gateway, error.to_string())
}

/// What came back is not what went.
pub(crate) fn unasked() -> Error {
    Error::new(Code::Malformed, Side::Gateway, "what came back is not what was sent")
        .hint("something in between changes or ends the stream")
}
