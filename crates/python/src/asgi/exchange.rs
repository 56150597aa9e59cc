//! An HTTP exchange, as the application holds it: its `receive` and `send`.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker},
};

use penstock_link::{Receive, Respond};
use pyo3::{
    Bound, IntoPyObject as _, Py, PyAny, PyErr, PyResult, Python,
    exceptions::{PyConnectionResetError, PyOSError, PyRuntimeError},
    intern, pyclass, pymethods,
    types::{PyBytes, PyDict, PyDictMethods as _},
};

use super::{
    awaitable::{Awaitable, Done, Operation},
    event::{Event, Sent},
    http::{Http, Received, Refusal},
    log::Log,
    queue::Bell,
    run::Conversation,
};

/// What all who hold an exchange share.
pub(super) struct Exchange {
    http: Mutex<Http>,
    bell: Arc<Bell>,
    stream: u32,
}

impl Exchange {
    pub(super) fn new(head_only: bool, body: Receive, respond: Respond, bell: Arc<Bell>) -> Arc<Self> {
        let stream = respond.stream_id();
        Arc::new(Self { http: Mutex::new(Http::new(head_only, body, respond)), bell, stream })
    }

    fn http(&self) -> MutexGuard<'_, Http> {
        self.http.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Who waits to receive is told of the end.
    fn settled(&self, http: MutexGuard<'_, Http>) {
        let over = http.is_over() || http.is_gone();
        drop(http);
        if over && self.bell.is_awaited() {
            self.bell.ring();
        }
    }
}

impl Conversation for Exchange {
    fn returned(&self, py: Python<'_>, log: &Log) {
        let complaint = self.http().returned();
        if let Some(complaint) = complaint {
            log.error(py, complaint, self.stream, None);
        }
        self.settled(self.http());
    }

    fn raised(&self, py: Python<'_>, log: &Log, error: &PyErr) {
        let gone = self.http().is_gone() && error.is_instance_of::<PyOSError>(py);
        if !gone {
            log.error(py, "Exception in ASGI application", self.stream, Some(error));
        }
        self.fail();
    }

    fn fail(&self) {
        self.http().fail();
        self.settled(self.http());
    }

    fn disconnect(&self) {
        self.http().leave();
        self.bell.ring();
    }
}

/// The two callables of an exchange.
#[pyclass(frozen, module = "penstock._core")]
pub(super) struct HttpExchange {
    exchange: Arc<Exchange>,
    done: Py<Done>,
}

impl HttpExchange {
    pub(super) const fn new(exchange: Arc<Exchange>, done: Py<Done>) -> Self {
        Self { exchange, done }
    }
}

#[pymethods]
impl HttpExchange {
    fn receive(&self) -> Awaitable {
        Awaitable::new(Receiving(Arc::clone(&self.exchange)), Arc::clone(&self.exchange.bell))
    }

    fn send(&self, py: Python<'_>, event: &Bound<'_, PyDict>) -> PyResult<Py<PyAny>> {
        let sent = Sent::read(&Event(event))?;
        let waker = Waker::from(Arc::clone(&self.exchange.bell));
        let mut http = self.exchange.http();
        let outcome = http.send(&mut Context::from_waker(&waker), sent);
        self.exchange.settled(http);
        match outcome {
            Poll::Ready(Ok(())) => Ok(self.done.clone_ref(py).into_any()),
            Poll::Ready(Err(refusal)) => Err(refusal.into()),
            Poll::Pending => {
                let sending = Sending(Arc::clone(&self.exchange));
                let awaitable = Awaitable::new(sending, Arc::clone(&self.exchange.bell));
                Ok(awaitable.into_pyobject(py)?.into_any().unbind())
            }
        }
    }
}

struct Receiving(Arc<Exchange>);

impl Operation for Receiving {
    fn poll(&self, py: Python<'_>, cx: &mut Context<'_>) -> Poll<PyResult<Py<PyAny>>> {
        let received = self.0.http().receive(cx);
        received.map(|received| received.event(py))
    }
}

struct Sending(Arc<Exchange>);

impl Operation for Sending {
    fn poll(&self, py: Python<'_>, cx: &mut Context<'_>) -> Poll<PyResult<Py<PyAny>>> {
        let mut http = self.0.http();
        let outcome = http.flush(cx);
        self.0.settled(http);
        outcome.map(|outcome| outcome.map(|()| py.None()).map_err(PyErr::from))
    }
}

impl Received {
    fn event(self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        let event = PyDict::new(py);
        match self {
            Self::Body(body, more) => {
                event.set_item(intern!(py, "type"), intern!(py, "http.request"))?;
                event.set_item(intern!(py, "body"), PyBytes::new(py, &body))?;
                event.set_item(intern!(py, "more_body"), more)?;
            }
            Self::Disconnect => event.set_item(intern!(py, "type"), intern!(py, "http.disconnect"))?,
        }
        Ok(event.into_any().unbind())
    }
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
