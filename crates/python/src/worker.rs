//! The worker, as Python sees it.

use std::{future::Future, sync::OnceLock};

use penstock_domain::{Code, Error, Side};
use penstock_http::upstream::{Options, Upstream};
use penstock_link::Incoming;
use penstock_worker::{App, Config, Forward};
use pyo3::{Py, PyErr, PyResult, Python, pyclass, pymethods};
use tokio::{runtime::Runtime, time::timeout};

use crate::{
    asgi::{Asgi, AsgiApp},
    error::{parse, raise, render},
    runtime,
};

/// Dials a proxy and serves its requests with an upstream or an application.
#[pyclass(frozen, module = "penstock._core")]
pub(crate) struct Worker {
    config: Config,
    serves: Serves,
    running: OnceLock<Running>,
}

enum Serves {
    Upstream(Forward),
    Application(Py<AsgiApp>),
}

struct Running {
    worker: penstock_worker::Worker,
    data: Runtime,
    _admin: Runtime,
}

#[pymethods]
impl Worker {
    /// A worker by its configuration, in JSON, and what it serves with: the URL of an upstream, and the roots for it
    /// in PEM, or an application.
    #[new]
    #[pyo3(signature = (config, *, upstream=None, upstream_ca_pem=None, app=None))]
    fn new(
        config: &str,
        upstream: Option<String>,
        upstream_ca_pem: Option<String>,
        app: Option<Py<AsgiApp>>,
    ) -> PyResult<Self> {
        let serves = match (upstream, app) {
            (Some(url), None) => {
                let options = Options { ca_pem: upstream_ca_pem, ..Options::default() };
                let upstream = Upstream::parse(&url, options).map_err(|error| raise(&error))?;
                Serves::Upstream(Forward::new(upstream))
            }
            (None, Some(app)) => Serves::Application(app),
            _ => return Err(misuse("a worker serves with an upstream or with an application")),
        };
        Ok(Self { config: parse("configuration", config)?, serves, running: OnceLock::new() })
    }

    /// Starts dialling, and returns at once.
    fn start(&self, py: Python<'_>) -> PyResult<()> {
        let running = py.detach(|| match &self.serves {
            Serves::Upstream(forward) => self.run(forward.clone()),
            Serves::Application(app) => self.run(app.get().served()),
        })?;
        self.running.set(running).map_err(|_| misuse("the worker was started before"))
    }

    /// Links that are up and what kept the last attempt from succeeding, in JSON.
    fn state(&self) -> PyResult<String> {
        render(&self.running()?.worker.state())
    }

    /// Waits so many seconds, without the interpreter, until every link has been up once; says whether.
    fn ready(&self, py: Python<'_>, timeout_seconds: f64) -> PyResult<bool> {
        let Running { worker, data, .. } = self.running()?;
        let limit = runtime::seconds(timeout_seconds);
        Ok(py.detach(|| data.block_on(async { timeout(limit, worker.ready()).await })).is_ok())
    }

    /// Drains for so many seconds, then closes; says whether all requests finished. Blocks, without the interpreter.
    fn shutdown(&self, py: Python<'_>, grace_seconds: f64) -> bool {
        self.running.get().is_none_or(|Running { worker, data, .. }| {
            py.detach(|| data.block_on(worker.shutdown(runtime::seconds(grace_seconds))))
        })
    }
}

impl Worker {
    fn run(&self, app: impl App) -> PyResult<Running> {
        let (data, admin) = (runtime::served()?, runtime::admin()?);
        let worker = {
            let _inside = data.enter();
            penstock_worker::Worker::start(&self.config, app, admin.handle())
        };
        Ok(Running { worker: worker.map_err(|error| raise(&error))?, data, _admin: admin })
    }

    fn running(&self) -> PyResult<&Running> {
        self.running.get().ok_or_else(|| misuse("the worker is not running"))
    }
}

impl App for Asgi {
    fn serve(&self, incoming: Incoming) -> impl Future<Output = ()> + Send + 'static {
        self.take(incoming);
        std::future::ready(())
    }
}

fn misuse(what: &str) -> PyErr {
    raise(&Error::new(Code::Internal, Side::Agent, what))
}
