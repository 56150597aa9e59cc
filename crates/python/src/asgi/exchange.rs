//! What an application holds of one request: its `receive` and `send`, whatever the protocol.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker},
};

use pyo3::{
    Bound, IntoPyObject as _, Py, PyAny, PyErr, PyResult, Python,
    exceptions::{PyConnectionResetError, PyOSError, PyRuntimeError},
    intern, pyclass, pymethods,
    types::{PyAnyMethods as _, PyDict},
};

use super::{
    awaitable::{Awaitable, Done, Operation},
    event::Event,
    queue::Bell,
};

/// One of ASGI's protocols, for one request: what may follow what, and what it does to the stream.
pub(super) trait Protocol: Send + 'static {
    /// An event of the application's.
    type Sent;
    /// An event for the application.
    type Received;

    /// Reads an event of the application's.
    fn read(event: &Event<'_>) -> PyResult<Self::Sent>;
    /// Writes an event for the application.
    fn write<'py>(py: Python<'py>, received: Self::Received) -> PyResult<Bound<'py, PyDict>>;
    /// The next event for the application.
    fn receive(&mut self, cx: &mut Context<'_>) -> Poll<Self::Received>;
    /// Takes an event; pending while it waits for credit, then [`Protocol::flush`] goes on.
    fn send(&mut self, cx: &mut Context<'_>, sent: Self::Sent) -> Poll<Result<(), Refusal>>;
    /// Lets what waits leave, as far as credit goes.
    fn flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Refusal>>;
    /// Whether whoever waits to receive has reason to look again.
    fn news(&mut self) -> bool;
    /// The application returned: what it left undone, for the log.
    fn returned(&mut self) -> Option<&'static str>;
    /// The application raised: whether its owner should know.
    fn raised(&mut self, py: Python<'_>, error: &PyErr) -> bool;
    /// Ends in disorder.
    fn fail(&mut self);
    /// From now on the caller counts as gone.
    fn leave(&mut self);
}

/// Why an event is not taken.
#[derive(Debug)]
pub(super) enum Refusal {
    /// It is not its turn.
    Order(String),
    /// The caller has gone.
    Gone,
}

/// What all who hold an exchange share.
pub(super) struct Exchange<P> {
    protocol: Mutex<P>,
    bell: Arc<Bell>,
}

impl<P: Protocol> Exchange<P> {
    pub(super) fn new(protocol: P, bell: Arc<Bell>) -> Arc<Self> {
        Arc::new(Self { protocol: Mutex::new(protocol), bell })
    }

    /// An operation on it, for Python to await.
    pub(super) fn awaitable(&self, operation: impl Operation + 'static) -> Awaitable {
        Awaitable::new(operation, Arc::clone(&self.bell))
    }

    /// Does something to the protocol, and tells who waits to receive if it has news.
    pub(super) fn with<T>(&self, act: impl FnOnce(&mut P) -> T) -> T {
        let mut protocol = self.protocol();
        let result = act(&mut protocol);
        let news = protocol.news();
        drop(protocol);
        if news && self.bell.is_awaited() {
            self.bell.ring();
        }
        result
    }

    /// Looks at the protocol.
    pub(super) fn look<T>(&self, at: impl FnOnce(&P) -> T) -> T {
        at(&self.protocol())
    }

    fn protocol(&self) -> MutexGuard<'_, P> {
        self.protocol.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// [`Exchange`], whatever the protocol.
pub(super) trait Callables: Send + Sync {
    fn receive(self: Arc<Self>) -> Awaitable;
    /// An operation if the event has to wait.
    fn send(self: Arc<Self>, event: &Bound<'_, PyDict>) -> PyResult<Option<Awaitable>>;
    fn returned(&self) -> Option<&'static str>;
    fn raised(&self, py: Python<'_>, error: &PyErr) -> bool;
    fn fail(&self);
    fn leave(&self);
}

impl<P: Protocol> Callables for Exchange<P> {
    fn receive(self: Arc<Self>) -> Awaitable {
        Awaitable::new(Receiving(Arc::clone(&self)), Arc::clone(&self.bell))
    }

    fn send(self: Arc<Self>, event: &Bound<'_, PyDict>) -> PyResult<Option<Awaitable>> {
        let sent = P::read(&Event(event))?;
        let waker = Waker::from(Arc::clone(&self.bell));
        match self.with(|protocol| protocol.send(&mut Context::from_waker(&waker), sent)) {
            Poll::Ready(outcome) => outcome.map(|()| None).map_err(PyErr::from),
            Poll::Pending => Ok(Some(self.awaitable(Sending(Arc::clone(&self))))),
        }
    }

    fn returned(&self) -> Option<&'static str> {
        self.with(P::returned)
    }

    fn raised(&self, py: Python<'_>, error: &PyErr) -> bool {
        self.with(|protocol| protocol.raised(py, error))
    }

    fn fail(&self) {
        self.with(P::fail);
    }

    fn leave(&self) {
        self.with(P::leave);
    }
}

struct Receiving<P>(Arc<Exchange<P>>);

impl<P: Protocol> Operation for Receiving<P> {
    fn poll(&self, py: Python<'_>, cx: &mut Context<'_>) -> Poll<PyResult<Py<PyAny>>> {
        let received = self.0.protocol().receive(cx);
        received.map(|received| Ok(P::write(py, received)?.into_any().unbind()))
    }
}

struct Sending<P>(Arc<Exchange<P>>);

impl<P: Protocol> Operation for Sending<P> {
    fn poll(&self, py: Python<'_>, cx: &mut Context<'_>) -> Poll<PyResult<Py<PyAny>>> {
        let outcome = self.0.with(|protocol| protocol.flush(cx));
        outcome.map(|outcome| outcome.map(|()| py.None()).map_err(PyErr::from))
    }
}

/// The two callables of an exchange.
#[pyclass(frozen, module = "penstock._core")]
pub(super) struct AsgiExchange {
    callables: Arc<dyn Callables>,
    done: Py<Done>,
}

impl AsgiExchange {
    pub(super) const fn new(callables: Arc<dyn Callables>, done: Py<Done>) -> Self {
        Self { callables, done }
    }
}

#[pymethods]
impl AsgiExchange {
    fn receive(&self) -> Awaitable {
        Arc::clone(&self.callables).receive()
    }

    fn send(&self, py: Python<'_>, event: &Bound<'_, PyDict>) -> PyResult<Py<PyAny>> {
        match Arc::clone(&self.callables).send(event)? {
            None => Ok(self.done.clone_ref(py).into_any()),
            Some(sending) => Ok(sending.into_pyobject(py)?.into_any().unbind()),
        }
    }
}

/// How far back the history of an exception is read.
const HISTORY: usize = 16;

/// Whether an exception is ours about a caller that has left, or was raised in handling it: applications may let
/// that pass.
pub(super) fn speaks_of_leaving(py: Python<'_>, error: &PyErr) -> bool {
    let mut earlier = Some(error.value(py).clone().into_any());
    for _ in 0..HISTORY {
        match earlier {
            Some(exception) if exception.is_instance_of::<PyOSError>() => return true,
            Some(exception) => {
                earlier = exception.getattr(intern!(py, "__context__")).ok().filter(|next| !next.is_none());
            }
            None => return false,
        }
    }
    false
}

impl From<Refusal> for PyErr {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Order(what) => PyRuntimeError::new_err(what),
            // An OSError, as ASGI asks for since 2.4.
            Refusal::Gone => PyConnectionResetError::new_err("the caller has gone"),
        }
    }
}
