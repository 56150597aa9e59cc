//! The first bytes of a connection: a PROXY header from those who may send one, then TLS or not.

use std::{io, net::SocketAddr};

use penstock_link::tls::{Certificate, MaybeTls};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;

use crate::{Limits, Peer, proxy_protocol};

/// First byte of a TLS handshake record (RFC 8446 §5.1).
const TLS_HANDSHAKE: u8 = 0x16;

/// Tells TLS from plaintext by the first byte, and speaks either.
#[derive(Clone)]
pub struct Acceptor {
    tls: Option<TlsAcceptor>,
    plain: bool,
}

impl Acceptor {
    /// Speaks TLS, if it has a configuration, and plaintext beside it.
    #[must_use]
    pub const fn either(tls: Option<TlsAcceptor>) -> Self {
        Self { tls, plain: true }
    }

    /// Speaks TLS only.
    #[must_use]
    pub const fn tls(tls: TlsAcceptor) -> Self {
        Self { tls: Some(tls), plain: false }
    }

    /// Bounded in time by the caller.
    pub(crate) async fn accept(
        &self,
        mut tcp: TcpStream,
        address: SocketAddr,
        limits: &Limits,
    ) -> io::Result<(MaybeTls, Peer)> {
        tcp.set_nodelay(true)?;
        let address = proxy_protocol::source(&mut tcp, address, limits).await?;
        let mut first = [0u8];
        let speaks_tls = tcp.peek(&mut first).await? == 1 && first == [TLS_HANDSHAKE];
        match &self.tls {
            Some(acceptor) if speaks_tls || !self.plain => {
                let tls = acceptor.accept(tcp).await?;
                let (_, session) = tls.get_ref();
                let server_name = session.server_name().map(str::to_owned);
                let certificate = Certificate::of(session);
                let peer = Peer { address, tls: true, server_name, certificate, host: None };
                Ok((MaybeTls::Server(Box::new(tls)), peer))
            }
            _ => {
                let peer = Peer { address, tls: false, server_name: None, certificate: None, host: None };
                Ok((MaybeTls::Plain(tcp), peer))
            }
        }
    }
}
