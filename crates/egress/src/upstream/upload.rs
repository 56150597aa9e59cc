//! A request's body on its way to the destination.

use std::{
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use penstock_http::body::BoxError;

use crate::{meter::Meter, watch::Line};

/// The body. Only what comes from the caller is metered.
#[derive(Debug)]
pub(crate) struct Upload(Source);

#[derive(Debug)]
enum Source {
    Empty,
    Whole(Option<Bytes>),
    Caller { body: Incoming, sent: Arc<Sent> },
}

/// How far the upload has come.
#[derive(Debug)]
pub(crate) struct Sent {
    bytes: AtomicU64,
    done: AtomicBool,
    line: Arc<Line>,
    meter: Arc<Meter>,
}

impl Upload {
    /// The caller's body, and how far it has come; the latter only if there is one.
    pub(crate) fn new(body: Incoming, line: &Arc<Line>, meter: &Arc<Meter>) -> (Self, Option<Arc<Sent>>) {
        if body.is_end_stream() {
            return (Self::empty(), None);
        }
        let sent = Arc::new(Sent {
            bytes: AtomicU64::new(0),
            done: AtomicBool::new(false),
            line: Arc::clone(line),
            meter: Arc::clone(meter),
        });
        (Self(Source::Caller { body, sent: Arc::clone(&sent) }), Some(sent))
    }

    /// No body.
    pub(crate) const fn empty() -> Self {
        Self(Source::Empty)
    }

    /// A body that was read before.
    pub(crate) const fn whole(bytes: Bytes) -> Self {
        Self(Source::Whole(Some(bytes)))
    }

    /// The same once more; none if it comes from the caller, who sends it once.
    pub(crate) fn again(&self) -> Option<Self> {
        match &self.0 {
            Source::Empty => Some(Self::empty()),
            Source::Whole(bytes) => Some(Self(Source::Whole(bytes.clone()))),
            Source::Caller { .. } => None,
        }
    }
}

impl Sent {
    /// Whether all of it has gone out.
    pub(crate) fn is_done(&self) -> bool {
        self.done.load(Ordering::Acquire)
    }

    /// Payload bytes that have gone out.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }
}

impl Body for Upload {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let (body, sent) = match &mut self.0 {
            Source::Empty => return Poll::Ready(None),
            Source::Whole(bytes) => return Poll::Ready(bytes.take().map(|bytes| Ok(Frame::data(bytes)))),
            Source::Caller { body, sent } => (body, sent),
        };
        let frame = ready!(Pin::new(&mut *body).poll_frame(cx));
        sent.line.touch();
        match &frame {
            Some(Ok(frame)) => {
                let bytes = frame.data_ref().map_or(0, Bytes::len) as u64;
                sent.bytes.fetch_add(bytes, Ordering::Relaxed);
                if let Err(exceeded) = sent.meter.count(bytes) {
                    return Poll::Ready(Some(Err(exceeded.message.into())));
                }
                if body.is_end_stream() {
                    sent.done.store(true, Ordering::Release);
                }
            }
            Some(Err(_)) => {}
            None => sent.done.store(true, Ordering::Release),
        }
        Poll::Ready(frame.map(|frame| frame.map_err(BoxError::from)))
    }

    fn is_end_stream(&self) -> bool {
        match &self.0 {
            Source::Empty => true,
            Source::Whole(bytes) => bytes.is_none(),
            Source::Caller { body, .. } => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.0 {
            Source::Empty => SizeHint::with_exact(0),
            Source::Whole(bytes) => SizeHint::with_exact(bytes.as_ref().map_or(0, Bytes::len) as u64),
            Source::Caller { body, .. } => body.size_hint(),
        }
    }
}
