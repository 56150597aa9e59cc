//! A request's body on its way to a worker. Its beginning is kept for a while, so that another worker can be given
//! the whole of it.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http::HeaderMap;
use http_body::Body;
use penstock_http::body::BoxError;
use penstock_link::Send;

/// Bytes that are kept for a further attempt.
const KEPT: usize = 64 * 1024;

/// A body, what of it was sent, and what is to be sent next.
pub(super) struct Source<B> {
    body: B,
    chunk: Bytes,
    /// The body has said that there is no more.
    over: bool,
    trailers: Option<HeaderMap>,
    /// What was taken from the body; none if it is more than is kept.
    kept: Option<Vec<Bytes>>,
    kept_bytes: usize,
    /// Of `kept`, the chunks that this attempt has sent.
    resent: usize,
    /// Grows with whatever is sent.
    progress: u64,
    /// Whether it is the caller who is waited for.
    starved: bool,
}

/// Why a body was not sent.
#[derive(Debug)]
pub(super) enum Cut {
    /// The caller has not sent it.
    Caller(BoxError),
    /// The worker takes no more of it; its answer says why.
    Worker,
}

impl<B> Source<B>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: Into<BoxError>,
{
    pub(super) fn new(body: B) -> Self {
        let over = body.is_end_stream();
        Self {
            body,
            chunk: Bytes::new(),
            over,
            trailers: None,
            kept: Some(Vec::new()),
            kept_bytes: 0,
            resent: 0,
            progress: 0,
            starved: false,
        }
    }

    /// Whether there is nothing to be sent.
    pub(super) fn is_empty(&self) -> bool {
        self.over && self.trailers.is_none() && self.kept.as_ref().is_some_and(Vec::is_empty)
    }

    /// Goes back to the beginning; false if that is no longer possible.
    pub(super) fn rewind(&mut self) -> bool {
        self.chunk = Bytes::new();
        self.resent = 0;
        self.kept.is_some()
    }

    pub(super) const fn progress(&self) -> u64 {
        self.progress
    }

    /// Whether it is the caller who is waited for.
    pub(super) const fn is_starved(&self) -> bool {
        self.starved
    }

    /// Sends all of it, and its end.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>, send: &mut Send) -> Poll<Result<(), Cut>> {
        loop {
            if !self.chunk.is_empty() {
                self.starved = false;
                let before = self.chunk.len();
                let last = self.is_last();
                let sent = if last {
                    send.poll_send_last(cx, &mut self.chunk)
                } else {
                    send.poll_send(cx, &mut self.chunk)
                };
                self.progress += (before - self.chunk.len()) as u64;
                ready!(sent).map_err(worker)?;
                if last {
                    return Poll::Ready(Ok(()));
                }
            }
            if self.resend() {
                continue;
            }
            if self.over {
                let ended = match self.trailers.clone() {
                    Some(trailers) => send.trailers(trailers),
                    None => send.finish(),
                };
                return Poll::Ready(ended.map_err(worker));
            }
            ready!(self.poll_body(cx))?;
        }
    }

    /// Takes the next chunk that an earlier attempt has sent.
    fn resend(&mut self) -> bool {
        let next = self.kept.as_ref().and_then(|kept| kept.get(self.resent)).cloned();
        self.resent += usize::from(next.is_some());
        self.chunk = next.unwrap_or_default();
        !self.chunk.is_empty()
    }

    /// Whether the chunk at hand is the last thing to be sent.
    fn is_last(&self) -> bool {
        let resent = self.kept.as_ref().is_none_or(|kept| kept.len() == self.resent);
        self.trailers.is_none() && resent && (self.over || self.body.is_end_stream())
    }

    fn poll_body(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Cut>> {
        self.starved = true;
        let frame = ready!(Pin::new(&mut self.body).poll_frame(cx));
        self.starved = false;
        self.progress += 1;
        match frame {
            None => self.over = true,
            Some(Err(error)) => return Poll::Ready(Err(Cut::Caller(error.into()))),
            Some(Ok(frame)) => match frame.into_data() {
                Ok(data) => self.take(data),
                Err(frame) => {
                    self.over = true;
                    self.trailers = frame.into_trailers().ok();
                }
            },
        }
        Poll::Ready(Ok(()))
    }

    fn take(&mut self, data: Bytes) {
        self.kept_bytes += data.len();
        if self.kept_bytes > KEPT {
            self.kept = None;
        } else if let Some(kept) = &mut self.kept
            && !data.is_empty()
        {
            kept.push(data.clone());
            self.resent = kept.len();
        }
        self.chunk = data;
    }
}

/// A reset that follows a whole answer says only that the rest is not wanted.
fn worker(_: io::Error) -> Cut {
    Cut::Worker
}
