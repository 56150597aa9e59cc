//! Errors on their way to Python: one exception whose argument is the error in JSON.

use penstock_domain::{Code, Error, Side};
use pyo3::{PyErr, create_exception, exceptions::PyException};
use serde::{Serialize, de::DeserializeOwned};

create_exception!(penstock._core, CoreError, PyException, "An error of the core; its argument is JSON.");

pub(crate) fn raise(error: &Error) -> PyErr {
    CoreError::new_err(serde_json::to_string(error).unwrap_or_else(|_| error.message.clone()))
}

/// Reads a JSON argument.
pub(crate) fn parse<T: DeserializeOwned>(what: &str, json: &str) -> Result<T, PyErr> {
    serde_json::from_str(json).map_err(|error| {
        raise(&Error::new(Code::Malformed, Side::Gateway, format!("the {what} cannot be read: {error}")))
    })
}

/// Writes a JSON result.
pub(crate) fn render<T: Serialize>(value: &T) -> Result<String, PyErr> {
    serde_json::to_string(value)
        .map_err(|error| raise(&Error::new(Code::Internal, Side::Gateway, error.to_string())))
}
