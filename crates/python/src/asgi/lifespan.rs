//! The application's own start and end (ASGI's lifespan protocol, 2.0).

use std::{
    sync::Arc,
    task::{Context, Poll},
};

use penstock_domain::{Code, Error, Side};
use pyo3::{
    Bound, Py, PyAny, PyErr, PyResult, Python, intern,
    types::{PyDict, PyDictMethods as _, PyStringMethods as _},
};

use super::{
    awaitable::{Awaitable, Operation},
    event::Event,
    exchange::{Exchange, Protocol, Refusal},
};
use crate::error::raise;

/// One application's life.
#[derive(Default)]
pub(super) struct Lifespan {
    stage: Stage,
    ending: bool,
    startup: Option<Outcome>,
    shutdown: Option<Outcome>,
    over: bool,
}

/// What the application was told last.
#[derive(Default)]
enum Stage {
    #[default]
    Nothing,
    Startup,
    Shutdown,
}

/// How a start or an end went; a failure with the application's message.
type Outcome = Result<(), String>;

/// What the application says.
pub(super) struct Said {
    kind: String,
    message: String,
}

impl Lifespan {
    /// Asks the application to end.
    pub(super) const fn end(&mut self) {
        self.ending = true;
    }
}

impl Protocol for Lifespan {
    type Sent = Said;
    type Received = &'static str;

    fn read(event: &Event<'_>) -> PyResult<Said> {
        let message = event.text("message")?.unwrap_or_default();
        Ok(Said { kind: event.kind()?.to_str()?.to_owned(), message })
    }

    fn write<'py>(py: Python<'py>, kind: &'static str) -> PyResult<Bound<'py, PyDict>> {
        let event = PyDict::new(py);
        event.set_item(intern!(py, "type"), kind)?;
        Ok(event)
    }

    fn receive(&mut self, _cx: &mut Context<'_>) -> Poll<&'static str> {
        match self.stage {
            Stage::Nothing => {
                self.stage = Stage::Startup;
                Poll::Ready("lifespan.startup")
            }
            Stage::Startup if self.ending => {
                self.stage = Stage::Shutdown;
                Poll::Ready("lifespan.shutdown")
            }
            Stage::Startup | Stage::Shutdown => Poll::Pending,
        }
    }

    fn send(&mut self, _cx: &mut Context<'_>, said: Said) -> Poll<Result<(), Refusal>> {
        let (outcome, value) = match said.kind.as_str() {
            "lifespan.startup.complete" => (&mut self.startup, Ok(())),
            "lifespan.startup.failed" => (&mut self.startup, Err(said.message)),
            "lifespan.shutdown.complete" => (&mut self.shutdown, Ok(())),
            "lifespan.shutdown.failed" => (&mut self.shutdown, Err(said.message)),
            other => return Poll::Ready(Err(unexpected(other))),
        };
        if outcome.is_some() {
            return Poll::Ready(Err(unexpected(&said.kind)));
        }
        *outcome = Some(value);
        Poll::Ready(Ok(()))
    }

    fn flush(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), Refusal>> {
        Poll::Ready(Ok(()))
    }

    fn news(&mut self) -> bool {
        true
    }

    fn returned(&mut self) -> Option<&'static str> {
        self.over = true;
        None
    }

    /// An application that knows nothing of this protocol raises at once: it is served all the same.
    fn raised(&mut self, _py: Python<'_>, error: &PyErr) -> bool {
        self.over = true;
        match self.startup {
            None => {
                tracing::info!(target: "penstock::worker", %error, "the application has no lifespan");
                false
            }
            // It has said why.
            Some(Err(_)) => false,
            Some(Ok(())) => {
                self.shutdown.get_or_insert_with(|| Err(error.to_string()));
                true
            }
        }
    }

    fn fail(&mut self) {
        self.over = true;
    }

    fn leave(&mut self) {}
}

impl Exchange<Lifespan> {
    /// Resolves when the application is up; raises if it says that it failed.
    pub(super) fn started(self: &Arc<Self>) -> Awaitable {
        self.awaitable(Started(Arc::clone(self)))
    }

    /// Resolves when the application has ended; raises if it says that it failed.
    pub(super) fn stopped(self: &Arc<Self>) -> Awaitable {
        self.with(Lifespan::end);
        self.awaitable(Stopped(Arc::clone(self)))
    }
}

struct Started(Arc<Exchange<Lifespan>>);

impl Operation for Started {
    fn poll(&self, py: Python<'_>, _cx: &mut Context<'_>) -> Poll<PyResult<Py<PyAny>>> {
        let (outcome, over) = self.0.look(|life| (life.startup.clone(), life.over));
        resolve(py, outcome, over, "the application did not start")
    }
}

struct Stopped(Arc<Exchange<Lifespan>>);

impl Operation for Stopped {
    fn poll(&self, py: Python<'_>, _cx: &mut Context<'_>) -> Poll<PyResult<Py<PyAny>>> {
        let (outcome, over) = self.0.look(|life| (life.shutdown.clone(), life.over));
        resolve(py, outcome, over, "the application did not end in order")
    }
}

fn resolve(py: Python<'_>, outcome: Option<Outcome>, over: bool, what: &str) -> Poll<PyResult<Py<PyAny>>> {
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

fn unexpected(kind: &str) -> Refusal {
    Refusal::Order(format!("Unexpected ASGI message '{kind}' sent."))
}
