//! One connection of a port: TLS or not, HTTP/1.1 or HTTP/2, told apart by what comes.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::conn::auto,
};
use penstock_domain::Error;
use penstock_link::{FRAME_BYTES, tls};
use tokio::{net::TcpStream, time::timeout};
use tokio_rustls::TlsAcceptor;

use super::Front;
use crate::{Tls, shared::Shared};

/// First byte of a TLS handshake record (RFC 8446 §5.1).
const TLS_HANDSHAKE: u8 = 0x16;

/// Credit of an HTTP/2 connection and of each of its streams, in bytes: a carrier's inner connection is one
/// stream, and does the limiting.
const WINDOW: u32 = 4 * 1024 * 1024;

/// Tells TLS from plaintext by the first byte, and speaks either.
#[derive(Clone)]
pub(crate) struct Acceptor(Option<TlsAcceptor>);

impl Acceptor {
    pub(crate) fn new(material: Option<&Tls>) -> Result<Self, Error> {
        material.map(|tls| tls::acceptor(&tls.cert_pem, &tls.key_pem)).transpose().map(Self)
    }

    /// Bounded in time by the caller.
    async fn accept(&self, tcp: TcpStream) -> std::io::Result<tls::MaybeTls> {
        tcp.set_nodelay(true)?;
        let mut first = [0u8];
        let speaks_tls = tcp.peek(&mut first).await? == 1 && first == [TLS_HANDSHAKE];
        match &self.0 {
            Some(acceptor) if speaks_tls => Ok(tls::MaybeTls::Server(Box::new(acceptor.accept(tcp).await?))),
            _ => Ok(tls::MaybeTls::Plain(tcp)),
        }
    }
}

/// What every connection of one port is served with.
#[derive(Clone)]
pub(crate) struct Connections {
    acceptor: Acceptor,
    front: Front,
    builder: Arc<auto::Builder<TokioExecutor>>,
    shared: Arc<Shared>,
}

impl Connections {
    pub(crate) fn new(acceptor: Acceptor, front: Front, shared: Arc<Shared>) -> Self {
        let builder = Arc::new(builder(&shared));
        Self { acceptor, front, builder, shared }
    }

    pub(crate) async fn serve(self, tcp: TcpStream, peer: SocketAddr) {
        let front = self.front.for_peer(peer);
        let port = front.surface.name();
        let handshake = self.shared.config.handshake();
        let io = match timeout(handshake, self.acceptor.accept(tcp)).await {
            Ok(Ok(io)) => io,
            failed => {
                self.shared.metrics.handshake(port, false);
                let error = failed.map_or_else(
                    |_| "timed out".into(),
                    |result| match result {
                        Ok(_) => String::new(),
                        Err(error) => error.to_string(),
                    },
                );
                tracing::debug!(target: "penstock::listener", port, %peer, error, "no handshake");
                return;
            }
        };
        if matches!(io, tls::MaybeTls::Server(_)) {
            self.shared.metrics.handshake(port, true);
        }
        let (asked, resets) = (front.asked.clone(), Arc::clone(&front.resets));
        let serving = self.builder.serve_connection_with_upgrades(TokioIo::new(io), front);
        tokio::pin!(serving);
        let first_request = timeout(handshake, asked.cancelled());
        let result = tokio::select! {
            result = serving.as_mut() => result,
            waited = first_request => match waited {
                // Connected, and then nothing: the place is for others.
                Err(_) => return,
                Ok(()) => tokio::select! {
                    result = serving.as_mut() => result,
                    () = self.shared.close.cancelled() => return,
                    () = resets.exceeded() => {
                        tracing::warn!(target: "penstock::listener", port, %peer, "too many resets in a minute");
                        return;
                    }
                },
            },
        };
        if let Err(error) = result {
            tracing::debug!(target: "penstock::listener", port, %peer, error, "connection ended");
        }
    }
}

fn builder(shared: &Shared) -> auto::Builder<TokioExecutor> {
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(shared.config.handshake())
        .max_headers(shared.config.header_fields)
        .max_buf_size(shared.config.header_bytes as usize);
    builder
        .http2()
        .timer(TokioTimer::new())
        .initial_stream_window_size(WINDOW)
        .initial_connection_window_size(WINDOW)
        .max_frame_size(FRAME_BYTES)
        .max_concurrent_streams(100)
        .max_header_list_size(shared.config.header_bytes)
        .max_local_error_reset_streams(Some(1000))
        .keep_alive_interval(Duration::from_secs(30))
        .keep_alive_timeout(Duration::from_secs(20));
    builder
}
