//! One connection to a destination. With HTTP/1.1 it is no task of its own: whoever waits for an answer
//! drives it, so that a request crosses no thread.

use std::{
    fmt,
    future::{Future, poll_fn},
    io,
    net::SocketAddr,
    pin::{Pin, pin},
    task::{Context, Poll, Waker},
    time::Instant,
};

use http::{Request, Response};
use hyper::{
    body::Incoming,
    client::conn::{TrySendError, http1, http2},
};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use penstock_link::tls::MaybeTls;

use super::Upload;
use crate::{breakers::Place, config::Limits};

/// Credit per stream and per connection, in bytes, where the destination speaks HTTP/2.
const STREAM_WINDOW: u32 = 1 << 20;
const CONNECTION_WINDOW: u32 = 16 << 20;

/// How a destination is spoken to; a connection serves only requests of its own kind.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Transport {
    pub tls: bool,
    pub version: crate::config::Version,
}

type Driver = Pin<Box<dyn Future<Output = hyper::Result<()>> + Send>>;

/// A connection for one exchange at a time, or with HTTP/2 a share of one.
pub(crate) struct Connection {
    pub transport: Transport,
    /// The checked address that it was dialled to.
    pub address: SocketAddr,
    /// When it came to rest; none if it is new.
    pub rested: Option<Instant>,
    sender: Sender,
    driver: Option<Driver>,
    _place: Option<Place>,
}

#[derive(Debug)]
enum Sender {
    Http1(http1::SendRequest<Upload>),
    Http2(http2::SendRequest<Upload>),
}

/// Why a request has no answer.
#[derive(Debug)]
pub(crate) struct Unsent {
    /// The request, if none of it was written.
    pub request: Option<Request<Upload>>,
    /// Whether the connection was closed without a word.
    pub closed: bool,
    pub why: String,
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection").field("address", &self.address).finish_non_exhaustive()
    }
}

impl Connection {
    /// Speaks HTTP/1.1.
    pub(crate) async fn http1(
        io: MaybeTls,
        address: SocketAddr,
        transport: Transport,
        place: Place,
        limits: &Limits,
    ) -> hyper::Result<Self> {
        let mut builder = http1::Builder::new();
        // What hyper allows by itself costs no allocation.
        if limits.header_fields != 100 {
            builder.max_headers(limits.header_fields);
        }
        let (sender, connection) = builder.handshake(TokioIo::new(io)).await?;
        let driver: Option<Driver> = Some(Box::pin(connection.with_upgrades()));
        let sender = Sender::Http1(sender);
        Ok(Self { transport, address, rested: None, sender, driver, _place: Some(place) })
    }

    /// Speaks HTTP/2, in a task of its own that holds the place.
    pub(crate) async fn http2(
        io: MaybeTls,
        address: SocketAddr,
        transport: Transport,
        place: Place,
        limits: &Limits,
    ) -> hyper::Result<Self> {
        let handshake = http2::Builder::new(TokioExecutor::new())
            .timer(TokioTimer::new())
            .keep_alive_interval(std::time::Duration::from_secs(15))
            .initial_stream_window_size(STREAM_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW)
            .max_header_list_size(limits.header_bytes)
            .handshake(TokioIo::new(io));
        let (sender, connection) = handshake.await?;
        tokio::spawn(async move {
            // What ends it, its exchanges learn of.
            let _ended = connection.await;
            drop(place);
        });
        let sender = Sender::Http2(sender);
        Ok(Self { transport, address, rested: None, sender, driver: None, _place: None })
    }

    /// Another share; none with HTTP/1.1.
    pub(crate) fn share(&self) -> Option<Self> {
        let Sender::Http2(sender) = &self.sender else { return None };
        Some(Self {
            transport: self.transport,
            address: self.address,
            rested: Some(Instant::now()),
            sender: Sender::Http2(sender.clone()),
            driver: None,
            _place: None,
        })
    }

    pub(crate) const fn is_http2(&self) -> bool {
        matches!(self.sender, Sender::Http2(_))
    }

    /// Sends, and drives the connection until the answer's head is there.
    pub(crate) async fn send(&mut self, request: Request<Upload>) -> Result<Response<Incoming>, Unsent> {
        let driver = &mut self.driver;
        let sent = match &mut self.sender {
            Sender::Http2(sender) => sender.try_send_request(request).await,
            Sender::Http1(sender) => {
                let mut sending = pin!(sender.try_send_request(request));
                poll_fn(|cx| {
                    if let Poll::Ready(sent) = sending.as_mut().poll(cx) {
                        return Poll::Ready(sent);
                    }
                    drive(driver, cx);
                    sending.as_mut().poll(cx)
                })
                .await
            }
        };
        sent.map_err(Unsent::from)
    }

    /// Lets bytes move.
    pub(crate) fn drive(&mut self, cx: &mut Context<'_>) {
        drive(&mut self.driver, cx);
    }

    /// Lets it run by itself from now on: an upload must not wait until the answer is read.
    pub(crate) fn detach(&mut self) {
        if let Some(driver) = self.driver.take() {
            tokio::spawn(async move {
                // What ends it, its exchange learns of.
                let _ended = driver.await;
            });
        }
    }

    /// Whether it can take a request at once.
    pub(crate) fn is_ready(&mut self) -> bool {
        self.drive(&mut Context::from_waker(Waker::noop()));
        match &self.sender {
            Sender::Http1(sender) => sender.is_ready(),
            Sender::Http2(sender) => sender.is_ready(),
        }
    }
}

fn drive(driver: &mut Option<Driver>, cx: &mut Context<'_>) {
    if let Some(running) = driver
        && running.as_mut().poll(cx).is_ready()
    {
        *driver = None;
    }
}

impl From<TrySendError<Request<Upload>>> for Unsent {
    fn from(mut error: TrySendError<Request<Upload>>) -> Self {
        use std::error::Error as _;
        let request = error.take_message();
        let error = error.into_error();
        let cut = |kind| matches!(kind, io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe);
        let cause = error.source().and_then(|cause| cause.downcast_ref::<io::Error>());
        let closed = error.is_incomplete_message()
            || error.is_canceled()
            || error.is_closed()
            || cause.is_some_and(|cause| cut(cause.kind()));
        let why = error.source().map_or_else(|| error.to_string(), |cause| format!("{error}: {cause}"));
        Self { request, closed, why }
    }
}
