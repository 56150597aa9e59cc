//! Which addresses are reached through a forward proxy, for what Python itself asks.

use pyo3::{PyResult, pyfunction};

use crate::error::raise;

/// Whether a URL is reached through the proxy.
#[pyfunction]
pub(crate) fn is_proxied(url: &str, https_proxy: &str, no_proxy: &str) -> PyResult<bool> {
    penstock_link::is_proxied(url, https_proxy, no_proxy).map_err(|error| raise(&error))
}
