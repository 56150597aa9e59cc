//! The client, as Python sees it.

use pyo3::{PyResult, Python, pyclass, pymethods};
use tokio::{runtime::Runtime, time::timeout};

use crate::{
    error::{parse, raise, render},
    runtime,
};

/// Forwards local sockets to a gateway's connections.
#[pyclass(frozen, module = "penstock._core")]
pub(crate) struct Client {
    client: penstock_client::Client,
    data: Runtime,
}

#[pymethods]
impl Client {
    /// A client by its configuration, in JSON.
    #[new]
    fn new(config: &str) -> PyResult<Self> {
        let config: penstock_client::Config = parse("configuration", config)?;
        let client = penstock_client::Client::new(&config).map_err(|error| raise(&error))?;
        Ok(Self { client, data: runtime::end()? })
    }

    /// Dials, to prove that the gateway is reachable and takes the credential.
    fn check(&self, py: Python<'_>) -> PyResult<()> {
        py.detach(|| self.data.block_on(self.client.check())).map_err(|error| raise(&error))
    }

    /// Listens at `HOST:PORT` or `unix:PATH`; the bound address.
    fn forward(&self, py: Python<'_>, connection: &str, listen: &str) -> PyResult<String> {
        py.detach(|| self.data.block_on(self.client.forward(connection, listen)))
            .map_err(|error| raise(&error))
    }

    /// Waits so many seconds, without the interpreter, for the next thing that went wrong with a forwarded
    /// connection; in JSON.
    fn notices(&self, py: Python<'_>, timeout_seconds: f64) -> PyResult<Option<String>> {
        let limit = runtime::seconds(timeout_seconds);
        let notice = py.detach(|| self.data.block_on(async { timeout(limit, self.client.notice()).await }));
        notice.ok().flatten().map(|error| render(&error)).transpose()
    }

    /// Stops listening, and waits so many seconds for the sessions that are open; whether all have ended.
    fn drain(&self, py: Python<'_>, timeout_seconds: f64) -> bool {
        let limit = runtime::seconds(timeout_seconds);
        py.detach(|| self.data.block_on(self.client.drain(limit)))
    }

    /// Stops listening and ends every stream.
    fn shutdown(&self, py: Python<'_>) {
        py.detach(|| self.data.block_on(self.client.shutdown()));
    }
}
