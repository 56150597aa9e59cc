//! The proxy side of Reverse HTTP, as Python sees it.

mod exchange;
mod hooks;
mod inbox;
mod mount;
mod websocket;

use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use penstock_domain::{Code, Error, Side};
use penstock_ingress::{Config, Hooks, Public, Table};
use pyo3::{Bound, Py, PyAny, PyErr, PyResult, Python, pyclass, pymethods};
use tokio::runtime::Runtime;

use crate::{
    error::{parse, raise, render},
    runtime::{self, Data},
};

use self::hooks::PythonHooks;
pub(crate) use self::{exchange::Exchange, hooks::Choice, mount::Mount, websocket::Websocket};

/// Accepts workers and serves their applications to the public.
#[pyclass(frozen, module = "penstock._core")]
pub(crate) struct Proxy {
    config: Config,
    callables: Mutex<Option<Callables>>,
    running: OnceLock<Running>,
}

/// What of Python's is called.
struct Callables {
    watch: Py<PyAny>,
    select: Option<Py<PyAny>>,
}

struct Running {
    proxy: penstock_ingress::Proxy,
    data: Data,
    _admin: Runtime,
}

#[pymethods]
impl Proxy {
    /// A proxy by its configuration, in JSON. `watch(event, worker)` hears of workers, in JSON, that are `attached`
    /// and `detached`; `select(request, choice)` chooses one for a request where the selector is custom. Both are
    /// called on a thread of the core and must return at once.
    #[new]
    #[pyo3(signature = (config, watch, select=None))]
    fn new(config: &str, watch: Py<PyAny>, select: Option<Py<PyAny>>) -> PyResult<Self> {
        Ok(Self {
            config: parse("configuration", config)?,
            callables: Mutex::new(Some(Callables { watch, select })),
            running: OnceLock::new(),
        })
    }

    /// Binds the ports and serves; the bound addresses, in JSON.
    fn start(&self, py: Python<'_>) -> PyResult<String> {
        let callables = self.callables.lock().unwrap_or_else(PoisonError::into_inner).take();
        let callables = callables.ok_or_else(|| misuse("the proxy was started before"))?;
        let running = py.detach(|| Running::start(self.config.clone(), callables))?;
        let addresses = render(running.proxy.addresses())?;
        self.running.set(running).map_err(|_| misuse("the proxy was started before"))?;
        Ok(addresses)
    }

    /// Workers that are attached, in JSON.
    fn workers(&self, py: Python<'_>) -> PyResult<String> {
        let running = self.running()?;
        py.detach(|| render(&running.proxy.ingress().workers()))
    }

    /// Ends the links of a worker, by a name or the fingerprint of its certificate, and takes no more of it; how many.
    fn revoke(&self, py: Python<'_>, who: &str) -> PyResult<usize> {
        let running = self.running()?;
        Ok(py.detach(|| running.proxy.ingress().revoke(who)))
    }

    /// Takes links of a revoked worker again; false if it was not revoked.
    fn restore(&self, py: Python<'_>, who: &str) -> PyResult<bool> {
        let running = self.running()?;
        Ok(py.detach(|| running.proxy.ingress().restore(who)))
    }

    /// These are all routes and groups from now on, in JSON.
    fn publish(&self, py: Python<'_>, table: &str) -> PyResult<()> {
        let table: Table = parse("routes", table)?;
        let running = self.running()?;
        py.detach(|| running.proxy.ingress().publish(&table)).map_err(|error| raise(&error))
    }

    /// The proxy as an application's far side, on an event loop.
    fn mount(&self, event_loop: &Bound<'_, PyAny>) -> PyResult<Mount> {
        let Running { proxy, data, .. } = self.running()?;
        Mount::new(Public::new(proxy.ingress().clone()), data.handle().clone(), event_loop)
    }

    /// Drains for so many seconds, then ends what is left. Blocks, without the interpreter.
    fn shutdown(&self, py: Python<'_>, grace_seconds: f64) {
        if let Some(Running { proxy, data, .. }) = self.running.get() {
            py.detach(|| data.block_on(proxy.shutdown(runtime::seconds(grace_seconds))));
        }
    }
}

impl Proxy {
    fn running(&self) -> PyResult<&Running> {
        self.running.get().ok_or_else(|| misuse("the proxy is not running"))
    }
}

impl Running {
    fn start(config: Config, callables: Callables) -> PyResult<Self> {
        let (data, admin) = (Data::start()?, runtime::admin()?);
        let Callables { watch, select } = callables;
        let chooses = select.is_some();
        let python = Arc::new(PythonHooks::start(watch, select)?);
        let select = chooses.then(|| Arc::clone(&python) as _);
        let hooks = Hooks { watch: python, select };
        let proxy = data
            .block_on(penstock_ingress::Proxy::start(config, hooks, data.lanes(), admin.handle()))
            .map_err(|error| raise(&error))?;
        Ok(Self { proxy, data, _admin: admin })
    }
}

fn misuse(what: &str) -> PyErr {
    raise(&Error::new(Code::Internal, Side::Gateway, what))
}
