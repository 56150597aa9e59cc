//! A request's body, given by Python piece by piece and taken by whoever passes it on.

use std::{
    io,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker},
};

use bytes::Bytes;
use http_body::{Body, Frame};

/// The way of one body. One piece at most waits in it.
#[derive(Clone, Default)]
pub(super) struct Inbox(Arc<Mutex<Slot>>);

#[derive(Default)]
struct Slot {
    piece: Option<Bytes>,
    end: Option<End>,
    /// Nobody takes any more.
    unwanted: bool,
    giver: Option<Waker>,
    taker: Option<Waker>,
}

#[derive(Clone, Copy, Eq, PartialEq)]
enum End {
    /// That was all.
    Whole,
    /// The caller has gone.
    Cut,
}

impl Inbox {
    /// The body of a request that has none.
    pub(super) fn empty() -> Self {
        let inbox = Self::default();
        inbox.finish();
        inbox
    }

    /// Gives a piece once there is room; says whether anybody wants it.
    pub(super) fn poll_give(&self, cx: &mut Context<'_>, piece: &mut Option<Bytes>) -> Poll<bool> {
        let mut slot = self.slot();
        if slot.unwanted || slot.end.is_some() {
            return Poll::Ready(false);
        }
        if slot.piece.is_some() {
            slot.giver = Some(cx.waker().clone());
            return Poll::Pending;
        }
        slot.piece = piece.take();
        let taker = slot.taker.take();
        drop(slot);
        wake(taker);
        Poll::Ready(true)
    }

    /// That was all.
    pub(super) fn finish(&self) {
        self.end(End::Whole);
    }

    /// The rest will not come.
    pub(super) fn cut(&self) {
        self.end(End::Cut);
    }

    fn end(&self, end: End) {
        let mut slot = self.slot();
        slot.end.get_or_insert(end);
        let taker = slot.taker.take();
        drop(slot);
        wake(taker);
    }

    fn slot(&self) -> MutexGuard<'_, Slot> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn wake(waker: Option<Waker>) {
    if let Some(waker) = waker {
        waker.wake();
    }
}

/// The other end of an [`Inbox`].
pub(super) struct Taken(pub(super) Inbox);

impl Body for Taken {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        let mut slot = self.0.slot();
        let piece = slot.piece.take();
        let giver = slot.giver.take();
        let taken = match (piece, slot.end) {
            (Some(piece), _) => Poll::Ready(Some(Ok(Frame::data(piece)))),
            (None, Some(End::Whole)) => Poll::Ready(None),
            (None, Some(End::Cut)) => Poll::Ready(Some(Err(io::ErrorKind::ConnectionReset.into()))),
            (None, None) => {
                slot.taker = Some(cx.waker().clone());
                Poll::Pending
            }
        };
        drop(slot);
        wake(giver);
        taken
    }

    fn is_end_stream(&self) -> bool {
        let slot = self.0.slot();
        slot.piece.is_none() && slot.end == Some(End::Whole)
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        let mut slot = self.0.slot();
        slot.unwanted = true;
        let giver = slot.giver.take();
        drop(slot);
        wake(giver);
    }
}
