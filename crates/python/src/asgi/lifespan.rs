//! The application's own start and end (ASGI's lifespan protocol, 2.0).

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll},
};

use penstock_domain::{Code, Error, Side};
use pyo3::{
    Bound, Py, PyAny, PyErr, PyResult, Python,
    exceptions::PyRuntimeError,
    intern, pyclass, pymethods,
    types::{PyDict, PyDictMethods as _, PyStringMethods as _},
};

use super::{
    awaitable::{Awaitable, Done, Operation},
    event::Event,
    log::Log,
    queue::Bell,
    run::Conversation,
};
use crate::error::raise;

/// One application's life.
pub(super) struct Lifespan {
    life: Mutex<Life>,
    bell: Arc<Bell>,
}

#[derive(Default)]
struct Life {
    told: Told,
    startup: Option<Result<(), String>>,
    ending: bool,
    shutdown: Option<Result<(), String>>,
    over: bool,
}

/// What the application has received.
#[derive(Clone, Copy, Default, Eq, PartialEq)]
enum Told {
    #[default]
    Nothing,
    Startup,
    Shutdown,
}

impl Lifespan {
    pub(super) fn new(bell: Arc<Bell>) -> Arc<Self> {
        Arc::new(Self { life: Mutex::default(), bell })
    }

    /// Resolves when the application is up; raises if it says that it failed.
    pub(super) fn started(self: &Arc<Self>) -> Awaitable {
        Awaitable::new(Started(Arc::clone(self)), Arc::clone(&self.bell))
    }

    /// Asks the application to end, and resolves when it has; raises if it says that it failed.
    pub(super) fn stopped(self: &Arc<Self>) -> Awaitable {
        self.life().ending = true;
        self.bell.ring();
        Awaitable::new(Stopped(Arc::clone(self)), Arc::clone(&self.bell))
    }

    fn life(&self) -> MutexGuard<'_, Life> {
        self.life.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tell(&self) -> Option<&'static str> {
        let mut life = self.life();
        match life.told {
            Told::Nothing => {
                life.told = Told::Startup;
                Some("lifespan.startup")
            }
            Told::Startup if life.ending => {
                life.told = Told::Shutdown;
                Some("lifespan.shutdown")
            }
            _ => None,
        }
    }

    fn hear(&self, event: &Event<'_>) -> PyResult<()> {
        let kind = event.kind()?;
        let (kind, mut life) = (kind.to_str()?, self.life());
        let outcome = match kind.rsplit('.').next() {
            Some("failed") => Err(event.text("message")?.unwrap_or_default()),
            _ => Ok(()),
        };
        match kind {
            "lifespan.startup.complete" | "lifespan.startup.failed" if life.startup.is_none() => {
                life.startup = Some(outcome);
            }
            "lifespan.shutdown.complete" | "lifespan.shutdown.failed" if life.shutdown.is_none() => {
                life.shutdown = Some(outcome);
            }
            _ => return Err(PyRuntimeError::new_err(format!("Unexpected ASGI message '{kind}' sent."))),
        }
        drop(life);
        self.bell.ring();
        Ok(())
    }

    fn end(&self) {
        self.life().over = true;
        self.bell.ring();
    }
}

impl Conversation for Lifespan {
    fn returned(&self, _py: Python<'_>, _log: &Log) {
        self.end();
    }

    /// An application that knows nothing of this protocol raises at once: it is served all the same.
    fn raised(&self, py: Python<'_>, log: &Log, error: &PyErr) {
        let (supported, failed) = {
            let life = self.life();
            (life.startup.is_some(), matches!(life.startup, Some(Err(_))))
        };
        if !supported {
            log.info(py, "ASGI 'lifespan' protocol appears unsupported", error);
        } else if !failed {
            log.error_at_large(py, "Exception in 'lifespan' protocol", Some(error));
            self.life().shutdown.get_or_insert_with(|| Err(error.to_string()));
        }
        self.end();
    }

    fn fail(&self) {
        self.end();
    }

    fn disconnect(&self) {}
}

/// The two callables of a lifespan.
#[pyclass(frozen, module = "penstock._core")]
pub(super) struct LifespanExchange {
    lifespan: Arc<Lifespan>,
    done: Py<Done>,
}

impl LifespanExchange {
    pub(super) const fn new(lifespan: Arc<Lifespan>, done: Py<Done>) -> Self {
        Self { lifespan, done }
    }
}

#[pymethods]
impl LifespanExchange {
    fn receive(&self) -> Awaitable {
        Awaitable::new(Receiving(Arc::clone(&self.lifespan)), Arc::clone(&self.lifespan.bell))
    }

    fn send(&self, py: Python<'_>, event: &Bound<'_, PyDict>) -> PyResult<Py<Done>> {
        self.lifespan.hear(&Event(event))?;
        Ok(self.done.clone_ref(py))
    }
}

struct Receiving(Arc<Lifespan>);

impl Operation for Receiving {
    fn poll(&self, py: Python<'_>, _cx: &mut Context<'_>) -> Poll<PyResult<Py<PyAny>>> {
        let Some(kind) = self.0.tell() else { return Poll::Pending };
        let event = PyDict::new(py);
        Poll::Ready(event.set_item(intern!(py, "type"), kind).map(|()| event.into_any().unbind()))
    }
}

struct Started(Arc<Lifespan>);

impl Operation for Started {
    fn poll(&self, py: Python<'_>, _cx: &mut Context<'_>) -> Poll<PyResult<Py<PyAny>>> {
        let life = self.0.life();
        resolve(py, &life.startup, life.over, "the application did not start")
    }
}

struct Stopped(Arc<Lifespan>);

impl Operation for Stopped {
    fn poll(&self, py: Python<'_>, _cx: &mut Context<'_>) -> Poll<PyResult<Py<PyAny>>> {
        let life = self.0.life();
        resolve(py, &life.shutdown, life.over, "the application did not end in order")
    }
}

fn resolve(
    py: Python<'_>,
    outcome: &Option<Result<(), String>>,
    over: bool,
    what: &str,
) -> Poll<PyResult<Py<PyAny>>> {
    match outcome {
        Some(Err(why)) => {
            let error = Error::new(Code::Internal, Side::Upstream, format!("{what}: {why}"));
            Poll::Ready(Err(raise(&error.hint("the application's own log says more"))))
        }
        Some(Ok(())) => Poll::Ready(Ok(py.None())),
        None if over => Poll::Ready(Ok(py.None())),
        None => Poll::Pending,
    }
}
