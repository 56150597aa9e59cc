//! The forward proxy, as Python sees it.

use std::sync::OnceLock;

use penstock_domain::{Code, Error, Side};
use penstock_egress::{Config, Seams};
use pyo3::{PyErr, PyResult, Python, pyclass, pymethods};
use tokio::runtime::Runtime;

use crate::{
    error::{raise, render},
    runtime::{self, Data},
};

/// Resolves, checks, decides and carries what leaves.
#[pyclass(frozen, module = "penstock._core")]
pub(crate) struct Egress {
    config: Config,
    running: OnceLock<Running>,
}

struct Running {
    egress: penstock_egress::Egress,
    data: Data,
    _admin: Runtime,
}

#[pymethods]
impl Egress {
    /// A forward proxy by its compiled configuration, in JSON, which is found to be right or refused.
    #[new]
    fn new(config: &str) -> PyResult<Self> {
        let config = read(config)?;
        let runtime = runtime::admin()?;
        let _inside = runtime.enter();
        penstock_egress::check(&config).map_err(|error| raise(&error))?;
        Ok(Self { config, running: OnceLock::new() })
    }

    /// Binds the ports and serves; the bound addresses, in JSON.
    fn start(&self, py: Python<'_>) -> PyResult<String> {
        let running = py.detach(|| Running::start(self.config.clone()))?;
        let addresses = py.detach(|| running.data.block_on(running.egress.addresses()));
        self.running.set(running).map_err(|_| misuse("the forward proxy was started before"))?;
        render(&addresses)
    }

    /// Puts another configuration in force, in JSON; if it is refused, the old one stays whole.
    fn reconfigure(&self, py: Python<'_>, config: &str) -> PyResult<()> {
        let running = self.running()?;
        let config = read(config)?;
        py.detach(|| running.data.block_on(running.egress.reconfigure(config))).map_err(|error| raise(&error))
    }

    /// What was counted, by name, in JSON.
    fn stats(&self) -> PyResult<String> {
        render(&self.running()?.egress.stats())
    }

    /// What the configuration does with a request; question and answer in JSON.
    fn explain(&self, py: Python<'_>, question: &str) -> PyResult<String> {
        let explained = py.detach(|| match self.running.get() {
            Some(running) => running.egress.explain(question),
            None => penstock_egress::explain(&self.config, question),
        });
        render(&explained.map_err(|error| raise(&error))?)
    }

    /// Drains for so many seconds, then cuts what is left. Blocks, without the interpreter.
    fn shutdown(&self, py: Python<'_>, grace_seconds: f64) -> PyResult<()> {
        let Some(Running { egress, data, .. }) = self.running.get() else { return Ok(()) };
        py.detach(|| data.block_on(egress.shutdown(runtime::seconds(grace_seconds))));
        Ok(())
    }
}

impl Egress {
    fn running(&self) -> PyResult<&Running> {
        self.running.get().ok_or_else(|| misuse("the forward proxy is not running"))
    }
}

impl Running {
    fn start(config: Config) -> PyResult<Self> {
        let (data, admin) = (Data::start()?, runtime::admin()?);
        let egress = data
            .block_on(penstock_egress::Egress::start(config, Seams::default(), data.lanes(), admin.handle()))
            .map_err(|error| raise(&error))?;
        Ok(Self { egress, data, _admin: admin })
    }
}

fn read(config: &str) -> PyResult<Config> {
    Config::parse(config).map_err(|error| raise(&error))
}

fn misuse(what: &str) -> PyErr {
    raise(&Error::new(Code::Internal, Side::Gateway, what))
}
