//! An application at work: a coroutine around the application's own, so that its end costs no callback.

use std::sync::Arc;

use pyo3::{
    Bound, Py, PyAny, PyErr, PyRef, PyResult, Python,
    exceptions::{PyException, PyStopIteration},
    pyclass, pymethods,
    types::{PyAnyMethods as _, PyIterator, PyTuple, iterator::PySendResult},
};

use super::{bridge::Bridge, exchange::Callables};

/// What the log says of an application that raised.
pub(super) const RAISED: &str = "Exception in ASGI application";

/// What an application was called for.
#[derive(Clone, Copy)]
pub(super) struct Job {
    /// By which it is known while it is at work.
    pub(super) ticket: u64,
    /// Its stream on its link, for the log.
    pub(super) stream: u32,
}

/// Drives an application's coroutine to its end.
#[pyclass(frozen, module = "penstock._core")]
pub(super) struct Run {
    application: Py<PyIterator>,
    callables: Arc<dyn Callables>,
    bridge: Arc<Bridge>,
    job: Option<Job>,
}

impl Run {
    /// Without a job it is the application's own life.
    pub(super) const fn new(
        application: Py<PyIterator>,
        callables: Arc<dyn Callables>,
        bridge: Arc<Bridge>,
        job: Option<Job>,
    ) -> Self {
        Self { application, callables, bridge, job }
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
        if let Some(job) = self.job {
            self.bridge.work().end(job.ticket);
        }
    }

    /// Only what stops more than one request goes on to the loop.
    fn ended(&self, py: Python<'_>, error: Option<PyErr>) -> PyResult<()> {
        self.retire();
        match error {
            None => {
                if let Some(complaint) = self.callables.returned() {
                    self.bridge.log().error(py, complaint, self.job, None);
                }
            }
            Some(error) if error.is_instance_of::<PyException>(py) => {
                if self.callables.raised(py, &error) {
                    self.bridge.log().error(py, RAISED, self.job, Some(&error));
                }
            }
            Some(error) => {
                self.callables.fail();
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
        self.callables.fail();
        Ok(())
    }
}
