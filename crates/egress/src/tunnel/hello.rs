//! The ClientHello at the beginning of a tunnel.

use std::time::Duration;

use penstock_link::tls::{Alert, ClientHello, ClientHelloReader, alert};
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    time::timeout,
};

use crate::proxy::Exchange;

/// Reads until the ClientHello is whole and names `name`; what was read stays in `first`. A caller that says
/// otherwise is told by a TLS alert (RFC 8446 §6.2).
pub(super) async fn sniff<C>(
    caller: &mut C,
    first: &mut Vec<u8>,
    name: &str,
    limit: Duration,
    exchange: &mut Exchange,
) -> Result<(), String>
where
    C: AsyncRead + AsyncWrite + Unpin,
{
    let (record, why) = match timeout(limit, read(caller, first)).await {
        Ok(Ok(hello)) => {
            exchange.access.sni.clone_from(&hello.server_name);
            if hello.server_name.as_deref() == Some(name) {
                return Ok(());
            }
            let named = hello.server_name.as_deref().unwrap_or("nobody");
            let why = format!("the ClientHello must name {name} and names {named}");
            (alert(Alert::UnrecognizedName), why)
        }
        Ok(Err(record)) => (record, format!("the tunnel must begin with a TLS ClientHello for {name}")),
        Err(_) => (alert(Alert::DecodeError), format!("no ClientHello came within {} ms", limit.as_millis())),
    };
    let telling = async {
        caller.write_all(&record).await?;
        caller.shutdown().await
    };
    // Whoever does not listen is not told.
    let _told = timeout(limit, telling).await;
    Err(why)
}

async fn read<C: AsyncRead + Unpin>(caller: &mut C, first: &mut Vec<u8>) -> Result<ClientHello, Vec<u8>> {
    let mut reader = ClientHelloReader::default();
    let mut seen = 0;
    loop {
        let fresh = first.get(seen..).unwrap_or_default();
        if let Some(hello) = reader.read(fresh).map_err(|refused| refused.alert)? {
            return Ok(hello);
        }
        seen = first.len();
        match caller.read_buf(first).await {
            Ok(1..) => {}
            Ok(0) | Err(_) => return Err(alert(Alert::DecodeError)),
        }
    }
}

/// The ClientHello, if one is whole in the first chunk: for the log.
pub(super) fn peek(chunk: &[u8]) -> Option<ClientHello> {
    const HANDSHAKE: u8 = 22;
    match chunk {
        [HANDSHAKE, 3, ..] => ClientHelloReader::default().read(chunk).ok().flatten(),
        _ => None,
    }
}
