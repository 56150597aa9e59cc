//! The client's first words, read before anything is opened upstream: a probe makes no phantom login.

use bytes::{Bytes, BytesMut};
use penstock_inspect::postgres::{First, FirstWords, Malformed, reply, reply::Severity};
use penstock_link::Stream;
use tokio::time::timeout;

use crate::session::Session;

/// SQLSTATE class 08, for a client that says nothing.
const PROTOCOL_VIOLATION: &str = "08P01";

/// What the client wants, and what it sent behind it; none if it left without a word. The error is the message that
/// turns it away.
pub(super) async fn read(session: &Session, stream: &mut Stream) -> Result<Option<(First, BytesMut)>, Bytes> {
    let limit = session.shared.config.handshake();
    match timeout(limit, listen(stream)).await {
        Ok(Ok(first)) => Ok(first),
        Ok(Err(Malformed { what, hint, sqlstate })) => {
            tracing::info!(target: "penstock::session", user = session.principal.name(), what, "client refused");
            Err(reply::error(Severity::Fatal, sqlstate, &what, hint.as_deref()))
        }
        Err(_) => {
            let what = format!("no start-up message within {} s", limit.as_secs());
            Err(reply::error(Severity::Fatal, PROTOCOL_VIOLATION, &what, None))
        }
    }
}

async fn listen(stream: &mut Stream) -> Result<Option<(First, BytesMut)>, Malformed> {
    let mut words = FirstWords::default();
    let mut heard = BytesMut::new();
    while let Ok(Some(chunk)) = stream.receive.chunk().await {
        heard.extend_from_slice(&chunk);
        while let Some(first) = words.feed(&mut heard)? {
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
