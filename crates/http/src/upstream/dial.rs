//! New connections.

use std::time::Duration;

use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use penstock_domain::{Code, Error, Side};
use penstock_link::{carrier::Duplex, tls::Connector};
use tokio::net::{TcpStream, UnixStream};

use super::{Upstream, address::Address, pool::Sender};

/// Credit per stream and per connection, in bytes, where the upstream speaks HTTP/2.
const STREAM_WINDOW: u32 = 1 << 20;
const CONNECTION_WINDOW: u32 = 64 << 20;

/// When a silent HTTP/2 upstream is asked whether it lives.
const KEEPALIVE: Duration = Duration::from_secs(15);

/// The largest head of an answer, in bytes (design §8).
const HEADER_BYTES: u32 = 64 * 1024;

impl Upstream {
    /// Connects and speaks what the address, or the upstream, says.
    pub(super) async fn dial(&self) -> Result<Sender, Error> {
        match &self.address {
            Address::Unix(path) => {
                let unix = UnixStream::connect(path).await.map_err(|error| self.refused(&error))?;
                self.http1(Box::new(unix)).await
            }
            Address::Tcp { host, port, http2, .. } => {
                let tcp = TcpStream::connect((host.as_str(), *port)).await;
                let tcp = tcp.and_then(|tcp| tcp.set_nodelay(true).map(|()| tcp));
                let tcp = tcp.map_err(|error| self.refused(&error))?;
                match &self.tls {
                    Some(tls) => self.over_tls(tls, host, tcp).await,
                    None if *http2 => self.http2(Box::new(tcp)).await,
                    None => self.http1(Box::new(tcp)).await,
                }
            }
        }
    }

    async fn over_tls(&self, connector: &Connector, host: &str, tcp: TcpStream) -> Result<Sender, Error> {
        let tls = connector.connect(host, tcp).await.map_err(|error| {
            Error::new(Code::UpstreamTls, Side::Upstream, error.message)
                .hint("a CA of your own is given with the upstream; otherwise the system's roots are asked")
        })?;
        let (_, session) = tls.get_ref();
        match session.alpn_protocol() {
            Some(b"h2") => self.http2(Box::new(tls)).await,
            _ => self.http1(Box::new(tls)).await,
        }
    }

    async fn http1(&self, io: Box<dyn Duplex>) -> Result<Sender, Error> {
        let handshake = http1::Builder::new().handshake(TokioIo::new(io));
        let (sender, connection) = handshake.await.map_err(|error| self.refused(&error))?;
        tokio::spawn(async move {
            // What ends it, its exchange learns of.
            let _ended = connection.with_upgrades().await;
        });
        Ok(Sender::Http1(sender))
    }

    async fn http2(&self, io: Box<dyn Duplex>) -> Result<Sender, Error> {
        let handshake = http2::Builder::new(TokioExecutor::new())
            .timer(TokioTimer::new())
            .keep_alive_interval(KEEPALIVE)
            .initial_stream_window_size(STREAM_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW)
            .max_header_list_size(HEADER_BYTES)
            .handshake(TokioIo::new(io));
        let (sender, connection) = handshake.await.map_err(|error| self.refused(&error))?;
        tokio::spawn(async move {
            let _ended = connection.await;
        });
        Ok(Sender::Http2(sender))
    }

    fn refused(&self, error: &dyn std::error::Error) -> Error {
        self.unreachable(&format!("cannot be reached: {error}"))
    }
}
