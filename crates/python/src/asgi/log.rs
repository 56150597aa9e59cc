//! What goes wrong in an application goes to Python's `logging`, where its owner looks.

use pyo3::{
    Py, PyAny, PyErr, PyResult, Python,
    types::{PyAnyMethods as _, PyDict, PyDictMethods as _},
};

/// The logger `penstock.worker`.
pub(super) struct Log(Py<PyAny>);

impl Log {
    pub(super) fn new(py: Python<'_>) -> PyResult<Self> {
        let logger = py.import("logging")?.call_method1("getLogger", ("penstock.worker",))?;
        Ok(Self(logger.unbind()))
    }

    /// An error on a stream, with the exception's traceback if there is one.
    pub(super) fn error(&self, py: Python<'_>, message: &str, stream: u32, error: Option<&PyErr>) {
        if let Err(failed) = self.try_error(py, message, Some(stream), error) {
            failed.write_unraisable(py, None);
        }
    }

    /// An error on no stream.
    pub(super) fn error_at_large(&self, py: Python<'_>, message: &str, error: Option<&PyErr>) {
        if let Err(failed) = self.try_error(py, message, None, error) {
            failed.write_unraisable(py, None);
        }
    }

    /// Something that may be of interest, and its cause.
    pub(super) fn info(&self, py: Python<'_>, message: &str, cause: &PyErr) {
        let line = ("%s: %s", message, cause.value(py));
        if let Err(failed) = self.0.bind(py).call_method1("info", line) {
            failed.write_unraisable(py, None);
        }
    }

    fn try_error(
        &self,
        py: Python<'_>,
        message: &str,
        stream: Option<u32>,
        error: Option<&PyErr>,
    ) -> PyResult<()> {
        let arguments = PyDict::new(py);
        arguments.set_item("exc_info", error.map(|error| error.clone_ref(py).into_value(py)))?;
        if let Some(stream) = stream {
            let extra = PyDict::new(py);
            extra.set_item("stream", stream)?;
            arguments.set_item("extra", extra)?;
            let line = ("%s (stream %d)", message, stream);
            self.0.bind(py).call_method("error", line, Some(&arguments))?;
        } else {
            self.0.bind(py).call_method("error", ("%s", message), Some(&arguments))?;
        }
        Ok(())
    }
}
