//! The agent, as Python sees it.

use std::sync::OnceLock;

use penstock_domain::{Code, Error, Side};
use pyo3::{PyErr, PyResult, Python, pyclass, pymethods};
use tokio::{runtime::Runtime, time::timeout};

use crate::{
    error::{parse, raise, render},
    runtime,
};

/// Dials a gateway and opens targets for it.
#[pyclass(frozen, module = "penstock._core")]
pub(crate) struct Agent {
    config: penstock_agent::Config,
    running: OnceLock<Running>,
}

struct Running {
    agent: penstock_agent::Agent,
    data: Runtime,
    _admin: Runtime,
}

#[pymethods]
impl Agent {
    /// An agent by its configuration, in JSON.
    #[new]
    fn new(config: &str) -> PyResult<Self> {
        Ok(Self { config: parse("configuration", config)?, running: OnceLock::new() })
    }

    /// Starts dialling, and returns at once.
    fn start(&self, py: Python<'_>) -> PyResult<()> {
        let running = py.detach(|| {
            let (data, admin) = (runtime::end()?, runtime::admin()?);
            let agent = {
                let _inside = data.enter();
                penstock_agent::Agent::start(&self.config, admin.handle()).map_err(|error| raise(&error))?
            };
            Ok::<_, PyErr>(Running { agent, data, _admin: admin })
        })?;
        self.running.set(running).map_err(|_| misuse("the agent was started before"))
    }

    /// Links that are up and what kept the last attempt from succeeding, in JSON.
    fn state(&self) -> PyResult<String> {
        render(&self.running()?.agent.state())
    }

    /// Waits so many seconds, without the interpreter; the error that ended the agent, in JSON, if one did.
    fn wait(&self, py: Python<'_>, timeout_seconds: f64) -> PyResult<Option<String>> {
        let Running { agent, data, .. } = self.running()?;
        let limit = runtime::seconds(timeout_seconds);
        py.detach(|| data.block_on(async { timeout(limit, agent.ended()).await }))
            .ok()
            .map(|error| render(&error))
            .transpose()
    }

    /// Drains for so many seconds, then closes. Blocks, without the interpreter.
    fn shutdown(&self, py: Python<'_>, grace_seconds: f64) -> PyResult<()> {
        let Some(Running { agent, data, .. }) = self.running.get() else { return Ok(()) };
        py.detach(|| data.block_on(agent.shutdown(runtime::seconds(grace_seconds))));
        Ok(())
    }
}

impl Agent {
    fn running(&self) -> PyResult<&Running> {
        self.running.get().ok_or_else(|| misuse("the agent is not running"))
    }
}

fn misuse(what: &str) -> PyErr {
    raise(&Error::new(Code::Internal, Side::Agent, what))
}
