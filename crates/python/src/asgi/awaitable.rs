//! What `receive` and `send` return: coroutines that are polled when the loop turns to them.
//!
//! An event that is there already costs no future and no turn of the loop. Only one that is not there makes the
//! task wait for a future, which the stream's [`Bell`] completes. Both classes satisfy
//! `collections.abc.Coroutine`, so that tasks can be made of them.

use std::{
    sync::Arc,
    task::{Context, Poll, Waker},
};

use pyo3::{
    Bound, Py, PyAny, PyErr, PyRef, PyResult, Python,
    exceptions::{PyBaseException, PyStopIteration},
    pyclass, pymethods,
    types::{PyAnyMethods as _, PyTraceback},
};

use super::queue::Bell;

/// Something that Python may await.
pub(crate) trait Operation: Send + Sync {
    /// Goes on as far as it can; if that is not to the end, the context's waker tells when to try again.
    fn poll(&self, py: Python<'_>, cx: &mut Context<'_>) -> Poll<PyResult<Py<PyAny>>>;
}

/// An operation in progress.
#[pyclass(frozen, module = "penstock._core")]
pub(crate) struct Awaitable {
    operation: Box<dyn Operation>,
    bell: Arc<Bell>,
}

impl Awaitable {
    pub(crate) fn new(operation: impl Operation + 'static, bell: Arc<Bell>) -> Self {
        Self { operation: Box::new(operation), bell }
    }

    /// The future to wait for, or the result as `StopIteration`.
    fn step(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        let waker = Waker::from(Arc::clone(&self.bell));
        match self.operation.poll(py, &mut Context::from_waker(&waker)) {
            // In a tuple of its own: one that is a result would be taken for the exception's arguments.
            Poll::Ready(result) => Err(PyStopIteration::new_err((result?,))),
            Poll::Pending => self.bell.future(py),
        }
    }
}

#[pymethods]
impl Awaitable {
    const fn __await__(this: PyRef<'_, Self>) -> PyRef<'_, Self> {
        this
    }

    const fn __iter__(this: PyRef<'_, Self>) -> PyRef<'_, Self> {
        this
    }

    fn __next__(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        self.step(py)
    }

    fn send(&self, py: Python<'_>, _value: &Bound<'_, PyAny>) -> PyResult<Py<PyAny>> {
        self.step(py)
    }

    #[pyo3(signature = (kind, value=None, traceback=None))]
    fn throw(
        &self,
        kind: &Bound<'_, PyAny>,
        value: Option<&Bound<'_, PyAny>>,
        traceback: Option<Bound<'_, PyTraceback>>,
    ) -> PyResult<Py<PyAny>> {
        Err(thrown(kind, value, traceback)?)
    }

    fn close(&self) {}
}

/// An operation that is over and has no result.
#[pyclass(frozen, module = "penstock._core")]
pub(super) struct Done;

#[pymethods]
impl Done {
    const fn __await__(this: PyRef<'_, Self>) -> PyRef<'_, Self> {
        this
    }

    const fn __iter__(this: PyRef<'_, Self>) -> PyRef<'_, Self> {
        this
    }

    fn __next__(&self) -> Option<Py<PyAny>> {
        None
    }

    fn send(&self, _value: &Bound<'_, PyAny>) -> PyResult<Py<PyAny>> {
        Err(PyStopIteration::new_err(()))
    }

    #[pyo3(signature = (kind, value=None, traceback=None))]
    fn throw(
        &self,
        kind: &Bound<'_, PyAny>,
        value: Option<&Bound<'_, PyAny>>,
        traceback: Option<Bound<'_, PyTraceback>>,
    ) -> PyResult<Py<PyAny>> {
        Err(thrown(kind, value, traceback)?)
    }

    fn close(&self) {}
}

/// The exception that was thrown into a coroutine: an instance, or a class and its argument.
fn thrown(
    kind: &Bound<'_, PyAny>,
    value: Option<&Bound<'_, PyAny>>,
    traceback: Option<Bound<'_, PyTraceback>>,
) -> PyResult<PyErr> {
    let exception = match value {
        _ if kind.is_instance_of::<PyBaseException>() => kind.clone(),
        Some(value) if value.is_instance_of::<PyBaseException>() => value.clone(),
        Some(value) => kind.call1((value,))?,
        None => kind.call0()?,
    };
    let error = PyErr::from_value(exception);
    if traceback.is_some() {
        error.set_traceback(kind.py(), traceback);
    }
    Ok(error)
}
