//! The way to a target: through an agent's link, or dialled by the gateway itself.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll},
};

use penstock_domain::{Error, Plan};
use penstock_link::Stream;
use penstock_relay::{Allow, Sink, Socket, Source, dial};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{TcpStream, UnixStream},
};
use tokio_rustls::client::TlsStream;

use crate::shared::Shared;

/// Opens the plan's target.
pub(crate) async fn open(shared: &Shared, plan: &Plan) -> Result<Upstream, Error> {
    match &plan.agent {
        Some(agent) => shared.agents.open(agent, &plan.target).await.map(Upstream::Link),
        None => Ok(match dial(&plan.target, &Allow::default()).await? {
            Socket::Tcp(tcp) => Upstream::Tcp(tcp),
            Socket::Unix(unix) => Upstream::Unix(unix),
        }),
    }
}

/// An open target.
pub(crate) enum Upstream {
    Link(Stream),
    Tcp(TcpStream),
    Unix(UnixStream),
    Tls(Box<TlsStream<Self>>),
}

impl Upstream {
    /// Two halves; a link's pass their chunks on without a copy.
    pub(crate) fn split(self) -> (Source, Sink) {
        match self {
            Self::Link(Stream { receive, send }) => (Source::Link(receive), Sink::Link(send)),
            Self::Tcp(tcp) => Socket::Tcp(tcp).split(),
            Self::Unix(unix) => Socket::Unix(unix).split(),
            Self::Tls(tls) => {
                let (reader, writer) = tokio::io::split(*tls);
                (Source::io(reader), Sink::io(writer))
            }
        }
    }
}

macro_rules! each {
    ($self:expr, $inner:ident => $call:expr) => {
        match $self.get_mut() {
            Self::Link($inner) => $call,
            Self::Tcp($inner) => $call,
            Self::Unix($inner) => $call,
            Self::Tls($inner) => $call,
        }
    };
}

impl AsyncRead for Upstream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        each!(self, inner => Pin::new(inner).poll_read(cx, buf))
    }
}

impl AsyncWrite for Upstream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        each!(self, inner => Pin::new(inner).poll_write(cx, buf))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        each!(self, inner => Pin::new(inner).poll_flush(cx))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        each!(self, inner => Pin::new(inner).poll_shutdown(cx))
    }
}
