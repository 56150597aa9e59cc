//! The way from the core's threads to the event loop: one queue, and one byte in a pipe when it stops being empty.
//!
//! Threads that move bytes never wait for the interpreter: they push and go on. The loop takes all that has come
//! since its last turn at once.

use std::{
    io::{self, PipeReader, PipeWriter, Read as _, Write as _},
    os::fd::{AsRawFd as _, RawFd},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    task::Wake,
};

use penstock_link::Incoming;
use pyo3::{Bound, Py, PyAny, PyResult, Python, intern, types::PyAnyMethods as _};
use tokio::runtime::Handle;

/// What the loop is to do.
pub(crate) enum Item {
    /// Serve a request.
    Request(Box<Arrived>),
    /// Resume whoever waits for this bell.
    Rung(Arc<Bell>),
}

/// A request, and the runtime that its link lives on.
pub(crate) struct Arrived {
    pub(super) incoming: Incoming,
    pub(super) runtime: Handle,
}

/// What has come for the loop.
pub(crate) struct Queue {
    pending: Mutex<Pending>,
    signalled: AtomicBool,
    signal: PipeWriter,
    heard: PipeReader,
    most: usize,
    create_future: Py<PyAny>,
}

#[derive(Default)]
struct Pending {
    items: Vec<Item>,
    requests: usize,
    closed: bool,
}

impl Queue {
    /// A queue that holds at most so many requests, to a loop by its `create_future`.
    pub(crate) fn new(most: usize, create_future: Py<PyAny>) -> io::Result<Self> {
        let (heard, signal) = io::pipe()?;
        let signalled = AtomicBool::new(false);
        Ok(Self { pending: Mutex::default(), signalled, signal, heard, most, create_future })
    }

    /// What the loop watches: readable when there is something to take.
    pub(crate) fn descriptor(&self) -> RawFd {
        self.heard.as_raw_fd()
    }

    /// Hands a request over; gives it back if too many wait already or nobody will come.
    pub(crate) fn offer(&self, arrived: Box<Arrived>) -> Result<(), Box<Arrived>> {
        {
            let mut pending = self.pending();
            if pending.closed || pending.requests >= self.most {
                return Err(arrived);
            }
            pending.requests += 1;
            pending.items.push(Item::Request(arrived));
        }
        self.signal();
        Ok(())
    }

    /// Takes all; the next push signals again.
    pub(crate) fn take(&self) -> io::Result<Vec<Item>> {
        let mut byte = [0];
        let _one = (&self.heard).read(&mut byte)?;
        self.signalled.store(false, Ordering::Release);
        let mut pending = self.pending();
        pending.requests = 0;
        Ok(std::mem::take(&mut pending.items))
    }

    /// Takes no more, and gives up what waits.
    pub(crate) fn close(&self) {
        let items = {
            let mut pending = self.pending();
            pending.closed = true;
            std::mem::take(&mut pending.items)
        };
        drop(items);
    }

    fn ring(&self, bell: Arc<Bell>) {
        {
            let mut pending = self.pending();
            if pending.closed {
                return;
            }
            pending.items.push(Item::Rung(bell));
        }
        self.signal();
    }

    /// There is never more than one byte in the pipe, so this never blocks.
    fn signal(&self) {
        if !self.signalled.swap(true, Ordering::AcqRel)
            && let Err(error) = (&self.signal).write_all(&[0])
        {
            tracing::error!(target: "penstock::worker", %error, "the event loop cannot be woken");
        }
    }

    fn pending(&self) -> MutexGuard<'_, Pending> {
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Wakes those on the loop who wait for one stream.
///
/// One bell serves both directions: h2 keeps one waker for a stream's credit and its reset, so that two would
/// displace each other.
pub(crate) struct Bell {
    queue: Arc<Queue>,
    rung: AtomicBool,
    waiting: Mutex<Vec<Py<PyAny>>>,
}

impl Bell {
    pub(crate) fn new(queue: &Arc<Queue>) -> Arc<Self> {
        Arc::new(Self { queue: Arc::clone(queue), rung: AtomicBool::new(false), waiting: Mutex::default() })
    }

    /// A future that the next ring completes, as a coroutine hands it to its task.
    pub(crate) fn future(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        let future = self.queue.create_future.bind(py).call0()?;
        // What tells a task that it is to wait for this, as asyncio.Future.__await__ does.
        future.setattr(intern!(py, "_asyncio_future_blocking"), true)?;
        self.waiting().push(future.clone().unbind());
        Ok(future.unbind())
    }

    /// Whether anybody waits.
    pub(crate) fn is_awaited(&self) -> bool {
        !self.waiting().is_empty()
    }

    /// Rings, from any thread.
    pub(crate) fn ring(self: &Arc<Self>) {
        if !self.rung.swap(true, Ordering::AcqRel) {
            self.queue.ring(Arc::clone(self));
        }
    }

    /// Completes the futures, on the loop.
    pub(crate) fn answer(&self, py: Python<'_>) -> PyResult<()> {
        self.rung.store(false, Ordering::Release);
        let waiting = std::mem::take(&mut *self.waiting());
        waiting.into_iter().try_for_each(|future| complete(future.bind(py)))
    }

    fn waiting(&self) -> MutexGuard<'_, Vec<Py<PyAny>>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.ring();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.ring();
    }
}

/// A future whose task was cancelled is done already.
fn complete(future: &Bound<'_, PyAny>) -> PyResult<()> {
    let py = future.py();
    if !future.call_method0(intern!(py, "done"))?.is_truthy()? {
        future.call_method1(intern!(py, "set_result"), (py.None(),))?;
    }
    Ok(())
}
