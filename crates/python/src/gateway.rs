//! The gateway, as Python sees it.

use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use penstock_domain::{Code, Error, Side, Status};
use pyo3::{Py, PyAny, PyErr, PyResult, Python, pyclass, pymethods};
use tokio::runtime::Runtime;

use crate::{
    decider::PythonDecider,
    error::{parse, raise, render},
    runtime::{self, Data},
};

/// Owns the ports and carries the sessions; asks Python at boundaries.
#[pyclass(frozen, module = "penstock._core")]
pub(crate) struct Gateway {
    config: penstock_gateway::Config,
    ask: Mutex<Option<Py<PyAny>>>,
    running: OnceLock<Running>,
}

struct Running {
    gateway: penstock_gateway::Gateway,
    data: Data,
    _admin: Runtime,
}

#[pymethods]
impl Gateway {
    /// A gateway by its configuration, in JSON. `ask(question, reply)` is called with each question in JSON and
    /// must return at once.
    #[new]
    fn new(config: &str, ask: Py<PyAny>) -> PyResult<Self> {
        Ok(Self {
            config: parse("configuration", config)?,
            ask: Mutex::new(Some(ask)),
            running: OnceLock::new(),
        })
    }

    /// Binds the ports and serves; the bound addresses, in JSON.
    fn start(&self, py: Python<'_>) -> PyResult<String> {
        let ask = self.ask.lock().unwrap_or_else(PoisonError::into_inner).take();
        let ask = ask.ok_or_else(|| misuse("the gateway was started before"))?;
        let running = py.detach(|| Running::start(self.config.clone(), ask))?;
        let addresses = render(running.gateway.addresses())?;
        self.running.set(running).map_err(|_| misuse("the gateway was started before"))?;
        Ok(addresses)
    }

    /// Says whether new work is welcome.
    fn ready(&self, ready: bool) -> PyResult<()> {
        self.running()?.gateway.ready(ready);
        Ok(())
    }

    /// Agents with a link, by name, in JSON.
    fn agents(&self, py: Python<'_>) -> PyResult<String> {
        let running = self.running()?;
        py.detach(|| render(&running.gateway.agents()))
    }

    /// Apps with a worker's link, by name, in JSON.
    fn apps(&self, py: Python<'_>) -> PyResult<String> {
        let running = self.running()?;
        py.detach(|| render(&running.gateway.apps()))
    }

    /// These are all apps from now on, in JSON.
    fn publish(&self, py: Python<'_>, apps: &str) -> PyResult<()> {
        let running = self.running()?;
        let apps = parse("apps", apps)?;
        py.detach(|| running.gateway.publish(apps)).map_err(|error| raise(&error))
    }

    /// Whoever entered an app is asked about again.
    fn forget_visitors(&self) -> PyResult<()> {
        self.running()?.gateway.forget_visitors();
        Ok(())
    }

    /// Puts another configuration of the forward proxy in force, in JSON; if it is refused, the old one stays whole.
    fn reconfigure_egress(&self, py: Python<'_>, config: &str) -> PyResult<()> {
        let running = self.running()?;
        let config = penstock_egress::Config::parse(config).map_err(|error| raise(&error))?;
        py.detach(|| running.data.block_on(running.gateway.reconfigure_egress(config)))
            .map_err(|error| raise(&error))
    }

    /// Live sessions, by identifier, in JSON.
    fn sessions(&self, py: Python<'_>) -> PyResult<String> {
        let running = self.running()?;
        py.detach(|| render(&running.gateway.sessions()))
    }

    /// Ends a live session with a status and a reason; false if there is none.
    fn kill(&self, session: &str, status: &str, reason: &str) -> PyResult<bool> {
        let status: Status = parse("status", &render(&status)?)?;
        Ok(self.running()?.gateway.kill(session, status, reason))
    }

    /// Ends what a revoked token opened; how many sessions.
    fn end_token(&self, token: &str) -> PyResult<usize> {
        Ok(self.running()?.gateway.end_token(token))
    }

    /// Ends the links of a revoked certificate, by the SHA-256 of its DER in hex.
    fn end_certificate(&self, fingerprint: &str) -> PyResult<()> {
        self.running()?.gateway.end_certificate(fingerprint);
        Ok(())
    }

    /// Drops the links of a deleted agent; how many.
    fn end_agent(&self, name: &str) -> PyResult<usize> {
        Ok(self.running()?.gateway.end_agent(name))
    }

    /// Drains for so many seconds, then ends what is left. Blocks, without the interpreter.
    fn shutdown(&self, py: Python<'_>, grace_seconds: f64) -> PyResult<()> {
        let Some(running) = self.running.get() else { return Ok(()) };
        py.detach(|| running.data.block_on(running.gateway.shutdown(runtime::seconds(grace_seconds))));
        Ok(())
    }
}

impl Gateway {
    fn running(&self) -> PyResult<&Running> {
        self.running.get().ok_or_else(|| misuse("the gateway is not running"))
    }
}

impl Running {
    fn start(config: penstock_gateway::Config, ask: Py<PyAny>) -> PyResult<Self> {
        let (data, admin) = (Data::start()?, runtime::admin()?);
        let decider = Arc::new(PythonDecider::start(ask)?);
        let gateway = data
            .block_on(penstock_gateway::Gateway::start(config, decider, data.lanes(), admin.handle()))
            .map_err(|error| raise(&error))?;
        Ok(Self { gateway, data, _admin: admin })
    }
}

fn misuse(what: &str) -> PyErr {
    raise(&Error::new(Code::Internal, Side::Gateway, what))
}
