//! An application at work: a coroutine around the application's own, so that its end costs no callback.

use std::sync::Arc;

use pyo3::{
    Bound, Py, PyAny, PyErr, PyRef, PyResult, Python,
    exceptions::{PyException, PyStopIteration},
    pyclass, pymethods,
    types::{PyAnyMethods as _, PyIterator, PyTuple, iterator::PySendResult},
};

use super::{bridge::Bridge, log::Log};

/// What an application was called for.
pub(super) trait Conversation: Send + Sync {
    /// The application returned.
    fn returned(&self, py: Python<'_>, log: &Log);
    /// The application raised.
    fn raised(&self, py: Python<'_>, log: &Log, error: &PyErr);
    /// The application was cancelled.
    fn fail(&self);
    /// The caller counts as gone.
    fn disconnect(&self);
}

/// Drives an application's coroutine to its end.
#[pyclass(frozen, module = "penstock._core")]
pub(super) struct Run {
    application: Py<PyIterator>,
    conversation: Arc<dyn Conversation>,
    bridge: Arc<Bridge>,
    ticket: Option<u64>,
}

impl Run {
    pub(super) fn new(
        application: Py<PyIterator>,
        conversation: Arc<dyn Conversation>,
        bridge: Arc<Bridge>,
        ticket: Option<u64>,
    ) -> Self {
        Self { application, conversation, bridge, ticket }
    }

    fn resume<'py>(&self, value: &Bound<'py, PyAny>) -> PyResult<Option<Bound<'py, PyAny>>> {
        let py = value.py();
        match self.application.bind(py).send(value) {
            Ok(PySendResult::Next(future)) => Ok(Some(future)),
            Ok(PySendResult::Return(_)) => {
                self.ended(py, None)?;
                Ok(None)
            }
            Err(error) => {
                self.ended(py, Some(error))?;
                Ok(None)
            }
        }
    }

    fn retire(&self) {
        if let Some(ticket) = self.ticket {
            self.bridge.ended(ticket);
        }
    }

    /// Only what stops more than one request goes on to the loop.
    fn ended(&self, py: Python<'_>, error: Option<PyErr>) -> PyResult<()> {
        self.retire();
        match error {
            None => self.conversation.returned(py, self.bridge.log()),
            Some(error) if error.is_instance_of::<PyException>(py) => {
                self.conversation.raised(py, self.bridge.log(), &error);
            }
            Some(error) => {
                self.conversation.fail();
                return Err(error);
            }
        }
        Ok(())
    }
}

#[pymethods]
impl Run {
    const fn __await__(this: PyRef<'_, Self>) -> PyRef<'_, Self> {
        this
    }

    const fn __iter__(this: PyRef<'_, Self>) -> PyRef<'_, Self> {
        this
    }

    fn __next__<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        self.resume(py.None().bind(py))
    }

    fn send<'py>(&self, value: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        self.resume(value)?.ok_or_else(|| PyStopIteration::new_err(()))
    }

    #[pyo3(signature = (*exception))]
    fn throw<'py>(&self, exception: &Bound<'py, PyTuple>) -> PyResult<Bound<'py, PyAny>> {
        let py = exception.py();
        match self.application.bind(py).call_method1("throw", exception.clone()) {
            Err(error) if error.is_instance_of::<PyStopIteration>(py) => {
                self.ended(py, None)?;
                Err(error)
            }
            Err(error) => {
                self.ended(py, Some(error))?;
                Err(PyStopIteration::new_err(()))
            }
            yielded => yielded,
        }
    }

    fn close(&self, py: Python<'_>) -> PyResult<()> {
        self.application.bind(py).call_method0("close")?;
        self.retire();
        self.conversation.fail();
        Ok(())
    }
}
