//! One connection of a port: TLS or not, HTTP/1.1 or HTTP/2, told apart by what comes.

use std::{
    future::{Future, pending},
    net::SocketAddr,
    pin::Pin,
    sync::Arc,
    time::Duration,
};

use futures_util::{FutureExt as _, StreamExt as _, stream::FuturesUnordered};
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::conn::auto,
};
use ipnet::IpNet;
use penstock_link::{FRAME_BYTES, Resets, tls::MaybeTls};
use tokio::{net::TcpStream, time::timeout};
use tokio_util::sync::CancellationToken;

use crate::{Acceptor, Handler, Limits, Peer, Ports, caller::within, connection::Connection};

/// Credit of an HTTP/2 connection, in bytes: so much may wait for readers on all its streams.
const CONNECTION_WINDOW: u32 = 4 * 1024 * 1024;

/// Serves connections with the limits of their port.
#[derive(Clone)]
pub struct Server(Arc<Serving>);

struct Serving {
    port: &'static str,
    acceptor: Acceptor,
    limits: Limits,
    trusted: Arc<[IpNet]>,
    ports: Ports,
    builder: auto::Builder<TokioExecutor>,
    drain: CancellationToken,
    close: CancellationToken,
}

impl Server {
    /// A server for the port of that name. Cancelling `drain` lets running requests finish and ends the
    /// connections; cancelling `close` ends them at once. Each HTTP/2 stream has a credit of `window` bytes.
    #[must_use]
    pub fn new(
        port: &'static str,
        acceptor: Acceptor,
        limits: Limits,
        ports: Ports,
        window: u32,
        drain: CancellationToken,
        close: CancellationToken,
    ) -> Self {
        let builder = builder(&limits, window);
        let trusted = limits.trusted.clone().into();
        Self(Arc::new(Serving { port, acceptor, limits, trusted, ports, builder, drain, close }))
    }

    /// Serves one connection until it ends.
    pub async fn serve<H: Handler>(self, handler: H, tcp: TcpStream, address: SocketAddr) {
        if let Some((io, peer)) = self.0.accept(tcp, address).await {
            self.0.converse(handler, io, peer).await;
        }
    }
}

impl Serving {
    async fn accept(&self, tcp: TcpStream, address: SocketAddr) -> Option<(MaybeTls, Peer)> {
        let port = self.port;
        let accepted =
            timeout(self.limits.handshake(), self.acceptor.accept(tcp, address, &self.limits)).await;
        let error = match accepted {
            Ok(Ok((io, peer))) => {
                if peer.tls {
                    self.ports.handshake(port, true);
                }
                return Some((io, peer));
            }
            Ok(Err(error)) => error.to_string(),
            Err(_) => "timed out".into(),
        };
        self.ports.handshake(port, false);
        tracing::debug!(target: "penstock::listener", port, peer = %address, error, "no handshake");
        None
    }

    async fn converse<H: Handler>(&self, handler: H, io: MaybeTls, peer: Peer) {
        let (port, address) = (self.port, peer.address);
        let asked = CancellationToken::new();
        let resets = Arc::new(Resets::new(self.limits.resets_per_minute));
        let trusted = within(&self.trusted, address.ip()).then(|| Arc::clone(&self.trusted));
        let connection = Connection {
            handler,
            trusted,
            peer: Arc::new(peer),
            header_fields: self.limits.header_fields,
            asked: asked.clone(),
            resets: Arc::clone(&resets),
        };
        let serving = self.builder.serve_connection_with_upgrades(TokioIo::new(io), connection);
        tokio::pin!(serving);
        let mut endings = self.endings(asked, resets);
        let result = loop {
            tokio::select! {
                biased;
                result = serving.as_mut() => break result,
                Some(ending) = endings.next() => match ending {
                    Ending::Drained => serving.as_mut().graceful_shutdown(),
                    Ending::Silent | Ending::Closed => return,
                    Ending::Resets => {
                        tracing::warn!(target: "penstock::listener", port, peer = %address, "too many resets in a minute");
                        return;
                    }
                },
            }
        };
        if let Err(error) = result {
            tracing::debug!(target: "penstock::listener", port, peer = %address, error, "connection ended");
        }
    }
}

/// What ends a connection from without.
enum Ending {
    /// It connected, and then nothing: the place is for others.
    Silent,
    /// The port takes no more requests.
    Drained,
    /// The port ends at once.
    Closed,
    /// The peer gave up too many requests.
    Resets,
}

type Endings<'a> = FuturesUnordered<Pin<Box<dyn Future<Output = Ending> + Send + 'a>>>;

impl Serving {
    /// Each is looked at only when it has something to say: they are behind locks that all connections share.
    fn endings(&self, asked: CancellationToken, resets: Arc<Resets>) -> Endings<'_> {
        let endings = Endings::new();
        endings.push(Box::pin(async move {
            match timeout(self.limits.handshake(), asked.cancelled()).await {
                Ok(()) => pending().await,
                Err(_) => Ending::Silent,
            }
        }));
        endings.push(Box::pin(self.drain.cancelled().map(|()| Ending::Drained)));
        endings.push(Box::pin(self.close.cancelled().map(|()| Ending::Closed)));
        endings.push(Box::pin(async move {
            resets.exceeded().await;
            Ending::Resets
        }));
        endings
    }
}

fn builder(limits: &Limits, window: u32) -> auto::Builder<TokioExecutor> {
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.idle())
        .max_headers(limits.header_fields)
        .max_buf_size(limits.header_bytes as usize);
    builder
        .http2()
        .timer(TokioTimer::new())
        .enable_connect_protocol()
        .initial_stream_window_size(window)
        .initial_connection_window_size(window.max(CONNECTION_WINDOW))
        .max_frame_size(FRAME_BYTES)
        .max_concurrent_streams(limits.streams)
        .max_header_list_size(limits.header_bytes)
        .max_local_error_reset_streams(Some(1000))
        .keep_alive_interval(Duration::from_secs(30))
        .keep_alive_timeout(Duration::from_secs(20));
    builder
}
