//! The body of an answer on its way to the caller.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use penstock_link::Receive;
use tokio::time::{Instant, Sleep, sleep_until};
use tokio_util::task::AbortOnDropHandle;

use super::flight::Flight;
use crate::worker::Lease;

/// What a worker sends, straight from its link, and what is held for as long as it does.
pub(super) struct Download {
    receive: Receive,
    /// What is left of the request's body. Dropped, it is reset.
    rest: Option<AbortOnDropHandle<()>>,
    idle: Idle,
    _lease: Lease,
    flight: Flight,
}

impl Download {
    pub(super) fn new(
        receive: Receive,
        rest: Option<AbortOnDropHandle<()>>,
        idle: Duration,
        lease: Lease,
        flight: Flight,
    ) -> Self {
        Self { receive, rest, idle: Idle::new(idle), _lease: lease, flight }
    }
}

impl Body for Download {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        let this = self.get_mut();
        if this.flight.poll_over(cx).is_ready() {
            this.rest = None;
            return Poll::Ready(Some(Err(io::ErrorKind::PermissionDenied.into())));
        }
        match Pin::new(&mut this.receive).poll_frame(cx) {
            Poll::Pending => this.idle.poll(cx).map(|()| Some(Err(io::ErrorKind::TimedOut.into()))),
            Poll::Ready(frame) => {
                this.idle.heard();
                match &frame {
                    Some(Ok(frame)) => this.flight.sent(frame.data_ref().map_or(0, Bytes::len)),
                    // After the whole answer the rest of the request is of no use to anyone.
                    None | Some(Err(_)) => this.rest = None,
                }
                Poll::Ready(frame)
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.receive.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.receive.size_hint()
    }
}

/// Gives up after so much silence. The timer is made by the first silence: most answers know none.
struct Idle {
    most: Duration,
    timer: Option<Pin<Box<Sleep>>>,
    silent: bool,
}

impl Idle {
    const fn new(most: Duration) -> Self {
        Self { most, timer: None, silent: false }
    }

    const fn heard(&mut self) {
        self.silent = false;
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let until = || Instant::now() + self.most;
        let timer = self.timer.get_or_insert_with(|| Box::pin(sleep_until(until())));
        if !std::mem::replace(&mut self.silent, true) {
            timer.as_mut().reset(Instant::now() + self.most);
        }
        timer.as_mut().poll(cx)
    }
}
