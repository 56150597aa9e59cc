//! The client's first words, read before anything is opened upstream: a probe makes no phantom login.

use bytes::{Bytes, BytesMut};
use penstock_domain::{Code, Error, Side};
use penstock_inspect::postgres::{First, FirstWords, reply};
use penstock_link::Stream;
use tokio::time::timeout;

use crate::session::Session;

/// What the client wants, and what it sent behind it; none if it left without a word.
pub(super) async fn read(session: &Session, stream: &mut Stream) -> Result<Option<(First, BytesMut)>, Error> {
    let limit = session.shared.config.handshake();
    timeout(limit, listen(stream)).await.unwrap_or_else(|_| {
        Err(Error::new(
            Code::Malformed,
            Side::Client,
            format!("no start-up message within {} s", limit.as_secs()),
        ))
    })
}

async fn listen(stream: &mut Stream) -> Result<Option<(First, BytesMut)>, Error> {
    let mut words = FirstWords::default();
    let mut heard = BytesMut::new();
    while let Ok(Some(chunk)) = stream.receive.chunk().await {
        heard.extend_from_slice(&chunk);
        while let Some(first) = words.feed(&mut heard).map_err(|malformed| malformed.error(Side::Client))? {
            match first {
                // As a server without TLS and without GSSAPI answers. The client's way to the gateway is the
                // link, which has its own.
                First::Tls | First::Gss => {
                    if stream.send.send(Bytes::from_static(reply::NO)).await.is_err() {
                        return Ok(None);
                    }
                }
                first => return Ok(Some((first, heard))),
            }
        }
    }
    Ok(None)
}
