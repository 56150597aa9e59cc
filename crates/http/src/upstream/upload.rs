//! A request's body on its way to the upstream.

use std::{
    io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll},
    time::{Duration, Instant},
};

use bytes::Bytes;
use http_body::{Body as _, Frame, SizeHint};
use tokio_util::sync::{CancellationToken, DropGuard, WaitForCancellationFutureOwned};

use crate::{Body, body::BoxError};

/// The body. It ends early when its [`Progress`] is dropped: nobody reads what follows an answer that is over.
#[derive(Debug)]
pub(super) struct Upload(Option<Going>);

#[derive(Debug)]
struct Going {
    body: Body,
    since: Instant,
    last_ms: Arc<AtomicU64>,
    stop: Pin<Box<WaitForCancellationFutureOwned>>,
}

/// How far it has come.
#[derive(Debug)]
pub(super) struct Progress {
    since: Instant,
    last_ms: Arc<AtomicU64>,
    _stop: Option<DropGuard>,
}

impl Upload {
    pub(super) fn new(body: Body) -> (Self, Progress) {
        let (since, last_ms) = (Instant::now(), Arc::default());
        if body.is_end_stream() {
            return (Self::none(), Progress { since, last_ms, _stop: None });
        }
        let stop = CancellationToken::new();
        let stopped = Box::pin(stop.clone().cancelled_owned());
        let going = Going { body, since, last_ms: Arc::clone(&last_ms), stop: stopped };
        (Self(Some(going)), Progress { since, last_ms, _stop: Some(stop.drop_guard()) })
    }

    pub(super) const fn none() -> Self {
        Self(None)
    }
}

impl Progress {
    /// How long nothing has gone out.
    pub(super) fn silence(&self) -> Duration {
        self.since.elapsed().saturating_sub(Duration::from_millis(self.last_ms.load(Ordering::Relaxed)))
    }
}

impl http_body::Body for Upload {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let Some(going) = &mut self.0 else { return Poll::Ready(None) };
        if going.stop.as_mut().poll(cx).is_ready() {
            return Poll::Ready(Some(Err(io::Error::other("the answer is over").into())));
        }
        let frame = Pin::new(&mut going.body).poll_frame(cx);
        if frame.is_ready() {
            let ms = u64::try_from(going.since.elapsed().as_millis()).unwrap_or(u64::MAX);
            going.last_ms.store(ms, Ordering::Relaxed);
        }
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.0.as_ref().is_none_or(|going| going.body.is_end_stream())
    }

    fn size_hint(&self) -> SizeHint {
        self.0.as_ref().map_or_else(|| SizeHint::with_exact(0), |going| going.body.size_hint())
    }
}
