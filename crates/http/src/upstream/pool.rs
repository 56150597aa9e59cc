//! Connections that are kept: one with HTTP/2, as many as are at rest with HTTP/1.1.

use std::{
    collections::VecDeque,
    error::Error as _,
    io,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use http::{Request, Response};
use hyper::{
    body::Incoming,
    client::conn::{TrySendError, http1, http2},
};
use tokio::runtime::Handle;

use super::upload::Upload;

/// Connections that are kept at rest.
const KEPT: usize = 256;

/// How long they are.
const REST: Duration = Duration::from_secs(60);

/// A connection's handle.
#[derive(Debug)]
pub(super) enum Sender {
    Http1(http1::SendRequest<Upload>),
    Http2(http2::SendRequest<Upload>),
}

/// The connections of one upstream.
#[derive(Clone, Debug, Default)]
pub(super) struct Pool(Arc<Mutex<Kept>>);

#[derive(Debug, Default)]
struct Kept {
    /// The last one came last.
    resting: VecDeque<(http1::SendRequest<Upload>, Instant)>,
    shared: Option<http2::SendRequest<Upload>>,
}

/// A connection for one exchange; dropped, it goes back to its pool.
#[derive(Debug)]
pub(super) struct Connection {
    sender: Option<Sender>,
    pool: Pool,
    kept: bool,
}

/// Why a request has no answer.
pub(super) struct Unsent {
    /// The request, if none of it was written.
    pub request: Option<Request<Upload>>,
    /// Whether the connection was closed without a word.
    pub closed: bool,
    pub why: String,
}

impl Pool {
    /// One that is kept, if there is one.
    pub(super) fn take(&self) -> Option<Connection> {
        let sender = self.with(Kept::take)?;
        Some(Connection { sender: Some(sender), pool: self.clone(), kept: true })
    }

    /// A new one. With HTTP/2, it is everybody's from now on.
    pub(super) fn fresh(&self, sender: Sender) -> Connection {
        if let Sender::Http2(sender) = &sender {
            self.with(|kept| kept.shared = Some(sender.clone()));
        }
        Connection { sender: Some(sender), pool: self.clone(), kept: false }
    }

    fn keep(&self, sender: http1::SendRequest<Upload>) {
        self.with(|kept| {
            let rested = |(_, since): &(_, Instant)| since.elapsed() > REST;
            while kept.resting.len() >= KEPT || kept.resting.front().is_some_and(rested) {
                kept.resting.pop_front();
            }
            kept.resting.push_back((sender, Instant::now()));
        });
    }

    fn with<R>(&self, act: impl FnOnce(&mut Kept) -> R) -> R {
        act(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Kept {
    fn take(&mut self) -> Option<Sender> {
        if let Some(sender) = self.shared.take_if(|sender| sender.is_closed()) {
            drop(sender);
        }
        if let Some(sender) = &self.shared {
            return Some(Sender::Http2(sender.clone()));
        }
        while let Some((sender, since)) = self.resting.pop_back() {
            if sender.is_ready() && since.elapsed() <= REST {
                return Some(Sender::Http1(sender));
            }
        }
        None
    }
}

impl Connection {
    pub(super) const fn is_http2(&self) -> bool {
        matches!(self.sender, Some(Sender::Http2(_)))
    }

    pub(super) const fn is_kept(&self) -> bool {
        self.kept
    }

    pub(super) async fn send(&mut self, request: Request<Upload>) -> Result<Response<Incoming>, Unsent> {
        let sent = match &mut self.sender {
            Some(Sender::Http1(sender)) => sender.try_send_request(request).await,
            Some(Sender::Http2(sender)) => sender.try_send_request(request).await,
            None => return Err(Unsent { request: Some(request), closed: true, why: "it is over".into() }),
        };
        sent.map_err(Unsent::from)
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        let Some(Sender::Http1(mut sender)) = self.sender.take() else { return };
        if sender.is_ready() {
            self.pool.keep(sender);
        } else if let (false, Ok(runtime)) = (sender.is_closed(), Handle::try_current()) {
            // It has a turn to take, or an upload to give up.
            let pool = self.pool.clone();
            runtime.spawn(async move {
                if sender.ready().await.is_ok() {
                    pool.keep(sender);
                }
            });
        }
    }
}

impl From<TrySendError<Request<Upload>>> for Unsent {
    fn from(mut error: TrySendError<Request<Upload>>) -> Self {
        let request = error.take_message();
        let error = error.into_error();
        let cut = |kind| matches!(kind, io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe);
        let cause = error.source().and_then(|cause| cause.downcast_ref::<io::Error>());
        let closed = error.is_incomplete_message()
            || error.is_canceled()
            || error.is_closed()
            || cause.is_some_and(|cause| cut(cause.kind()));
        let why = cause.map_or_else(|| error.to_string(), |cause| format!("{error}: {cause}"));
        Self { request, closed, why }
    }
}
