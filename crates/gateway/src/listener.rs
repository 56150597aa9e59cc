//! A port: it accepts, tells TLS from plaintext by the first byte, and serves HTTP/1.1 and HTTP/2 on both.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::conn::auto,
};
use penstock_domain::{Code, Error, Side};
use penstock_link::{FRAME_BYTES, tls};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::Semaphore,
    time::timeout,
};
use tokio_rustls::TlsAcceptor;

use crate::{Tls, http::Front, shared::Shared};

/// First byte of a TLS handshake record (RFC 8446 §5.1).
const TLS_HANDSHAKE: u8 = 0x16;

/// Credit of an HTTP/2 connection and of each of its streams, in bytes: a carrier's inner connection is one
/// stream, and does the limiting.
const WINDOW: u32 = 4 * 1024 * 1024;

/// Turns TCP connections into HTTP ones, so many at once.
#[derive(Clone)]
pub(crate) struct Acceptor {
    tls: Option<TlsAcceptor>,
    connections: usize,
}

impl Acceptor {
    pub(crate) fn new(material: Option<&Tls>, connections: usize) -> Result<Self, Error> {
        let tls = material.map(|tls| tls::acceptor(&tls.cert_pem, &tls.key_pem)).transpose()?;
        Ok(Self { tls, connections })
    }

    /// Bounded in time by the caller.
    async fn accept(&self, tcp: TcpStream) -> std::io::Result<tls::MaybeTls> {
        tcp.set_nodelay(true)?;
        let mut first = [0u8];
        let speaks_tls = tcp.peek(&mut first).await? == 1 && first == [TLS_HANDSHAKE];
        match &self.tls {
            Some(acceptor) if speaks_tls => Ok(tls::MaybeTls::Server(Box::new(acceptor.accept(tcp).await?))),
            _ => Ok(tls::MaybeTls::Plain(tcp)),
        }
    }
}

#[derive(Debug)]
pub(crate) struct Listener(TcpListener);

impl Listener {
    /// Binds; `setting` is named if it cannot.
    pub(crate) async fn bind(address: &str, setting: &str) -> Result<Self, Error> {
        TcpListener::bind(address).await.map(Self).map_err(|error| {
            Error::new(Code::Conflict, Side::Gateway, format!("cannot listen on {address}: {error}"))
                .hint(format!("end the program that has the port, or set {setting} to another HOST:PORT"))
        })
    }

    pub(crate) fn address(&self) -> String {
        self.0.local_addr().map(|address| address.to_string()).unwrap_or_default()
    }

    /// Serves until the gateway closes. Running out of descriptors pauses accepting and passes.
    pub(crate) async fn serve(self, acceptor: Acceptor, front: Front, shared: Arc<Shared>) {
        let places = Arc::new(Semaphore::new(acceptor.connections));
        let builder = Arc::new(builder(&shared));
        loop {
            let place = tokio::select! {
                place = Arc::clone(&places).acquire_owned() => place,
                () = shared.close.cancelled() => return,
            };
            let accepted = tokio::select! {
                accepted = self.0.accept() => accepted,
                () = shared.close.cancelled() => return,
            };
            let (tcp, peer) = match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    shared.metrics.accept_error(front.surface.name());
                    tracing::warn!(target: "penstock::listener", %error, "cannot accept");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                    continue;
                }
            };
            let connection = Connection {
                acceptor: acceptor.clone(),
                front: front.for_peer(peer),
                builder: Arc::clone(&builder),
                shared: Arc::clone(&shared),
                peer,
            };
            tokio::spawn(async move {
                connection.serve(tcp).await;
                drop(place);
            });
        }
    }
}

fn builder(shared: &Shared) -> auto::Builder<TokioExecutor> {
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(shared.config.handshake())
        .max_buf_size(64 * 1024);
    builder
        .http2()
        .timer(TokioTimer::new())
        .initial_stream_window_size(WINDOW)
        .initial_connection_window_size(WINDOW)
        .max_frame_size(FRAME_BYTES)
        .max_concurrent_streams(100)
        .max_header_list_size(64 * 1024)
        .max_local_error_reset_streams(Some(1000))
        .keep_alive_interval(Duration::from_secs(30))
        .keep_alive_timeout(Duration::from_secs(20));
    builder
}

struct Connection {
    acceptor: Acceptor,
    front: Front,
    builder: Arc<auto::Builder<TokioExecutor>>,
    shared: Arc<Shared>,
    peer: SocketAddr,
}

impl Connection {
    async fn serve(self, tcp: TcpStream) {
        let port = self.front.surface.name();
        let _open = self.shared.metrics.connection(port);
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
                tracing::debug!(target: "penstock::listener", port, peer = %self.peer, error, "no handshake");
                return;
            }
        };
        if matches!(io, tls::MaybeTls::Server(_)) {
            self.shared.metrics.handshake(port, true);
        }
        let asked = self.front.asked.clone();
        let serving = self.builder.serve_connection_with_upgrades(TokioIo::new(io), self.front);
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
                },
            },
        };
        if let Err(error) = result {
            tracing::debug!(target: "penstock::listener", port, peer = %self.peer, error, "connection ended");
        }
    }
}
