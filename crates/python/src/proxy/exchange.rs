//! One request of an event loop, and its answer.

use std::{
    future::Future,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http::{HeaderMap, Response};
use http_body::Body as _;
use penstock_domain::{Code, Error, Side};
use penstock_http::Body;
use pyo3::{
    Bound, IntoPyObject as _, Py, PyAny, PyErr, PyResult, Python,
    pybacked::PyBackedBytes,
    pyclass, pymethods,
    types::{PyBytes, PyList, PyListMethods as _},
};
use tokio::runtime::Handle;

use super::inbox::Inbox;
use crate::{
    asgi::{Awaitable, Bell, Operation},
    error::raise,
};

type Serving = Pin<Box<dyn Future<Output = Response<Body>> + Send>>;

/// A request on its way.
#[pyclass(frozen, module = "penstock._core")]
pub(crate) struct Exchange {
    inbox: Inbox,
    way: Arc<Way>,
}

struct Way {
    stage: Mutex<Stage>,
    bell: Arc<Bell>,
    runtime: Handle,
}

enum Stage {
    /// The answer is to come.
    Asked(Serving),
    /// Its body comes.
    Answered(Body),
    /// There is no more.
    Over,
}

impl Exchange {
    pub(super) fn new(serving: Serving, inbox: Inbox, bell: Arc<Bell>, runtime: Handle) -> Self {
        let stage = Mutex::new(Stage::Asked(serving));
        Self { inbox, way: Arc::new(Way { stage, bell, runtime }) }
    }

    fn operation(&self, operation: impl Operation + 'static) -> Awaitable {
        Awaitable::new(operation, Arc::clone(&self.way.bell))
    }
}

#[pymethods]
impl Exchange {
    /// Resolves with the status and the headers of the answer.
    fn head(&self) -> Awaitable {
        self.operation(Head(Arc::clone(&self.way)))
    }

    /// Resolves with the next bytes of the answer's body, with a list if these are trailers, with None at its end;
    /// raises if it was cut.
    fn read(&self) -> Awaitable {
        self.operation(Read(Arc::clone(&self.way)))
    }

    /// Resolves when the next piece of the request's body was taken; with False if nobody wants any more.
    fn write(&self, piece: PyBackedBytes) -> Awaitable {
        let piece = Bytes::from_owner(piece);
        self.operation(Write(self.inbox.clone(), Mutex::new(Some(piece))))
    }

    /// That was all of the request's body.
    fn finish(&self) {
        self.inbox.finish();
    }

    /// Gives it up: the caller has gone, or the answer is through.
    fn close(&self) {
        self.inbox.cut();
        let gone = std::mem::replace(&mut *self.way.stage(), Stage::Over);
        // What it does in going may need the runtime.
        let _inside = self.way.runtime.enter();
        drop(gone);
        self.way.bell.ring();
    }
}

impl Way {
    fn stage(&self) -> MutexGuard<'_, Stage> {
        self.stage.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct Head(Arc<Way>);

impl Operation for Head {
    fn poll(&self, py: Python<'_>, cx: &mut Context<'_>) -> Poll<PyResult<Py<PyAny>>> {
        let _inside = self.0.runtime.enter();
        let mut stage = self.0.stage();
        let Stage::Asked(serving) = &mut *stage else { return Poll::Ready(Err(over())) };
        let (parts, body) = ready!(serving.as_mut().poll(cx)).into_parts();
        *stage = Stage::Answered(body);
        let head = pairs(py, &parts.headers).map(|headers| (parts.status.as_u16(), headers));
        Poll::Ready(head.and_then(|head| Ok(head.into_pyobject(py)?.into_any().unbind())))
    }
}

struct Read(Arc<Way>);

impl Operation for Read {
    fn poll(&self, py: Python<'_>, cx: &mut Context<'_>) -> Poll<PyResult<Py<PyAny>>> {
        let _inside = self.0.runtime.enter();
        let mut stage = self.0.stage();
        let Stage::Answered(body) = &mut *stage else { return Poll::Ready(Err(over())) };
        let frame = match ready!(Pin::new(body).poll_frame(cx)) {
            None => return Poll::Ready(Ok(py.None())),
            Some(Err(error)) => return Poll::Ready(Err(cut(&error.to_string()))),
            Some(Ok(frame)) => frame,
        };
        Poll::Ready(match frame.into_data() {
            Ok(data) => Ok(PyBytes::new(py, &data).into_any().unbind()),
            Err(frame) => {
                let trailers = frame.into_trailers().unwrap_or_default();
                pairs(py, &trailers).map(|list| list.into_any().unbind())
            }
        })
    }
}

struct Write(Inbox, Mutex<Option<Bytes>>);

impl Operation for Write {
    fn poll(&self, py: Python<'_>, cx: &mut Context<'_>) -> Poll<PyResult<Py<PyAny>>> {
        let mut piece = self.1.lock().unwrap_or_else(PoisonError::into_inner);
        let wanted = ready!(self.0.poll_give(cx, &mut piece));
        Poll::Ready(Ok(wanted.into_pyobject(py)?.to_owned().into_any().unbind()))
    }
}

/// Headers as ASGI has them.
pub(super) fn pairs<'py>(py: Python<'py>, headers: &HeaderMap) -> PyResult<Bound<'py, PyList>> {
    let list = PyList::empty(py);
    for (name, value) in headers {
        list.append((PyBytes::new(py, name.as_str().as_bytes()), PyBytes::new(py, value.as_bytes())))?;
    }
    Ok(list)
}

pub(super) fn over() -> PyErr {
    cut("it was given up")
}

pub(super) fn cut(why: &str) -> PyErr {
    raise(&Error::new(Code::Lost, Side::Agent, format!("the request was cut: {why}")))
}
