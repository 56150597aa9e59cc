//! What goes wrong in an application goes to Python's `logging`, where its owner looks.

use pyo3::{
    IntoPyObject as _, Py, PyAny, PyErr, PyResult, Python,
    types::{PyAnyMethods as _, PyDict, PyDictMethods as _, PyTuple},
};

use super::run::Job;

/// The logger `penstock.worker`.
pub(super) struct Log(Py<PyAny>);

impl Log {
    pub(super) fn new(py: Python<'_>) -> PyResult<Self> {
        let logger = py.import("logging")?.call_method1("getLogger", ("penstock.worker",))?;
        Ok(Self(logger.unbind()))
    }

    /// An error, on a stream if it was one request's, with the exception's traceback if there is one.
    pub(super) fn error(&self, py: Python<'_>, message: &str, job: Option<Job>, error: Option<&PyErr>) {
        if let Err(failed) = self.try_error(py, message, job, error) {
            failed.write_unraisable(py, None);
        }
    }

    fn try_error(
        &self,
        py: Python<'_>,
        message: &str,
        job: Option<Job>,
        error: Option<&PyErr>,
    ) -> PyResult<()> {
        let arguments = PyDict::new(py);
        arguments.set_item("exc_info", error.map(|error| error.clone_ref(py).into_value(py)))?;
        let line = match job {
            None => ("%s", message).into_pyobject(py)?.into_any(),
            Some(Job { stream, .. }) => ("%s (stream %d)", message, stream).into_pyobject(py)?.into_any(),
        };
        self.0.bind(py).call_method("error", line.cast_into::<PyTuple>()?, Some(&arguments))?;
        Ok(())
    }
}
